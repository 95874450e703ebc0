package nix

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"nixsd-native/internal/decompress"
	"nixsd-native/internal/untar"
)

// TestInsideMainUsage shows that what is no step fails by message and status, before
// anything is done.
func TestInsideMainUsage(t *testing.T) {
	stdin, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	for _, args := range [][]string{nil, {StepInstall}, {"dance", sampleHash}, {StepInstall, sampleHash, "x"}} {
		var out bytes.Buffer
		status := InsideMain(t.Context(), args, nil, stdin, &out)
		var m InsideMessage
		if err := json.Unmarshal(out.Bytes(), &m); err != nil || status != 1 || m.Error == "" || m.Bad {
			t.Errorf("InsideMain(%q) = %d, %s; want 1 and a message", args, status, &out)
		}
	}
}

func TestIsTarballsFault(t *testing.T) {
	for _, test := range []struct {
		err  error
		want bool
	}{
		{&TarballError{"it is bad"}, true},
		{fmt.Errorf("x: %w", &untar.FormatError{Name: "a", Reason: "is bad"}), true},
		{errors.Join(fs.ErrClosed, &decompress.FormatError{Reason: "bad"}), true},
		{&fs.PathError{Op: "open", Path: "/nix", Err: fs.ErrPermission}, false},
		{nil, false},
	} {
		if got := isTarballsFault(test.err); got != test.want {
			t.Errorf("isTarballsFault(%v) = %v; want %v", test.err, got, test.want)
		}
	}
}

// TestLoadDB shows that the registration is the program's standard input, that its
// environment is what was given, and that what it said of an error is passed on.
func TestLoadDB(t *testing.T) {
	program := t.TempDir() + "/nix-store"
	script := "#!/bin/sh\n[ \"$1\" = --load-db ] && read -r line && [ \"$line $A ${HOME-none}\" = 'registration b none' ] && exit\n" +
		"printf '\\033[31mbad:\\033[0m %s' \"$line\" >&2; exit 3\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	load := loadDB([]string{"A=b"})
	if err := load(t.Context(), program, strings.NewReader("registration\n")); err != nil {
		t.Errorf("loadDB = %v", err)
	}
	err := load(t.Context(), program, strings.NewReader("nonsense\n"))
	if want := "nix-store --load-db: exit status 3: bad: nonsense"; err == nil || err.Error() != want {
		t.Errorf("loadDB = %v; want %s", err, want)
	}
}
