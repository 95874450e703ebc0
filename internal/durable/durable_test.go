package durable

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

// What cannot be flushed, as Linux says of a pipe, is taken for flushed; a folder that was
// not opened, or is closed, is an error.
func TestFolder(t *testing.T) {
	if err := Folder(os.Open(t.TempDir())); err != nil {
		t.Errorf("Folder() = %v", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Folder(r, nil), Folder(w, nil)); err != nil {
		t.Errorf("Folder() of what cannot be flushed = %v", err)
	}
	if err := Folder(r, nil); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Folder() of what is closed = %v", err)
	}
	if err := Folder(os.Open(t.TempDir() + "/missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Folder() of what is not there = %v", err)
	}
}
