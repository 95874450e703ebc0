package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"text/tabwriter"
	"time"
)

// A command is one side of a comparison. prepare, if not nil, runs before each run
// and is not timed. parse, if not nil, reads the times from what the command prints,
// for one that runs inside of something else.
type command struct {
	name    string
	argv    []string
	prepare func() error
	parse   func(out []byte) (sample, error)
}

// A sample is what one process, with those it waited for, took.
type sample struct{ wall, cpu time.Duration }

// A comparison has our command and the one it is measured against.
type comparison struct {
	name         string
	ours, theirs command
	target       string
	met          func(ours, theirs time.Duration) bool // of median wall times; nil if there is no target
}

// result holds the samples of both sides, in order.
type result struct {
	comparison
	a, b []sample
}

// measure runs both sides in turn, so that both meet the same noise.
func (c comparison) measure(runs int) (result, error) {
	r := result{comparison: c}
	for i := range runs + 1 {
		a, err := c.ours.run()
		if err != nil {
			return r, err
		}
		b, err := c.theirs.run()
		if err != nil {
			return r, err
		}
		if i > 0 { // the first warms the page cache
			r.a, r.b = append(r.a, a), append(r.b, b)
		}
	}
	return r, nil
}

func (c command) run() (sample, error) {
	if c.prepare != nil {
		if err := c.prepare(); err != nil {
			return sample{}, err
		}
	}
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	if slices.Contains([]string{emulatorArg0, nixArg0, fetchArg0}, c.argv[0]) {
		self, err := os.Executable()
		if err != nil {
			return sample{}, err
		}
		cmd = &exec.Cmd{Path: self, Args: c.argv}
	}
	start := time.Now()
	out, err := cmd.CombinedOutput()
	wall := time.Since(start)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %v\n%s", c.name, err, out)
	}
	if c.parse != nil {
		return c.parse(out)
	}
	return sample{wall, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}, nil
}

func median(samples []sample, of func(sample) time.Duration) time.Duration {
	all := make([]time.Duration, len(samples))
	for i, s := range samples {
		all[i] = of(s)
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// medianRatio is the median of the ratios of neighbouring runs.
func (r result) medianRatio() float64 {
	var all []float64
	for i := range r.a {
		all = append(all, r.b[i].wall.Seconds()/r.a[i].wall.Seconds())
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func wall(s sample) time.Duration { return s.wall }
func cpu(s sample) time.Duration  { return s.cpu }

// print writes the table.
func print(w io.Writer, results []result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "what\tcommand\twall s\tcpu s\tratio\ttarget\t")
	for _, r := range results {
		a, b := median(r.a, wall), median(r.b, wall)
		verdict := ": met"
		switch {
		case r.met == nil:
			verdict = ""
		case !r.met(a, b):
			verdict = ": MISSED"
		}
		fmt.Fprintf(t, "%s\t%s\t%.3f\t%.3f\t%.2f\t%s%s\t\n", r.name, r.ours.name, a.Seconds(), median(r.a, cpu).Seconds(), r.medianRatio(), r.target, verdict)
		fmt.Fprintf(t, "\t%s\t%.3f\t%.3f\t\t\t\n", r.theirs.name, b.Seconds(), median(r.b, cpu).Seconds())
	}
	return t.Flush()
}
