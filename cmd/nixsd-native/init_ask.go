package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"nixsd-native/internal/wifi"
	"nixsd-native/nix"
)

// ask asks for all that no flag gave, the board first.
func (j *initJob) ask(d *dialogue, a *app) error {
	var boards []string
	for _, b := range nix.Boards() {
		boards = append(boards, fmt.Sprintf("%-8s %s", b.Name, b.Title))
	}
	for _, step := range []struct {
		needed bool
		ask    func() error
	}{
		{j.board == "", func() error { return d.choose("Board", boards, "", j.chooseBoard) }},
		{j.HostName == defaultName, func() error { return d.ask("Host name", defaultName, j.setHostName) }},
		{j.User == defaultName, func() error { return d.ask("User who logs in", defaultName, j.setUser) }},
		{len(j.Keys) == 0, func() error { return j.askKeys(d, a) }},
		{j.TimeZone == "", func() error { return d.ask("Time zone", hostTimeZone(a.env), j.setTimeZone) }},
		{j.WiFi == "", func() error { return d.ask("Wi-Fi network, if any", "", optional(j.setWiFi)) }},
	} {
		if !step.needed {
			continue
		}
		if err := step.ask(); err != nil {
			return err
		}
	}
	if j.WiFi != "" && j.passphrase == "" {
		if err := j.askPassphrase(d); err != nil {
			return err
		}
	}
	if j.static != "" {
		return nil
	}
	return d.ask("Static address, as "+staticExample+", if any", "", optional(j.setStatic))
}

// optional lets an answer be empty.
func optional(set func(string) error) func(string) error {
	return func(s string) error {
		if s == "" {
			return nil
		}
		return set(s)
	}
}

// chooseBoard takes a board's name or its number in the list.
func (j *initJob) chooseBoard(answer string) error {
	names := boardNames()
	if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(names) {
		answer = names[n-1]
	}
	return j.setBoard(answer)
}

// askPassphrase asks without showing the answer. Without one, inject will ask.
func (j *initJob) askPassphrase(d *dialogue) (err error) {
	j.passphrase, err = d.askHidden(fmt.Sprintf("Passphrase of %s, or nothing to give it later", clean(j.WiFi)), optional(wifi.ValidatePassphrase))
	return err
}

// An ownKey is a public key of the caller's.
type ownKey struct{ file, line string }

// askKeys offers the caller's own keys.
func (j *initJob) askKeys(d *dialogue, a *app) error {
	keys := ownKeys(a.env)
	var shown []string
	for _, k := range keys {
		kind, _, _ := strings.Cut(k.line, " ")
		shown = append(shown, clean(fmt.Sprintf("%s (%s)", k.file, kind)))
	}
	question, standard := "File with the public ssh key to log in with", ""
	if len(keys) > 0 {
		question, standard = "ssh key to log in with: numbers, or a file", "1"
	}
	return d.choose(question, shown, standard, func(answer string) error {
		found, err := chosenKeys(keys, answer)
		j.Keys = found
		return err
	})
}

// chosenKeys are those whose numbers, from 1, are given, or those of a file.
func chosenKeys(keys []ownKey, answer string) (lines []string, err error) {
	if answer == "" {
		return nil, fmt.Errorf("without a key nobody can log in; make one with: ssh-keygen -t ed25519")
	}
	for _, word := range strings.FieldsFunc(answer, func(r rune) bool { return r == ',' || r == ' ' }) {
		n, err := strconv.Atoi(word)
		if err != nil {
			return readKeyFile(answer)
		}
		if n < 1 || n > len(keys) {
			return nil, fmt.Errorf("there is no key %d", n)
		}
		if !slices.Contains(lines, keys[n-1].line) {
			lines = append(lines, keys[n-1].line)
		}
	}
	return lines, nil
}

// readKeyFile reads a file of public keys that was named in an answer, where no shell
// replaces a tilde.
func readKeyFile(name string) ([]string, error) {
	if rest, ok := strings.CutPrefix(name, "~/"); ok {
		name = filepath.Join(homeOf(hostEnvironment()), rest)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %v", name, bare(err))
	}
	defer f.Close()
	data, err := readAllBounded(f, name, maxKeyFile)
	if err != nil {
		return nil, err
	}
	return parseKeys(name, data)
}

// ownKeys are the public keys in the caller's ~/.ssh, but no certificates, which a login
// takes no key from.
func ownKeys(env environment) (all []ownKey) {
	home := homeOf(env)
	names, err := filepath.Glob(filepath.Join(home, ".ssh", "*.pub"))
	if home == "" || err != nil {
		return nil
	}
	for _, name := range names {
		lines, err := readKeyFile(name)
		if err != nil || !isFile(name) {
			continue
		}
		for _, line := range lines {
			if kind, _, _ := strings.Cut(line, " "); !strings.Contains(kind, "-cert-") {
				all = append(all, ownKey{name, line})
			}
		}
	}
	return all
}

// homeOf is the caller's home: the environment's or, for a process that root started for
// somebody, who that is.
func homeOf(env environment) string {
	if env["HOME"] != "" {
		return env["HOME"]
	}
	return loginOf(strconv.Itoa(os.Getuid())).HomeDir
}

// hostTimeZone is this machine's time zone, or UTC.
func hostTimeZone(env environment) string {
	var found []string
	found = append(found, env["TZ"])
	if link, err := os.Readlink("/etc/localtime"); err == nil {
		if _, name, ok := strings.Cut(link, "zoneinfo/"); ok {
			found = append(found, name)
		}
	}
	if name, err := os.ReadFile("/etc/timezone"); err == nil {
		found = append(found, strings.TrimSpace(string(name)))
	}
	for _, name := range found {
		if isTimeZone(name) {
			return name
		}
	}
	return "UTC"
}
