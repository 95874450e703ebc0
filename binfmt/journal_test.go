package binfmt

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

const (
	testBoot = "4f24f2d0-0c3c-4a5e-9b8e-0123456789ab"
	shaA     = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	shaB     = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func testJournal() Journal {
	return Journal{Version: 1, Name: Name, Interpreter: "/i", Flags: "PF", EmulatorSHA256: shaA, BootID: testBoot,
		PID: 7, Mount: Mounted{Ours: true, ID: 1 << 63, Others: []string{"a"}}}
}

func TestJournalRoundTrip(t *testing.T) {
	want := testJournal()
	data, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseJournal(data)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ParseJournal(%s) = %+v, %v; want %+v", data, got, err, want)
	}
}

// TestJournalFits proves that the longest journal can be read again.
func TestJournalFits(t *testing.T) {
	j := testJournal()
	j.Mount.Others = nil
	for range maxOthers {
		j.Mount.Others = append(j.Mount.Others, strings.Repeat("\x01", maxName)) // six bytes each in JSON
	}
	data, err := j.encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ParseJournal(data); err != nil {
		t.Errorf("ParseJournal() of %d bytes: %v", len(data), err)
	}
}

func TestParseJournalRefuses(t *testing.T) {
	good, err := testJournal().encode()
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) []byte { return bytes.Replace(good, []byte(old), []byte(new), 1) }
	tests := []struct {
		what string
		data []byte
		want string
	}{
		{"empty", nil, "EOF"},
		{"torn", good[:len(good)/2], "unexpected EOF"},
		{"not an object", []byte("[]"), "cannot unmarshal"},
		{"null", []byte("null"), "version 0"},
		{"two", append(bytes.Clone(good), good...), "text after its end"},
		{"too long", bytes.Repeat([]byte(" "), maxJournal+1), "over 1048576 bytes"},
		{"unknown field", replace(`"pid"`, `"pidd"`), "unknown field"},
		{"version", replace(`"version": 1`, `"version": 2`), "version 2 is not 1"},
		{"foreign name", replace(Name, "qemu-aarch64"), "not a handler of this program"},
		{"control file", replace(Name, "status"), "not a handler of this program"},
		{"interpreter", replace(`"/i"`, `"i"`), "not an absolute path"},
		{"flags", replace(`"PF"`, `"PCF"`), "flags"},
		{"sha256", replace(shaA, shaA[1:]), "not a sha256"},
		{"upper-case sha256", replace(shaA, strings.ToUpper(shaA)), "not a sha256"},
		{"boot id", replace(testBoot, strings.ReplaceAll(testBoot, "-", "")), "not a boot id"},
		{"boot id of dashes", replace(testBoot, strings.Repeat("-", 36)), "not a boot id"},
		{"pid", replace(`"pid": 7`, `"pid": 0`), "process id 0"},
		{"others", replace(`"a"`, `"a"`+strings.Repeat(`,"a"`, maxOthers)), "over 256 other handlers"},
		{"negative id", replace("9223372036854775808", "-1"), "cannot unmarshal"},
	}
	for _, tt := range tests {
		if _, err := ParseJournal(tt.data); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: ParseJournal() = %v; want %q", tt.what, err, tt.want)
		}
	}
}

func TestDecide(t *testing.T) {
	now := func(persistent bool, sha string) *Journal {
		return &Journal{BootID: testBoot, Persistent: persistent, EmulatorSHA256: sha}
	}
	before := &Journal{BootID: "other", Persistent: true, EmulatorSHA256: shaA}
	tests := []struct {
		alone   bool
		j       *Journal
		present bool
		want    step
	}{
		{true, nil, false, stepReplace},
		{true, nil, true, stepReplace},
		{true, before, true, stepReplace},
		{true, now(false, shaA), true, stepReplace},
		{true, now(false, shaB), true, stepReplace},
		{true, now(true, shaA), true, stepJoin},
		{true, now(true, shaA), false, stepRestore},
		{true, now(true, shaB), true, stepBusy},
		{true, now(true, shaB), false, stepReplace},
		{false, nil, true, stepBusy},
		{false, before, true, stepBusy},
		{false, now(false, shaA), true, stepJoin},
		{false, now(false, shaA), false, stepRestore},
		{false, now(false, shaB), true, stepBusy},
		{false, now(false, shaB), false, stepBusy},
		{false, now(true, shaA), true, stepJoin},
		{false, now(true, shaB), false, stepBusy},
	}
	for _, tt := range tests {
		if got := decide(tt.alone, tt.j, tt.present, testBoot, shaA); got != tt.want {
			t.Errorf("decide(%v, %+v, %v) = %v; want %v", tt.alone, tt.j, tt.present, got, tt.want)
		}
	}
}

// FuzzParseJournal checks that what is accepted is safe to act upon and stays
// the same when it is written again.
func FuzzParseJournal(f *testing.F) {
	good, err := testJournal().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, data []byte) {
		j, err := ParseJournal(data)
		if err != nil {
			return
		}
		if !ours(j.Name) || strings.Contains(string(j.Flags), "C") {
			t.Errorf("ParseJournal(%q) = %+v", data, j)
		}
		out, err := j.encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseJournal(out)
		if len(out) <= maxJournal && (err != nil || again.Name != j.Name || again.Interpreter != j.Interpreter || again.Mount.ID != j.Mount.ID) {
			t.Errorf("ParseJournal(%q) = %+v; written and read again: %+v, %v", data, j, again, err)
		}
	})
}
