package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"nixsd-native/internal/shell"
	"nixsd-native/internal/sshclient"
	"nixsd-native/internal/vm"
)

// Times of a check.
const (
	attemptTime  = 20 * time.Second // for one try to log in; emulated, sshd takes seconds for its keys
	attemptPause = time.Second
	refusalTime  = time.Minute // sshd may keep users out until all has started (pam_nologin(8))
	shutdownTime = 2 * time.Minute
)

// check sees whether the machine comes up and lets in, and shuts it down.
func (g *guest) check(ctx context.Context) error {
	if err := unbootable(g.job.name, g.report); err != nil {
		return err
	}
	keys, closeKeys, err := g.keys()
	if err != nil {
		return err
	}
	defer closeKeys()
	target, err := g.target(keys)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, g.job.timeout)
	defer cancel()
	console := new(vm.Console)
	var out io.Writer = console
	if g.job.verbose {
		out = io.MultiWriter(console, &consoleWriter{to: g.errs})
	}
	begun := time.Now()
	fmt.Fprintf(g.errs, "booting %s, %s\n", cleanWord(g.job.name), g.how())
	r, err := vm.Start(g.qemu, g.Machine, g.image, g.env.list(qemuVariables), out)
	if err != nil {
		return err
	}
	defer r.Stop()
	stop := g.waiting(limited, "ssh")
	conn, err := g.login(limited, target, r, console)
	if err == nil {
		defer conn.Close()
		err = g.prove(limited, conn, r)
	}
	stop()
	if ctx.Err() != nil {
		r.Stop() // after which all that it printed has been read
		g.tail(console)
		return context.Cause(ctx)
	}
	if err != nil {
		return g.failed(err, console)
	}
	fmt.Fprintf(g.out, "%s boots: aarch64, %s logged in with %s, host key %s, %d s\n", cleanWord(g.job.name), target.User,
		target.Keys[conn.Key].Fingerprint(), ssh.FingerprintSHA256(conn.HostKey), int(time.Since(begun).Seconds()))
	return g.shutDown(limited, ctx, conn, r)
}

// waiting prints every 30 seconds what is waited for, for how long so far and at most, until
// it is stopped: an emulated board takes minutes, and CI systems end silent jobs.
func (g *guest) waiting(ctx context.Context, what string) (stop func()) {
	over, begun := make(chan struct{}), time.Now()
	end, _ := ctx.Deadline()
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(cmp.Or(g.heartbeat, defaultHeartbeat))
		defer tick.Stop()
		for {
			select {
			case <-over:
				return
			case now := <-tick.C:
				fmt.Fprintf(g.errs, "still waiting for %s (%s of %s)\n", what, wholeSeconds(now.Sub(begun)), wholeSeconds(end.Sub(begun)))
			}
		}
	})
	return func() {
		close(over)
		ended.Wait()
	}
}

// tail shows the end of the console to who has not seen it.
func (g *guest) tail(console *vm.Console) {
	const lines = 25
	if g.job.verbose {
		return
	}
	for _, line := range console.Tail(lines) {
		fmt.Fprintf(g.errs, "console> %s\n", clean(line))
	}
}

// byHand is the advice to look at what boots.
func (g *guest) byHand() string {
	return "see for yourself: nixsd-native boot " + shell.Path(g.job.name)
}

// failed shows the end of the console, and why the check failed.
func (g *guest) failed(err error, console *vm.Console) error {
	g.tail(console)
	advice := []string{g.byHand()}
	switch {
	case err == context.DeadlineExceeded && len(console.Tail(1)) == 0:
		err = fmt.Errorf("nothing was printed on its console within %v", g.job.timeout)
		advice = []string{"see whether " + g.UBoot + " is a u-boot.bin for qemu_arm64; another is named with --u-boot"}
	case err == context.DeadlineExceeded:
		err = fmt.Errorf("it does not let in within %v", g.job.timeout)
		advice = append([]string{"give it more time with --timeout 30m, if the console says that it goes on"}, advice...)
	}
	return &codedError{exitVerify, fmt.Sprintf("%s: %v", g.job.name, err), advice}
}

// login tries to log in until it succeeds, or cannot any more.
func (g *guest) login(ctx context.Context, t sshclient.Target, r *vm.Run, console *vm.Console) (*sshclient.Conn, error) {
	var refused time.Time
	for {
		attempt, cancel := context.WithTimeout(ctx, attemptTime)
		conn, err := sshclient.Dial(attempt, t)
		cancel()
		var why *sshclient.Error
		switch errors.As(err, &why); {
		case err == nil:
			return conn, nil
		case why != nil && why.Kind == sshclient.ChangedHost:
			return nil, errors.New("what answers has another host key than the image")
		case why != nil && why.Kind == sshclient.Refused && refused.IsZero():
			refused = time.Now()
		case why != nil && why.Kind == sshclient.Refused && time.Since(refused) > refusalTime:
			return nil, fmt.Errorf("sshd does not let %s in with %s, which the image names", t.User, t.Keys[0].Fingerprint())
		}
		if reason := console.Stuck(); reason != "" {
			return nil, fmt.Errorf("it does not boot: %s", reason)
		}
		select {
		case <-r.Ended:
			return nil, errors.New("the machine ended before it let in")
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(attemptPause):
		}
	}
}

// prove asks what answers whether it is the machine that was started: only that one has
// its network card.
func (g *guest) prove(ctx context.Context, conn *sshclient.Conn, r *vm.Run) error {
	out, status, err := conn.Output(ctx, "uname -m && cat /sys/class/net/*/address")
	if err != nil || status != 0 {
		return fmt.Errorf("a command in it failed: status %d, %v", status, err)
	}
	lines := strings.Fields(out)
	if len(lines) == 0 || lines[0] != "aarch64" {
		return fmt.Errorf("uname -m says %.80q, not aarch64", out)
	}
	for _, address := range lines[1:] {
		if address != g.MAC { // which others can see, too, in the list of processes
			continue
		}
		select {
		case <-r.Ended:
			return errors.New("the machine ended, and something else answers at its port")
		default:
			return nil
		}
	}
	return fmt.Errorf("it is another machine that answers: its network cards are not %s", g.MAC)
}

// shutDown ends the machine in order if it can. If it cannot, the image boots all the
// same.
func (g *guest) shutDown(limited, ctx context.Context, conn *sshclient.Conn, r *vm.Run) error {
	limited, cancel := context.WithTimeout(limited, shutdownTime)
	defer cancel()
	defer g.waiting(limited, "it to shut down")()
	go conn.Output(limited, "poweroff || sudo -n poweroff") // which may not answer any more
	select {
	case <-r.Ended:
	case <-limited.Done():
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		fmt.Fprintln(g.errs, "warning: it did not shut down, and was ended")
	}
	return nil
}

// consoleWriter passes whole lines on, without what a terminal would heed.
type consoleWriter struct {
	to   io.Writer
	rest string
}

func (l *consoleWriter) Write(b []byte) (int, error) {
	l.rest += string(b)
	for {
		line, rest, whole := strings.Cut(l.rest, "\n")
		if !whole && len(line) < maxConsoleLine {
			return len(b), nil
		}
		fmt.Fprintf(l.to, "console> %s\n", clean(strings.TrimSpace(line)))
		l.rest = rest
	}
}

// maxConsoleLine bounds a line of a console, in bytes.
const maxConsoleLine = 4096
