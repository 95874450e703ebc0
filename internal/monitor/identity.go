// Package monitor starts the worker, the part of a build that runs without
// privileges, and holds what outlives it: the lock on the state folder.
package monitor

import (
	"path/filepath"
	"strconv"
)

// An Identity is what a process runs as.
type Identity struct {
	UID, GID int
	// Group is one more group: the one that the cache belongs to.
	Group int
}

// maxID is the largest user id: (uid_t)-1 stands for "no change" in setresuid(2).
const maxID = 1<<32 - 2

// Caller returns the identity of whoever called sudo, from the variables SUDO_UID
// and SUDO_GID. ok is false if they are missing, no ids, or root's.
func Caller(sudoUID, sudoGID string) (uid, gid int, ok bool) {
	u, err1 := strconv.ParseUint(sudoUID, 10, 32)
	g, err2 := strconv.ParseUint(sudoGID, 10, 32)
	if err1 != nil || err2 != nil || u == 0 || u > maxID || g > maxID {
		return 0, 0, false
	}
	return int(u), int(g), true
}

// A BusyError says that a build uses a state folder.
type BusyError struct{ Lock string }

func (e *BusyError) Error() string {
	return "a build is using " + filepath.Dir(e.Lock)
}

// Hints tells what to do.
func (e *BusyError) Hints() []string { return []string{"wait for its end, then run the command again"} }
