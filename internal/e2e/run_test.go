package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nixsd-native/internal/testenv"
)

// patience bounds every wait for the program: five times what a build takes here.
const patience = 8 * time.Minute

// A job is one run of the program.
type job struct {
	as       caller
	args     []string
	env      []string
	dir      string            // working directory; empty for the caller's home
	isolated bool              // in a network namespace without interfaces
	binds    map[string]string // file to what is mounted over it, for this run only
	input    string            // standard input
	under    []string          // a program with its arguments that runs this one
	network  *os.File          // network namespace, if it is another one
}

// An event is a line of --log-format json.
type event struct {
	Time       time.Time
	Type       string
	Phase      string
	Doing      string
	Item       string
	Running    []string
	Derivation string
	Line       string
	Text       string
	OK         *bool
	Phases     []struct{ Name string }
}

// A process is a running job.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	json    bool
	begun   time.Time
	out     bytes.Buffer
	events  chan event
	seen    []event  // taken from events
	errs    []string // lines of standard error; complete when events is closed
	badJSON []string
	timer   *time.Timer
}

// A result is how a job ended.
type result struct {
	status  int // -1 if it was killed
	out     string
	errs    string
	events  []event
	badJSON []string // lines of standard error that should have been events
	took    time.Duration
}

// start starts a job. With --log-format json its events can be awaited.
func start(t *testing.T, j job) *process {
	t.Helper()
	p := &process{t: t, json: printsJSON(j.args), events: make(chan event, 1<<16), begun: time.Now()}
	argv := append(append(j.under, testenv.Binary(t)), j.args...)
	p.cmd = exec.Command(argv[0], argv[1:]...)
	p.cmd.Env, p.cmd.Dir = j.as.environment(j.env), j.dir
	if j.dir == "" {
		p.cmd.Dir = j.as.folder(t, ".")
	}
	p.cmd.Stdin, p.cmd.Stdout = strings.NewReader(j.input), &p.out
	p.cmd.SysProcAttr = j.attributes()
	p.cmd.WaitDelay = time.Minute
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = w
	if j.network != nil {
		err = startInNetwork(p.cmd, j.network)
	} else {
		err = startWith(p.cmd, j.binds)
	}
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	started.add(p.cmd.Process.Pid)
	p.timer = time.AfterFunc(patience, func() { p.cmd.Process.Kill() })
	go p.read(r)
	t.Cleanup(p.abandon)
	return p
}

// printsJSON reports whether the last --log-format is json.
func printsJSON(args []string) bool {
	format := ""
	for i := 1; i < len(args); i++ {
		if args[i-1] == "--log-format" {
			format = args[i]
		}
	}
	return format == "json"
}

// abandon ends a process that a failed test left.
func (p *process) abandon() {
	if p.cmd.ProcessState == nil {
		p.cmd.Process.Signal(syscall.SIGTERM)
		p.wait()
	}
}

// attributes make the caller of a job.
func (j job) attributes() *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 && j.as.uid != 0 {
		a.Credential = &syscall.Credential{Uid: uint32(j.as.uid), Gid: uint32(j.as.uid)}
	}
	if j.isolated {
		a.Cloneflags = syscall.CLONE_NEWNET
		if os.Geteuid() != 0 {
			a.Cloneflags |= syscall.CLONE_NEWUSER
			a.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
			a.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
		}
	}
	return a
}

// read takes standard error apart.
func (p *process) read(r *os.File) {
	defer close(p.events)
	defer r.Close()
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		p.errs = append(p.errs, scan.Text())
		if !p.json {
			continue
		}
		var e event
		if err := json.Unmarshal(scan.Bytes(), &e); err != nil || e.Type == "" || e.Time.IsZero() {
			p.badJSON = append(p.badJSON, scan.Text())
			continue
		}
		p.events <- e
	}
}

// await returns the first event from now on that match likes, and fails the test if
// the program ends before.
func (p *process) await(what string, match func(event) bool) event {
	p.t.Helper()
	for e := range p.events {
		p.seen = append(p.seen, e)
		if match(e) {
			return e
		}
	}
	p.t.Fatalf("the program ended before %s:\n%s", what, tail(p.errs))
	return event{}
}

// runs takes events for a while and reports whether the program has not ended by then.
func (p *process) runs(while time.Duration) bool {
	for over := time.After(while); ; {
		select {
		case e, ok := <-p.events:
			if !ok {
				return false
			}
			p.seen = append(p.seen, e)
		case <-over:
			return true
		}
	}
}

func phase(name string) func(event) bool {
	return func(e event) bool { return e.Type == "phase" && e.Phase == name }
}

func building(name string) func(event) bool {
	return func(e event) bool { return e.Type == "building" && slices.Contains(e.Running, name) }
}

// wait waits for the end.
func (p *process) wait() result {
	p.t.Helper()
	for e := range p.events {
		p.seen = append(p.seen, e)
	}
	p.cmd.Wait()
	p.timer.Stop()
	started.remove(p.cmd.Process.Pid)
	return result{p.cmd.ProcessState.ExitCode(), p.out.String(), strings.Join(p.errs, "\n"), p.seen, p.badJSON, time.Since(p.begun)}
}

func run(t *testing.T, j job) result {
	t.Helper()
	return start(t, j).wait()
}

// must runs a job that succeeds.
func must(t *testing.T, j job) result {
	t.Helper()
	p := start(t, j)
	r := p.wait()
	if r.status != 0 {
		t.Fatalf("nixsd-native %s = %d\n%s", strings.Join(j.args, " "), r.status, tail(p.errs))
	}
	if len(r.badJSON) > 0 {
		t.Errorf("nixsd-native %s printed what is no event: %q", strings.Join(j.args, " "), r.badJSON)
	}
	return r
}

// phases lists the phases of a run.
func (r result) phases() []string {
	var all []string
	for _, e := range r.events {
		if e.Type == "phase" && !slices.Contains(all, e.Phase) {
			all = append(all, e.Phase)
		}
	}
	return all
}

// built lists the derivations that a run built.
func (r result) built() []string {
	var all []string
	for _, e := range r.events {
		for _, name := range e.Running {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	slices.Sort(all)
	return all
}

// downloaded lists what a run downloaded.
func (r result) downloaded() []string {
	var all []string
	for _, e := range r.events {
		if e.Doing == "downloading" && !slices.Contains(all, e.Item) {
			all = append(all, e.Item)
		}
	}
	return all
}

// tail is what a failure shows of an output.
func tail(lines []string) string {
	var b strings.Builder
	for _, line := range lines[max(0, len(lines)-25):] {
		fmt.Fprintf(&b, "\t%.400s\n", line)
	}
	return b.String()
}
