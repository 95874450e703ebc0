package main

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strings"
)

// A literal is a secret that stands in a configuration, whose text everybody may read who
// has the store, the image or an account on the board.
type literal struct {
	line int
	what string
}

// literalValues are what a string in a configuration is, by the option that it is given
// to; the first that fits decides. Comments do not count.
var literalValues = []struct {
	what   string
	option *regexp.Regexp // before the string
	value  *regexp.Regexp
}{
	{"a Wi-Fi key", option(`psk|pskRaw|saePassword|saePasswords|wpaPassphrase|wpaPsk`), regexp.MustCompile(`^(?:[^e]|e[^x]|ex[^t]|ext[^:])`)},
	{"the hash of a password, which can be guessed at", option(`\w*[hH]ashedPassword`), regexp.MustCompile(`^\$`)},
	{"a password", option(`\w*[pP]assword|passphrase`), anything},
	{"a WireGuard key", option(`privateKey|presharedKey`), regexp.MustCompile(`^[A-Za-z0-9+/]{42,43}=`)},
	{"a token", option(`\w*[aA]uthKey|\w*[aA]piKey|\w*[tT]oken|\w*[sS]ecretKey|clientSecret`), anything},
}

// anything is all but a path.
var anything = regexp.MustCompile(`^[^/]`)

// option matches what stands before a string that is given to an option, whatever set it
// is in.
func option(names string) *regexp.Regexp {
	return regexp.MustCompile(`(?:^|[\s.{;"])"?(?:` + names + `)"?\s*=\s*(?:(?:lib\.)?mk(?:Force|Default)\s+)?$`)
}

// literalTexts are secrets wherever they stand, in a comment, too.
var literalTexts = []struct {
	what string
	text *regexp.Regexp
}{
	{"a private key", regexp.MustCompile(`-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----`)},
	{"an age identity", regexp.MustCompile(`AGE-SECRET-KEY-(?:PQ-)?1[02-9AC-HJ-NP-Z]{20}`)},
	{"a token of GitHub", regexp.MustCompile(`\b(?:gh[opsur]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{22})`)},
	{"a token of GitLab", regexp.MustCompile(`\bglpat-[A-Za-z0-9_-]{20}`)},
	{"a key of AWS", regexp.MustCompile(`\b(?:AKIA|ASIA)[0-9A-Z]{16}\b`)},
	{"a token of Slack", regexp.MustCompile(`\bxox[abprs]-[0-9A-Za-z-]{10}`)},
	{"a key of Tailscale", regexp.MustCompile(`\btskey-[a-z]+-[A-Za-z0-9]{8}`)},
}

// findLiterals finds what looks like a secret, once a line, in the order of the table.
func findLiterals(config []byte) (all []literal) {
	seen := map[int]bool{}
	add := func(at int, what string) {
		if line := 1 + bytes.Count(config[:at], []byte("\n")); !seen[line] {
			seen[line] = true
			all = append(all, literal{line, what})
		}
	}
	for _, l := range literalTexts {
		for _, at := range l.text.FindAllIndex(config, -1) {
			add(at[0], l.what)
		}
	}
	for _, at := range nixTokens.FindAllIndex(config, -1) {
		token := string(config[at[0]:at[1]])
		value := strings.TrimSpace(strings.Trim(token, `"'`))
		if token[0] == '#' || token[0] == '/' || strings.HasPrefix(value, "${") {
			continue
		}
		before := config[:at[0]]
		before = before[max(0, len(before)-maxBefore):]
		for _, l := range literalValues {
			if !l.option.Match(before) {
				continue
			}
			if l.value.MatchString(value) {
				add(at[0], l.what)
			}
			break
		}
	}
	return all
}

// maxBefore is how much before a string is looked at, in bytes.
const maxBefore = 160

// Bounds on the files of a configuration that are looked at.
const (
	maxModules = 500
	maxModule  = 1 << 20 // bytes
)

// warnOfLiterals looks for secrets in a target's configuration, and in what that imports
// by relative paths, as the sandbox sees them.
func (b *build) warnOfLiterals(t *target) {
	main := t.File
	if b.nixos.ofFlake() && t.Mount != "" {
		main = t.Mount + "/flake.nix"
	}
	if main == "" {
		return
	}
	queue, seen := []string{main}, map[string]bool{main: true}
	for len(queue) > 0 && len(seen) < maxModules {
		file := queue[0]
		queue = queue[1:]
		text, ok := b.readModule(file)
		if !ok && path.Ext(file) != ".nix" && !seen[file+"/default.nix"] { // a folder
			seen[file+"/default.nix"] = true
			queue = append(queue, file+"/default.nix")
		}
		for _, l := range findLiterals(text) {
			b.warnOnce(oneLine(fmt.Sprintf("%s:%d: this looks like %s, which everybody could read who has the image, the store or an account on the board: put it into the finished image instead (--inject, --wifi; \"nixsd-native inject\")", b.hostPath(file), l.line, l.what)))
		}
		for _, name := range relativePaths.FindAll(text, -1) {
			next := path.Join(path.Dir(file), string(name))
			if strings.HasPrefix(next, path.Dir(main)+"/") && !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
}

// relativePaths are how a module names others, as etc-nixos.nix has it.
var relativePaths = regexp.MustCompile(`\.?\./[0-9A-Za-z_+.-]+(?:/[0-9A-Za-z_+.-]+)*`)

// readModule reads a module in the sandbox.
func (b *build) readModule(file string) ([]byte, bool) {
	f, err := b.session.Open(file)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	text, err := readAllBounded(f, file, maxModule)
	return text, err == nil
}
