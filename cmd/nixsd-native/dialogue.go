package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// A dialogue asks questions on a terminal. Ctrl-C ends it with errInterrupted, and so does
// Ctrl-D where the answer is seen; the terminal is left as it was found.
type dialogue struct {
	ctx context.Context
	in  *os.File
	out io.Writer
}

// newDialogue returns nil if nobody is there to answer.
func newDialogue(ctx context.Context, a *app) *dialogue {
	if !term.IsTerminal(int(os.Stdin.Fd())) || !term.IsTerminal(int(os.Stderr.Fd())) {
		return nil
	}
	return &dialogue{ctx, os.Stdin, a.errs}
}

// ask asks until set takes the answer. An empty one stands for the standard.
func (d *dialogue) ask(question, standard string, set func(string) error) error {
	if standard != "" {
		question += fmt.Sprintf(" [%s]", standard)
	}
	return d.until(question, standard, set, d.line)
}

// askHidden asks for what must not be seen, until check takes it and, as typing errors are
// not seen either, it was typed twice. What is empty is once enough.
func (d *dialogue) askHidden(question string, check func(string) error) (answer string, err error) {
	for again := ""; ; {
		keep := func(s string) error { answer = s; return check(s) }
		if err := d.until(question, "", keep, d.hidden); err != nil || answer == "" {
			return "", err
		}
		if err := d.until("The same again", "", func(s string) error { again = s; return nil }, d.hidden); err != nil {
			return "", err
		}
		if again == answer {
			return answer, nil
		}
		fmt.Fprintln(d.out, "  these were two different ones")
	}
}

// choose shows a numbered list before it asks.
func (d *dialogue) choose(question string, list []string, standard string, set func(string) error) error {
	for i, item := range list {
		fmt.Fprintf(d.out, "  %d  %s\n", i+1, item)
	}
	return d.ask(question, standard, set)
}

func (d *dialogue) until(question, standard string, set func(string) error, read func() (string, error)) error {
	for {
		fmt.Fprintf(d.out, "%s: ", question)
		answer, err := d.interruptible(read)
		if err != nil {
			fmt.Fprintln(d.out)
			return err
		}
		if answer == "" {
			answer = standard
		}
		if err = set(answer); err == nil {
			return nil
		}
		fmt.Fprintf(d.out, "  %s\n", oneLine(err.Error()))
	}
}

// interruptible reads an answer, or gives up with the terminal restored when ctx ends;
// the read itself ends with the process.
func (d *dialogue) interruptible(read func() (string, error)) (string, error) {
	fd := int(d.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	type result struct {
		answer string
		err    error
	}
	done := make(chan result, 1)
	go func() {
		answer, err := read()
		done <- result{answer, err}
	}()
	select {
	case r := <-done:
		if errors.Is(r.err, io.EOF) {
			r.err = errInterrupted
		}
		return r.answer, r.err
	case <-d.ctx.Done():
		return "", errors.Join(errInterrupted, term.Restore(fd, before))
	}
}

// line reads a line byte by byte, so that nothing of the next answer is taken.
func (d *dialogue) line() (string, error) {
	var line []byte
	for b := make([]byte, 1); ; {
		n, err := d.in.Read(b)
		if n == 1 && b[0] == '\n' {
			return string(bytes.TrimSpace(line)), nil
		}
		if err != nil {
			return "", err
		}
		if line = append(line, b[:n]...); len(line) > maxAnswer {
			return "", fmt.Errorf("an answer of more than %d bytes", maxAnswer)
		}
	}
}

// maxAnswer bounds an answer in bytes; Linux cuts lines of terminals at 4096.
const maxAnswer = 4096

// hidden reads a line that the terminal does not show.
func (d *dialogue) hidden() (string, error) {
	answer, err := term.ReadPassword(int(d.in.Fd()))
	fmt.Fprintln(d.out)
	return string(answer), err
}
