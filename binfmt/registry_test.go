package binfmt

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
)

func kernelText(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/kernel/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestParseEntryOfKernel(t *testing.T) {
	aarch64 := AArch64(Name, "/bin/true", FlagsKeepArgv0)
	debian := AArch64("qemu-aarch64", "/bin/true", "POF")
	tests := []struct {
		name string
		want Registered
	}{
		{Name, Registered{Entry: aarch64, Enabled: true}},
		{"qemu-aarch64", Registered{Entry: debian, Enabled: true}},
		{"by-offset", Registered{Entry: Entry{
			Name: "by-offset", Magic: []byte("MZ"), Offset: 3, Interpreter: "/bin/true", Flags: "OC"}}},
		{"by-extension", Registered{Enabled: true, Extension: "nixsd",
			Entry: Entry{Name: "by-extension", Interpreter: "/bin/true"}}},
	}
	for _, tt := range tests {
		got, err := ParseEntry(tt.name, kernelText(t, tt.name))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("ParseEntry(%q) = %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
}

func TestParseEntry(t *testing.T) {
	tests := []struct {
		text string
		want string // part of the error, or none
	}{
		{"enabled\ninterpreter /a b\nflags: \noffset 0\nmagic 00\n", ""},
		{"enabled\ninterpreter /a\nflags: F\noffset 0\nmagic 00\nfuture line\n", ""},
		{"enabled\ninterpreter /a", ""},
		{"enabled\ninterpreter /a\nmagic " + strings.Repeat("00", 256) + "\n", ""},
		{"", `begins with ""`},
		{"enable\ninterpreter /a\n", "begins with"},
		{"enabled\n", "no interpreter"},
		{"enabled\ninterpreter \n", "no interpreter"},
		{"enabled\ninterpreter /a\ninterpreter /b\n", "given twice"},
		{"enabled\ninterpreter /a\noffset -1\n", "offset"},
		{"enabled\ninterpreter /a\noffset 99999999999\n", "offset"},
		{"enabled\ninterpreter /a\noffset 257\n", "outside"},
		{"enabled\ninterpreter /a\noffset 256\nmagic 00\n", "outside"},
		{"enabled\ninterpreter /a\nmagic 0\n", "magic"},
		{"enabled\ninterpreter /a\nmagic zz\n", "magic"},
		{"enabled\ninterpreter /a\nmagic 00\nmask 0000\n", "mask has 2 bytes, magic 1"},
		{"enabled\ninterpreter /a\nmagic " + strings.Repeat("00", 257) + "\n", "outside"},
		{"enabled\ninterpreter /" + strings.Repeat("a", maxEntryText) + "\n", "over 8192 bytes"},
	}
	for _, tt := range tests {
		_, err := ParseEntry("x", []byte(tt.text))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("ParseEntry(%.60q) = %v; want %q", tt.text, err, tt.want)
		}
	}
}

func TestMatches(t *testing.T) {
	e := AArch64(Name, "/bin/true", FlagsKeepArgv0)
	same := Registered{Entry: AArch64(Name, "/bin/true", "FP"), Enabled: true}
	if !same.Matches(e) {
		t.Errorf("%+v does not match %+v", same, e)
	}
	for what, change := range map[string]func(*Registered){
		"name":        func(r *Registered) { r.Name = "x" },
		"disabled":    func(r *Registered) { r.Enabled = false },
		"interpreter": func(r *Registered) { r.Interpreter = "/bin/false" },
		"offset":      func(r *Registered) { r.Offset = 1 },
		"magic":       func(r *Registered) { r.Magic = r.Magic[1:] },
		"mask":        func(r *Registered) { r.Mask = nil },
		"flags":       func(r *Registered) { r.Flags = "PCF" },
		"extension":   func(r *Registered) { r.Extension = "x" },
	} {
		r := same
		change(&r)
		if r.Matches(e) {
			t.Errorf("matches in spite of another %s", what)
		}
	}
	whole := Entry{Name: "x", Magic: []byte("MZ"), Mask: []byte{0xff, 0xff}, Interpreter: "/i", Flags: "F"}
	r := Registered{Entry: whole, Enabled: true}
	r.Mask = nil
	if !r.Matches(whole) {
		t.Error("no mask differs from a mask of ones")
	}
}

func TestForeign(t *testing.T) {
	entry := func(name string, change func(*Registered)) Registered {
		r := Registered{Entry: AArch64(name, "/usr/bin/qemu", "OPF"), Enabled: true}
		if change != nil {
			change(&r)
		}
		return r
	}
	all := []Registered{
		entry(Name, nil),
		entry("qemu-aarch64", nil),
		entry("off", func(r *Registered) { r.Enabled = false }),
		entry("big-endian", func(r *Registered) { r.Magic = bytes.Clone(r.Magic); r.Magic[5] = 2 }),
		entry("shared-only", func(r *Registered) { r.Magic = bytes.Clone(r.Magic); r.Magic[16] = 3; r.Mask = nil }),
		entry("any-elf", func(r *Registered) { r.Magic, r.Mask = []byte("\x7fELF"), nil }),
		entry("extension", func(r *Registered) { r.Magic, r.Mask, r.Extension = nil, nil, "elf" }),
		entry("beyond", func(r *Registered) { r.Offset, r.Magic, r.Mask = 254, []byte{0, 0}, nil }),
		entry("WSLInterop", func(r *Registered) { r.Magic, r.Mask = []byte("MZ"), nil }),
	}
	var got []string
	for _, r := range Foreign(all, Name) {
		got = append(got, r.Name)
	}
	if want := []string{"qemu-aarch64", "shared-only", "any-elf", "beyond"}; !reflect.DeepEqual(got, want) {
		t.Errorf("Foreign() = %q; want %q", got, want)
	}
}

func TestReadAll(t *testing.T) {
	fsys := fstest.MapFS{
		"register": {Data: []byte("x")},
		"status":   {Data: []byte("enabled\n")},
		Name:       {Data: kernelText(t, Name)},
		"a":        {Data: kernelText(t, "by-extension")},
		"broken":   {Data: []byte("what is this")},
		"huge":     {Data: bytes.Repeat([]byte("x"), 1<<20)},
		"sub/file": {Data: []byte("enabled\n")},
	}
	all, err := ReadAll(fsys)
	if len(all) != 2 || all[0].Name != "a" || all[1].Name != Name {
		t.Errorf("ReadAll() = %+v", all)
	}
	for _, want := range []string{`handler "broken": begins with`, `handler "huge": over 8192 bytes`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ReadAll() error = %v; want %q in it", err, want)
		}
	}
	many := fstest.MapFS{}
	for i := range maxEntries + 1 {
		many[fmt.Sprint(i)] = &fstest.MapFile{Data: kernelText(t, "by-extension")}
	}
	if _, err := ReadAll(many); err == nil || !strings.Contains(err.Error(), "over 4096 handlers") {
		t.Errorf("ReadAll() of too many = %v", err)
	}
}

// text is what the kernel prints for r.
func (r Registered) text() []byte {
	state := map[bool]string{true: "enabled", false: "disabled"}[r.Enabled]
	b := fmt.Appendf(nil, "%s\ninterpreter %s\nflags: %s\n", state, r.Interpreter, r.Flags)
	if r.Extension != "" {
		b = fmt.Appendf(b, "extension .%s\n", r.Extension)
	}
	b = fmt.Appendf(b, "offset %d\nmagic %x\n", r.Offset, r.Magic)
	if r.Mask != nil {
		b = fmt.Appendf(b, "mask %x\n", r.Mask)
	}
	return b
}

// FuzzParseEntry checks that what was understood, printed as the kernel
// prints, is understood the same again, and that matching stays in bounds.
func FuzzParseEntry(f *testing.F) {
	for _, name := range []string{Name, "by-extension", "by-offset"} {
		f.Add(kernelText(f, name))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseEntry("x", text)
		if err != nil {
			return
		}
		if len(r.Magic) == 0 {
			r.Magic = []byte{}
		}
		Foreign([]Registered{r}, Name)
		again, err := ParseEntry("x", r.text())
		if len(r.text()) <= maxEntryText && (err != nil || !reflect.DeepEqual(again, r)) {
			t.Errorf("ParseEntry(%q) = %+v; printed and read again: %+v, %v", text, r, again, err)
		}
	})
}
