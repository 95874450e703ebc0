package main

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/crypto/ssh"
)

// maxKeyFile bounds a file of public keys in bytes.
const maxKeyFile = 64 << 10

// readKeys reads a file that --ssh-key names: public keys, one a line.
func (w *workspace) readKeys(name string) ([]string, error) {
	f, err := w.privileges.Open(name)
	if err != nil {
		return nil, usageErrorf("name a public key that you may read, or make one with: ssh-keygen -t ed25519", "--ssh-key %s: %v", name, bare(err))
	}
	defer f.Close()
	data, err := readAllBounded(f, name, maxKeyFile)
	if err != nil {
		return nil, usageErrorf("name a public key, such as ~/.ssh/id_ed25519.pub", "--ssh-key %s: %v", name, bare(err))
	}
	return parseKeys(name, data)
}

// parseKeys returns the lines of data that are public keys, in normal form. Options,
// which may restrict a key, are refused.
func parseKeys(name string, data []byte) ([]string, error) {
	if bytes.Contains(data, []byte("PRIVATE KEY-----")) {
		return nil, usageErrorf("name the public half: "+name+".pub", "--ssh-key %s is a private key", name)
	}
	var keys []string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, comment, options, _, err := ssh.ParseAuthorizedKey([]byte(line))
		if err != nil || strings.ContainsFunc(comment, unicode.IsControl) {
			return nil, usageErrorf("name a public key, such as ~/.ssh/id_ed25519.pub", "--ssh-key %s holds no ssh public key", name)
		}
		if len(options) > 0 {
			return nil, usageErrorf("put the whole line into the configuration, or name a file with the key alone", "--ssh-key %s has a key with options (%s), which would be lost", name, oneLine(strings.Join(options, ",")))
		}
		text := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
		keys = append(keys, strings.TrimSpace(text+" "+comment))
	}
	if len(keys) == 0 {
		return nil, usageErrorf("name a public key, such as ~/.ssh/id_ed25519.pub", "--ssh-key %s is empty", name)
	}
	return keys, nil
}

// nixTokens are strings and comments of a Nix expression, which hide each other's
// marks. In an indented string, three apostrophes, and two before a dollar or a
// backslash, are escapes and not its end.
var nixTokens = regexp.MustCompile(`(?s)"(?:[^"\\]|\\.)*"|''(?:[^']|'[^']|'''|''\$|''\\.)*''|#[^\n]*|/\*.*?\*/`)

// nixSpaces turns the escapes for white space into such.
var nixSpaces = strings.NewReplacer(`\\`, `\\`, `\n`, " ", `\t`, " ", `\r`, " ")

// keyLike is what an ssh public key begins with. The name of its type alone is none.
var keyLike = regexp.MustCompile(`^(?:ssh-(?:ed25519|rsa|dss)|ecdsa-sha2-\S+|sk-(?:ssh|ecdsa)-\S+)\s+\S`)

// placeholderKey returns the number of the first line of a configuration with a
// quoted ssh key that is none, such as "ssh-ed25519 AAAA…", or 0. Comments do not
// count, nor strings that Nix completes.
func placeholderKey(config []byte) int {
	for _, at := range nixTokens.FindAllIndex(config, -1) {
		token := string(config[at[0]:at[1]])
		text := strings.TrimSpace(nixSpaces.Replace(strings.Trim(token, `"'`)))
		if token[0] == '#' || token[0] == '/' || strings.Contains(text, "${") || !keyLike.MatchString(text) {
			continue
		}
		if _, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text)); err != nil {
			return 1 + bytes.Count(config[:at[0]], []byte("\n"))
		}
	}
	return 0
}
