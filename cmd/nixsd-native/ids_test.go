package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nixsd-native/sandbox"
)

// stateT returns a state folder that is there.
func stateT(t *testing.T, ids string) string {
	t.Helper()
	state := t.TempDir()
	if err := os.WriteFile(filepath.Join(state, "ids.json"), []byte(ids), 0o644); err != nil {
		t.Fatal(err)
	}
	return state
}

// Ids are chosen once: what nobody on this host has, and from then on the same.
func TestChooseIDs(t *testing.T) {
	state := t.TempDir()
	ids, err := chooseIDs(state)
	if err != nil {
		t.Fatal(err)
	}
	users := ids.users()
	for _, taken := range takenIDs() {
		if uint64(ids.First) < uint64(taken.First)+uint64(taken.Count) && uint64(taken.First) < uint64(users.First)+uint64(users.Count) {
			t.Errorf("chooseIDs = %+v, which %+v has", ids, taken)
		}
	}
	if ids.worker() < 1000 || users != (sandbox.Range{First: uint32(ids.worker()) + 1, Count: sandbox.RangeSize}) {
		t.Errorf("worker %d, sandbox %+v; want them side by side, neither among the system's", ids.worker(), users)
	}
	file := filepath.Join(state, "ids.json")
	before, err := os.ReadFile(file)
	if want := fmt.Sprintf("{\"first\":%d}\n", ids.First); err != nil || string(before) != want {
		t.Errorf("%s = %q, %v; want %q", file, before, err, want)
	}
	if again, err := chooseIDs(state); err != nil || again != ids {
		t.Errorf("chooseIDs = %+v, %v; want %+v again", again, err, ids)
	}
	if left, err := os.ReadDir(state); err != nil || len(left) != 1 {
		t.Errorf("the state folder holds %v, %v; want ids.json alone", left, err)
	}
}

// What is recorded stays, whoever has the ids by now: the store's files have them.
func TestChooseIDsKeeps(t *testing.T) {
	for _, first := range []uint32{1000, 65534, 100000, maxFirst} {
		state := stateT(t, fmt.Sprintf("{\"first\":%d,\"later\":true}", first))
		ids, err := chooseIDs(state)
		if err != nil || ids.First != first {
			t.Errorf("chooseIDs with %d recorded = %+v, %v", first, ids, err)
		}
		if last := uint64(ids.users().First) + uint64(ids.users().Count) - 1; last >= 1<<32-1 {
			t.Errorf("ids of %d end at %d; want less than (uid_t)-1", first, last)
		}
	}
}

// A damaged file is not replaced: with other ids, the store would be nobody's.
func TestChooseIDsDamaged(t *testing.T) {
	for _, text := range []string{
		"", "{", "null", "{}", "[]", "65536", `{"first":0}`, `{"first":999}`, `{"first":-1}`, `{"first":1.5}`, `{"first":"100000"}`,
		fmt.Sprintf(`{"first":%d}`, uint64(maxFirst)+1), `{"first":4294967295}`, `{"first":4294967296}`, `{"first":100000} x`, "\x00\x00",
	} {
		state := stateT(t, text)
		ids, err := chooseIDs(state)
		var coded *codedError
		if !errors.As(err, &coded) || coded.Code != exitHost || !strings.Contains(err.Error(), "ids.json is damaged") || ids != (hostIDs{}) {
			t.Errorf("chooseIDs with %q = %+v, %v; want that it is damaged", text, ids, err)
			continue
		}
		if h := hints(err); len(h) != 1 || !strings.Contains(h[0], nixDir(state)) {
			t.Errorf("chooseIDs with %q hints %q; want to remove the store, too", text, h)
		}
		if now, err := os.ReadFile(filepath.Join(state, "ids.json")); err != nil || string(now) != text {
			t.Errorf("chooseIDs with %q left %q, %v", text, now, err)
		}
	}
}

// A state folder that is none is a path error, which the caller puts into words.
func TestChooseIDsErrors(t *testing.T) {
	state := t.TempDir()
	if err := os.Mkdir(filepath.Join(state, "ids.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"ids.json is a folder": state, "the folder is a file": file, "NUL": "a\x00b"} {
		if ids, err := chooseIDs(dir); !is[*fs.PathError](err) || ids != (hostIDs{}) {
			t.Errorf("chooseIDs(%s) = %+v, %v; want a path error", name, ids, err)
		}
	}
}

// A file is replaced whole, readable by all; if that fails, what was there stays and
// nothing is left beside it.
func TestReplaceFile(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	for _, text := range []string{"first, and longer", "second"} {
		if err := replaceFile(name, []byte(text)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: %v, %v; want mode 0644", name, info, err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != text {
			t.Errorf("%s = %q, %v; want %q", name, got, err, text)
		}
	}
	folder := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(folder, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(folder, nil); err == nil {
		t.Error("replaceFile replaced a folder")
	}
	if err := replaceFile(filepath.Join(dir, "none", "f"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("replaceFile in no folder = %v; want fs.ErrNotExist", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 2 {
		t.Errorf("replaceFile left %v, %v; want the file and the folder", left, err)
	}
}
