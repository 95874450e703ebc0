package binfmt

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

func TestFlagsFor(t *testing.T) {
	tests := []struct {
		release string
		want    Flags
	}{
		{"6.18.44-fc-v657", "PF"},
		{"5.12", "PF"},
		{"5.12.0-rc1+", "PF"},
		{"5.12-rc1", "PF"},
		{"10.0.1", "PF"},
		{"5.11.22-7-pve", "F"},
		{"5.4.0-216-generic", "F"},
		{"4.19.0", "F"},
		{"", "F"},
		{"6", "F"},
		{"6.", "F"},
		{"six.one", "F"},
		{"-6.1", "F"},
		{"99999999999999999999.1", "F"},
		{"5.99999999999999999999", "F"},
	}
	for _, tt := range tests {
		if got := FlagsFor(tt.release); got != tt.want {
			t.Errorf("FlagsFor(%q) = %q; want %q", tt.release, got, tt.want)
		}
	}
}

func TestLine(t *testing.T) {
	got, err := AArch64(Name, "/opt/a b/qemu-aarch64-static", FlagsKeepArgv0).Line()
	want := `:qemu-aarch64-nixsd:M::` +
		`\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:` +
		`\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:` +
		`/opt/a b/qemu-aarch64-static:PF`
	if string(got) != want || err != nil {
		t.Errorf("AArch64().Line() = %q, %v; want %q", got, err, want)
	}
	e := Entry{Name: "x", Magic: []byte("MZ"), Offset: 3, Interpreter: "/i", Flags: FlagsPlain}
	if got, err := e.Line(); string(got) != `:x:M:3:\x4d\x5a::/i:F` || err != nil {
		t.Errorf("Line() with an offset = %q, %v", got, err)
	}
}

func TestLineRefuses(t *testing.T) {
	long := "/" + strings.Repeat("i", maxLine)
	tests := []struct {
		what   string
		change func(*Entry)
		want   string
	}{
		{"empty name", func(e *Entry) { e.Name = "" }, "0 bytes"},
		{"long name", func(e *Entry) { e.Name = strings.Repeat("n", 256) }, "256 bytes"},
		{"dot", func(e *Entry) { e.Name = "." }, "reserved"},
		{"dots", func(e *Entry) { e.Name = ".." }, "reserved"},
		{"register", func(e *Entry) { e.Name = "register" }, "reserved"},
		{"status", func(e *Entry) { e.Name = "status" }, "reserved"},
		{"slash", func(e *Entry) { e.Name = "a/b" }, "slash"},
		{"colon", func(e *Entry) { e.Name = "a:b" }, "colon"},
		{"backslash", func(e *Entry) { e.Name = `a\x41` }, "backslash"},
		{"newline", func(e *Entry) { e.Name = "a\n" }, "control"},
		{"no magic", func(e *Entry) { e.Magic, e.Mask = nil, nil }, "no magic"},
		{"short mask", func(e *Entry) { e.Mask = e.Mask[1:] }, "mask has 19 bytes, magic 20"},
		{"negative offset", func(e *Entry) { e.Offset = -1 }, "offset -1"},
		{"far offset", func(e *Entry) { e.Offset = 109 }, "offset 109"},
		{"huge offset", func(e *Entry) { e.Offset = 1 << 62 }, "first 128 bytes"},
		{"no flags", func(e *Entry) { e.Flags = "" }, "flags"},
		{"not F", func(e *Entry) { e.Flags = "P" }, "flags"},
		{"credentials", func(e *Entry) { e.Flags = "PCF" }, "flags"},
		{"flag with newline", func(e *Entry) { e.Flags = "F\n" }, "flags"},
		{"no interpreter", func(e *Entry) { e.Interpreter = "" }, "not an absolute path"},
		{"relative interpreter", func(e *Entry) { e.Interpreter = "bin/q" }, "not an absolute path"},
		{"interpreter with colon", func(e *Entry) { e.Interpreter = "/a:b" }, "colon"},
		{"interpreter with newline", func(e *Entry) { e.Interpreter = "/a\nb" }, "control"},
		{"interpreter with NUL", func(e *Entry) { e.Interpreter = "/a\x00b" }, "control"},
		{"interpreter not UTF-8", func(e *Entry) { e.Interpreter = "/a\xff" }, "UTF-8"},
		{"long line", func(e *Entry) { e.Interpreter = long }, "11 to 1920"},
	}
	for _, tt := range tests {
		e := AArch64(Name, "/usr/bin/qemu", FlagsKeepArgv0)
		tt.change(&e)
		line, err := e.Line()
		var entryErr *EntryError
		if !errors.As(err, &entryErr) || !strings.Contains(err.Error(), tt.want) || line != nil {
			t.Errorf("%s: Line() = %q, %v; want an *EntryError with %q", tt.what, line, err, tt.want)
		}
	}
}

func TestLineLongest(t *testing.T) {
	e := AArch64(Name, "/", FlagsPlain)
	line, err := e.Line()
	if err != nil {
		t.Fatal(err)
	}
	e.Interpreter += strings.Repeat("i", maxLine-len(line))
	if line, err = e.Line(); len(line) != maxLine || err != nil {
		t.Errorf("longest Line() has %d bytes, %v; want %d", len(line), err, maxLine)
	}
	e.Interpreter += "i"
	if line, err = e.Line(); err == nil {
		t.Errorf("a Line() of %d bytes was accepted", len(line))
	}
}

// TestAArch64AgreesWithDebian compares with what Debian registers.
func TestAArch64AgreesWithDebian(t *testing.T) {
	line, err := os.ReadFile("testdata/debian-qemu-aarch64.conf")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Split(strings.TrimSpace(string(line)), ":")
	if len(fields) != 8 {
		t.Fatalf("Debian's line has %d fields", len(fields))
	}
	e := AArch64("", "", "")
	for at, got := range map[int][]byte{4: e.Magic, 5: e.Mask} {
		want, err := hex.DecodeString(strings.ReplaceAll(fields[at], `\x`, ""))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("field %d = %x; Debian has %x (%v)", at, got, want, err)
		}
	}
}

func TestOurs(t *testing.T) {
	for name, want := range map[string]bool{
		"qemu-aarch64-nixsd":      true,
		"qemu-aarch64-nixsd-1":    true,
		"qemu-aarch64-nixsdx":     false,
		"qemu-aarch64":            false,
		"WSLInterop":              false,
		"status":                  false,
		"register":                false,
		"":                        false,
		"qemu-aarch64-nixsd-/../": false,
	} {
		if got := ours(name); got != want {
			t.Errorf("ours(%q) = %v; want %v", name, got, want)
		}
	}
}

// kernelFields splits a line as the kernel does: the first byte is the separator.
var kernelFields = regexp.MustCompile(`^:([^:]*):M:([0-9]*):((?:\\x[0-9a-f]{2})+):((?:\\x[0-9a-f]{2})*):([^:]*):(P?F)$`)

// FuzzLine checks that no name or path can escape from its field.
func FuzzLine(f *testing.F) {
	f.Add(Name, "/usr/bin/qemu-aarch64", "PF", []byte("MZ"), 3)
	f.Add("a:b", "/x:C", "C", []byte{0}, -1)
	f.Fuzz(func(t *testing.T, name, interpreter, flags string, magic []byte, offset int) {
		e := Entry{Name: name, Magic: magic, Offset: offset, Interpreter: interpreter, Flags: Flags(flags)}
		line, err := e.Line()
		if err != nil {
			return
		}
		m := kernelFields.FindStringSubmatch(string(line))
		if m == nil || m[1] != name || m[5] != interpreter || m[6] != flags || len(line) > maxLine {
			t.Errorf("Line() of %+v = %q", e, line)
		}
	})
}

// Only a release that is surely one of Linux 5.12 or newer lets argv[0] be kept.
func FuzzFlagsFor(f *testing.F) {
	for _, release := range []string{"6.12.0-1-amd64", "5.11", "5.12-rc1", "x", "99999999999.1", "6", "+6.1"} {
		f.Add(release)
	}
	f.Fuzz(func(t *testing.T, release string) {
		var major, minor uint64
		n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor)
		switch got := FlagsFor(release); {
		case got == FlagsKeepArgv0 && (n != 2 || major < 5 || major == 5 && minor < 12):
			t.Errorf("FlagsFor(%q) = %s", release, got)
		case got != FlagsKeepArgv0 && got != FlagsPlain:
			t.Errorf("FlagsFor(%q) = %q", release, got)
		}
	})
}
