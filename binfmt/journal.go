package binfmt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of the journal file.
const (
	journalVersion = 1
	maxJournal     = 1 << 20 // bytes
	maxOthers      = 256     // foreign handlers noted; with more, the mount is left alone
)

// A Journal records a handler on the host before it is registered, so that
// the next run can remove what a killed one left.
type Journal struct {
	Version        int     `json:"version"`
	Name           string  `json:"name"`
	Interpreter    string  `json:"interpreter"`
	Flags          Flags   `json:"flags"`
	EmulatorSHA256 string  `json:"emulator_sha256"` // lower-case hex
	BootID         string  `json:"boot_id"`         // /proc/sys/kernel/random/boot_id
	PID            int     `json:"pid"`             // who registered; only ever shown
	Persistent     bool    `json:"persistent"`      // stays after the last build
	Mount          Mounted `json:"mount"`
}

// Mounted says how binfmt_misc came to be where the host has it.
type Mounted struct {
	Ours   bool     `json:"ours"`             // mounted by us, to be unmounted
	ID     uint64   `json:"id,omitempty"`     // mount id (statx); 0 if not known
	Others []string `json:"others,omitempty"` // handlers that were there at once
}

// Entry is the entry that j records.
func (j Journal) Entry() Entry { return AArch64(j.Name, j.Interpreter, j.Flags) }

// ParseJournal reads a journal file and accepts only what [Acquire] writes.
func ParseJournal(data []byte) (Journal, error) {
	var j Journal
	if len(data) > maxJournal {
		return Journal{}, fmt.Errorf("journal: over %d bytes", maxJournal)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&j); err != nil {
		return Journal{}, fmt.Errorf("journal: %v", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Journal{}, errors.New("journal: text after its end")
	}
	if err := j.check(); err != nil {
		return Journal{}, fmt.Errorf("journal: %v", err)
	}
	return j, nil
}

func (j Journal) check() error {
	if j.Version != journalVersion {
		return fmt.Errorf("version %d is not %d", j.Version, journalVersion)
	}
	if !ours(j.Name) {
		return fmt.Errorf("%q is not a handler of this program", j.Name)
	}
	if problem := j.Entry().problem(); problem != "" {
		return errors.New(problem)
	}
	if !isHex(j.EmulatorSHA256, 64) {
		return fmt.Errorf("%q is not a sha256 in hex", j.EmulatorSHA256)
	}
	if !isBootID(j.BootID) {
		return fmt.Errorf("%q is not a boot id", j.BootID)
	}
	if j.PID <= 0 {
		return fmt.Errorf("process id %d", j.PID)
	}
	if len(j.Mount.Others) > maxOthers {
		return fmt.Errorf("over %d other handlers", maxOthers)
	}
	return nil
}

func (j Journal) encode() ([]byte, error) {
	data, err := json.MarshalIndent(j, "", "  ")
	return append(data, '\n'), err
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

// isBootID accepts a UUID in lower case, as the kernel prints it.
func isBootID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for _, at := range []int{8, 13, 18, 23} {
		if s[at] != '-' {
			return false
		}
	}
	return isHex(strings.ReplaceAll(s, "-", ""), 32)
}

// A step is what is to be done so that a handler serves a new user.
type step int

const (
	stepReplace step = iota // remove what is left, register
	stepJoin                // the right handler is there
	stepRestore             // the right handler was recorded, but somebody removed it
	stepBusy                // it serves others with another emulator
)

// decide chooses. alone: no process uses the handler; j: its journal, nil if
// absent or unreadable; present: the kernel has the handler that j records;
// boot: the id of the running boot; sha256: the emulator that is wanted.
func decide(alone bool, j *Journal, present bool, boot, sha256 string) step {
	current := j != nil && j.BootID == boot
	switch {
	case alone && (!current || !j.Persistent):
		return stepReplace
	case !current:
		return stepBusy
	case j.EmulatorSHA256 == sha256 && present:
		return stepJoin
	case j.EmulatorSHA256 == sha256:
		return stepRestore
	case alone && !present:
		return stepReplace
	}
	return stepBusy
}
