package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"nixsd-native/internal/durable"
	"nixsd-native/sandbox"
)

// hostIDs are the host's user and group ids that root's sandboxes run with. They
// are chosen once for a state folder, as the store's files belong to them.
type hostIDs struct {
	First uint32 `json:"first"` // the worker's, the sandbox's RangeSize ids follow
}

// worker is the id of the worker where there is no caller to run as. It is not one
// of the sandbox's, so nothing inside can touch the worker's processes.
func (h hostIDs) worker() int { return int(h.First) }

func (h hostIDs) users() sandbox.Range {
	return sandbox.Range{First: h.First + 1, Count: sandbox.RangeSize}
}

// maxFirst keeps ids below (uid_t)-1, which means no id at all.
const maxFirst = math.MaxUint32 - sandbox.RangeSize - 1

// idsFile records the ids in a state folder.
const idsFile = "ids.json"

// chooseIDs reads the ids of a state folder, or chooses and records them.
func chooseIDs(state string) (hostIDs, error) {
	file := filepath.Join(state, idsFile)
	data, err := os.ReadFile(file)
	if err == nil {
		var h hostIDs
		if err := json.Unmarshal(data, &h); err != nil || h.First < 1000 || h.First > maxFirst {
			return hostIDs{}, &codedError{exitHost, file + " is damaged", []string{
				fmt.Sprintf("remove it together with the store, whose files have its ids: rm -r %s %s", file, nixDir(state)),
			}}
		}
		return h, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return hostIDs{}, err
	}
	h, err := freeIDs()
	if err != nil {
		return hostIDs{}, err
	}
	return h, h.record(state)
}

// freeIDs chooses ids that nobody has.
func freeIDs() (hostIDs, error) {
	r, err := sandbox.ChooseRange(takenIDs())
	return hostIDs{First: r.First}, err
}

// readerIDs chooses ids that neither somebody nor root's builds have: those are in the group
// of root's cache.
func readerIDs() (hostIDs, error) {
	if someIDsUnmapped() {
		return hostIDs{First: overflowID}, nil
	}
	taken := takenIDs()
	builds, err := sandbox.ChooseRange(taken)
	if err != nil {
		return hostIDs{}, err
	}
	r, err := sandbox.ChooseRange(append(taken, builds))
	return hostIDs{First: r.First}, err
}

// record writes the ids into a state folder that has none.
func (h hostIDs) record(state string) error {
	file := filepath.Join(state, idsFile)
	if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := makeFolder(state, 0o755, 0, 0); err != nil {
		return err
	}
	return replaceFile(file, append(data, '\n'))
}

// takenIDs lists the ids that somebody on this host has or may have.
func takenIDs() []sandbox.Range {
	var taken []sandbox.Range
	for _, file := range []string{"/etc/passwd", "/etc/group"} {
		readLines(file, func(r io.Reader) { taken = append(taken, sandbox.ParseIDs(r)...) })
	}
	for _, file := range []string{"/etc/subuid", "/etc/subgid"} {
		readLines(file, func(r io.Reader) {
			for _, id := range sandbox.ParseSubIDs(r) {
				taken = append(taken, id.Range)
			}
		})
	}
	return taken
}

func readLines(file string, read func(io.Reader)) {
	if f, err := os.Open(file); err == nil {
		defer f.Close()
		read(f)
	}
}

// replaceFile writes a file of ours whole or not at all, and to disk before it returns.
func replaceFile(name string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		os.Remove(tmp.Name())
		return err
	}
	return durable.Folder(os.Open(filepath.Dir(name)))
}
