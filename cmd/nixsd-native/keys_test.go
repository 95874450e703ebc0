package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// Public keys, made by: ssh-keygen -q -t TYPE -N ” -C ” -f k. The private halves are
// gone.
const (
	keyEd25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFmjLdeYn6UUQf7on75E19Adiq47Jgr/DyY8XQDkKEJf"
	keyECDSA   = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBI1RO7gLU0p0gQFmRnf5pWwWt+pYznGuyQL6wGkUcRIrlYbdcgCSQ0pI9mKf+yJuQwuVH8QVwIP5IyOG0ia+tKc="
	keyRSA     = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDEtlEQcVgA2UB4jJrhSgqaDFf+k4vMTipeXpROmx8xqvXD+M34zojCglUQCH9o+8i5aOOV3hWqPnOctylRCbgUh0hyRjYDMvajmhZjVK5kFDCiQHBseIYu5FbWNOb7GOiGG7MVnWNRgC1EJF89V7AdHorNtd7y3A7c6+H7Avu/yw=="
)

func TestParseKeys(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []string
		err  string
	}{
		{keyEd25519, []string{keyEd25519}, ""},
		{keyEd25519 + " me@host\n", []string{keyEd25519 + " me@host"}, ""},
		{keyRSA + "\n\n# old\n" + keyECDSA + " two words \r\n", []string{keyRSA, keyECDSA + " two words"}, ""},
		{"  " + keyEd25519 + "\t \n", []string{keyEd25519}, ""},
		{"ssh-ed25519\t" + strings.Fields(keyEd25519)[1] + "  \tme", []string{keyEd25519 + " me"}, ""},
		{`no-pty,command="x" ` + keyEd25519 + " me", nil, `has a key with options (no-pty,command="x"), which would be lost`},
		{keyEd25519 + "\n" + keyEd25519, []string{keyEd25519, keyEd25519}, ""},

		{"", nil, "is empty"},
		{"\n# nothing\n \r\n", nil, "is empty"},
		{"ssh-ed25519 AAAA…", nil, "holds no ssh public key"},
		{"ssh-ed25519", nil, "holds no ssh public key"},
		{strings.Fields(keyEd25519)[1], nil, "holds no ssh public key"},
		{keyEd25519[:len(keyEd25519)-4], nil, "holds no ssh public key"},
		{"ssh-rsa " + strings.Fields(keyEd25519)[1], nil, "holds no ssh public key"}, // of another type
		{keyEd25519 + "\nhello\n", nil, "holds no ssh public key"},
		{"\x00\xff", nil, "holds no ssh public key"},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", nil, "is a private key"},
		{"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n", nil, "is a private key"},
		{keyEd25519 + "\n-----BEGIN PRIVATE KEY-----\n", nil, "is a private key"},
		{"-----BEGIN PUBLIC KEY-----\nAAAA\n", nil, "holds no ssh public key"},
	} {
		got, err := parseKeys("k", []byte(tt.in))
		if !slices.Equal(got, tt.want) || tt.err == "" != (err == nil) {
			t.Errorf("parseKeys(%q) = %q, %v; want %q, error %q", tt.in, got, err, tt.want, tt.err)
			continue
		}
		if err != nil && (err.Error() != "--ssh-key k "+tt.err || exitCode(err) != exitUsage || len(hints(err)) != 1) {
			t.Errorf("parseKeys(%q) = %v, hints %q; want a usage error …%s, and one hint", tt.in, err, hints(err), tt.err)
		}
	}
}

// A private key is pointed to its public half.
func TestParseKeysHint(t *testing.T) {
	_, err := parseKeys("id_ed25519", []byte("-----BEGIN OPENSSH PRIVATE KEY-----\n"))
	if got, want := hints(err), []string{"name the public half: id_ed25519.pub"}; !slices.Equal(got, want) {
		t.Errorf("hints = %q; want %q", got, want)
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte(keyEd25519 + " me\n# x\n" + keyRSA))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := parseKeys("k", data)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("parseKeys(%q) = %q, %v; want keys or an error", data, keys, err)
		}
		for _, key := range keys {
			if _, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(key)); err != nil || len(options)+len(rest) > 0 || strings.ContainsAny(key, "\n") {
				t.Errorf("parseKeys(%q) has %q: options %q, rest %q, %v; want one key", data, key, options, rest, err)
			}
		}
		if err == nil {
			again, err := parseKeys("k", []byte(strings.Join(keys, "\n")))
			if err != nil || !slices.Equal(again, keys) {
				t.Errorf("parseKeys(%q), from what it returned, = %q, %v; want the same", keys, again, err)
			}
		}
	})
}

// The file that --ssh-key names is read within bounds, and what is wrong with it is a
// usage error that names it.
func TestReadKeys(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"good": keyEd25519 + "\n", "full": keyEd25519 + strings.Repeat("\n", maxKeyFile-len(keyEd25519)),
		"large": keyEd25519 + strings.Repeat("\n", maxKeyFile), "other": "x",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := &workspace{app: &app{privileges: opener{}}}
	for name, want := range map[string]string{
		"good": "", "full": "", "large": "more than 65536 bytes", "other": "no ssh public key", "none": "no such file", "": "is a directory",
	} {
		file := filepath.Join(dir, name)
		keys, err := w.readKeys(file)
		if want == "" && (err != nil || !slices.Equal(keys, []string{keyEd25519})) {
			t.Errorf("readKeys(%s) = %q, %v; want the key", name, keys, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Count(err.Error(), file) < 1 || exitCode(err) != exitUsage || len(hints(err)) == 0) {
			t.Errorf("readKeys(%s) = %q, %v; want a usage error …%s…", name, keys, err, want)
		}
	}
}

// opener are privileges that can open files and no more.
type opener struct{ privileges }

func (opener) Open(name string) (*os.File, error) { return openNamed(name) }

func TestPlaceholderKey(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want int
	}{
		{"", 0},
		{"{ }", 0},
		{`"ssh-ed25519 AAAA…"`, 1},
		{"{\n  keys = [ \"" + keyEd25519 + " me\" ];\n}", 0},
		{"{\n  keys = [\n    \"ssh-ed25519 AAAA... you@host\"\n  ];\n}", 3},
		{"{\n  keys = [\n    \"" + keyRSA + "\"\n    \"ssh-rsa YOUR KEY HERE\"\n  ];\n}", 4},
		{"\"ecdsa-sha2-nistp256 AAAA\"", 1},
		{"\"sk-ssh-ed25519@openssh.com AAAA\"", 1},
		{"\"ssh-dss AAAA\"", 1},
		{"''\n  ssh-ed25519 AAAA\n''", 1},
		{"''" + keyEd25519 + "''", 0},
		{`"  ssh-ed25519 AAAA"`, 1},
		{`"ssh-rsa AAAA" "ssh-rsa BBBB"`, 1},

		{"# \"ssh-ed25519 AAAA…\"", 0},
		{"/* \"ssh-ed25519\nAAAA…\" */", 0},
		{"/* \" */ \"ssh-ed25519 AAAA…\"", 1},
		{"# don't\n\"ssh-ed25519 AAAA…\"", 2},
		{"# \"\n\"ssh-ed25519 AAAA…\"", 2},
		{`"#" "ssh-ed25519 AAAA…"`, 1},
		{`"/*" "ssh-ed25519 AAAA…" "*/"`, 1},
		{`"a \" # b" "ssh-ed25519 AAAA…"`, 1},
		{"'' \" # ''\n\"ssh-ed25519 AAAA…\"", 2},

		{`"ssh-ed25519 ${key}"`, 0},
		{`"ssh-ed25519"`, 0}, // the type alone, as in HostKeyAlgorithms
		{`"ssh-ed25519 "`, 0},
		{`"ssh-ed25519,ssh-rsa AAAA"`, 0},
		{`"my ssh-ed25519 AAAA"`, 0},
		{`"ssh-keygen -t rsa"`, 0},
		{`ssh-ed25519 AAAA`, 0}, // no string
		{`"ssh-ed25519 AAAA`, 0},
		{"''ssh-ed25519 AAAA", 0},
		{"/* \"ssh-ed25519 AAAA…\"", 1}, // a comment that does not end is no Nix
	} {
		if got := placeholderKey([]byte(tt.in)); got != tt.want {
			t.Errorf("placeholderKey(%q) = %d; want %d", tt.in, got, tt.want)
		}
	}
}

// The configuration that lies in this tree has no placeholder.
func TestPlaceholderKeyOfTheTree(t *testing.T) {
	config, err := os.ReadFile(filepath.Join(top, "sd-card.nix"))
	if err != nil {
		t.Fatal(err)
	}
	if line := placeholderKey(config); line != 0 {
		t.Errorf("placeholderKey(sd-card.nix) = %d; want 0", line)
	}
}

func FuzzPlaceholderKey(f *testing.F) {
	f.Add([]byte("{\n keys = [ \"ssh-ed25519 AAAA…\" ]; # x\n}"))
	f.Fuzz(func(t *testing.T, config []byte) {
		line := placeholderKey(config)
		if line == 0 {
			return
		}
		all := bytes.Split(config, []byte("\n"))
		if line < 0 || line > len(all) {
			t.Fatalf("placeholderKey(%q) = %d; want one of %d lines", config, line, len(all))
		}
		if from := bytes.Join(all[line-1:], []byte("\n")); !bytes.ContainsAny(all[line-1], `"'`) || !bytes.Contains(from, []byte("s")) {
			t.Errorf("placeholderKey(%q) = %d: %q; want a line with a string", config, line, all[line-1])
		}
	})
}
