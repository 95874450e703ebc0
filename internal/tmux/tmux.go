// Package tmux runs programs in a real terminal, tmux(1), and reads back what they drew.
package tmux

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A Terminal is a window of a tmux server of its own, which ends with Close.
type Terminal struct {
	program string
	dir     string // of the server's socket
	syncs   int
}

// A Config says what runs in a Terminal.
type Config struct {
	Program       string // path of the program tmux
	Columns, Rows int
	Dir           string   // where the command runs; "" is here
	Env           []string // all that it gets
	Command       []string
}

// history is how many rows that scrolled away are kept.
const history = "10000"

// Open starts a command. The window stays when it has ended.
func Open(c Config) (*Terminal, error) {
	dir, err := os.MkdirTemp("", "tmux-*")
	if err != nil {
		return nil, err
	}
	s := &Terminal{program: c.Program, dir: dir}
	settings := "set -g status off\nset -g remain-on-exit on\nset -g remain-on-exit-format ''\nset -g history-limit " + history + "\n"
	if err := os.WriteFile(filepath.Join(dir, "conf"), []byte(settings), 0o600); err != nil {
		return nil, err
	}
	args := []string{"-f", filepath.Join(dir, "conf"), "new-session", "-d", "-x", fmt.Sprint(c.Columns), "-y", fmt.Sprint(c.Rows)}
	if c.Dir != "" {
		args = append(args, "-c", c.Dir)
	}
	args = append(append(args, "--", "env", "-i"), c.Env...)
	if _, err := s.run(append(args, c.Command...)...); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close ends what runs, and the server.
func (s *Terminal) Close() {
	s.run("kill-server")
	os.RemoveAll(s.dir)
}

// run runs one of the server's commands and returns what it prints.
func (s *Terminal) run(args ...string) (string, error) {
	cmd := exec.Command(s.program, append([]string{"-u", "-S", filepath.Join(s.dir, "socket")}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("tmux %s: %v: %s", args[0], err, errs.String())
	}
	return string(out), nil
}

// ask returns a format of tmux(1), filled in.
func (s *Terminal) ask(format string) (string, error) {
	out, err := s.run("display-message", "-p", format)
	return strings.TrimSuffix(out, "\n"), err
}

// TTY opens the terminal that the command sees.
func (s *Terminal) TTY() (*os.File, error) {
	name, err := s.ask("#{pane_tty}")
	if err != nil {
		return nil, err
	}
	return os.OpenFile(name, os.O_RDWR, 0)
}

// Resize changes the window's size, which the command is told by SIGWINCH. What is on
// the screen flows anew.
func (s *Terminal) Resize(columns, rows int) error {
	_, err := s.run("resize-window", "-x", fmt.Sprint(columns), "-y", fmt.Sprint(rows))
	return err
}

// Type presses keys, by their names in tmux(1).
func (s *Terminal) Type(keys ...string) error {
	_, err := s.run(append([]string{"send-keys"}, keys...)...)
	return err
}

// Text returns all rows, those that scrolled away too, without empty ones at the end.
func (s *Terminal) Text() (string, error) { return s.capture() }

// Visible is Text without what scrolled away.
func (s *Terminal) Visible() (string, error) { return s.capture("-S", "0") }

// Styled is Text with escape sequences for colours.
func (s *Terminal) Styled() (string, error) { return s.capture("-e") }

func (s *Terminal) capture(more ...string) (string, error) {
	out, err := s.run(append([]string{"capture-pane", "-p", "-S", "-"}, more...)...)
	return strings.TrimRight(out, "\n") + "\n", err
}

// Ended reports whether the command has ended, and with which status. tmux sees first that
// nobody has the terminal open any more, and the status later: tmux 3.3a often only when
// another process of its has ended.
func (s *Terminal) Ended() (status string, ended bool, err error) {
	out, err := s.ask("#{pane_dead} #{pane_dead_status}#{pane_dead_signal}")
	dead, status, _ := strings.Cut(out, " ")
	if err == nil && dead == "1" && status == "" {
		_, err = s.run("run-shell", "true")
	}
	return status, dead == "1" && status != "", err
}

// Sync waits until all that was written to w, the terminal, is on the screen: it writes
// a title (xterm's OSC 2) and looks for it.
func (s *Terminal) Sync(w io.Writer) error {
	s.syncs++
	title := fmt.Sprintf("sync-%d", s.syncs)
	if _, err := io.WriteString(w, "\x1b]2;"+title+"\x1b\\"); err != nil {
		return err
	}
	for tries := 0; tries < 1000; tries++ {
		if got, err := s.ask("#{pane_title}"); err != nil || got == title {
			return err
		}
	}
	return fmt.Errorf("the terminal did not take the title %s", title)
}
