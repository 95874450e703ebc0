// Package cardtest makes SD cards that are slow, broken or lie, for tests and
// measurements: a loop device on a file whose file system is a process of ours (FUSE).
// It needs root, /dev/fuse and a free loop device, and no device-mapper.
package cardtest

import "errors"

// Arg0 is argv[0] of the process with the file system, which a TestMain or main runs by
// Main.
const Arg0 = "nixsd-cardtest"

// A Spec says what is wrong with a card. Offsets are bytes; 0 is none.
type Spec struct {
	Size int64 // what it says it has
	// Real is what it has, if that is less. Writes behind that wrap around, or are
	// dropped (and read as zeros).
	Real int64
	Drop bool

	LoseAt      int64 // a write of this byte is answered, and its block stays as it was
	FailWriteAt int64
	FailReadAt  int64
	Stale       bool // it is full of what it held before
	NoDiscard   bool // it cannot discard
	Keeps       bool // it discards, and has the same bytes as before

	// Bytes per second; 0 is as fast as can be. With HalfDuplex reads wait for writes,
	// and writes for reads, as they do on one bus.
	WriteRate, ReadRate int64
	HalfDuplex          bool
}

// block is what is lost of a write, in bytes.
const block = 4096

// errSpec says that a spec makes no sense.
var errSpec = errors.New("a card has no size")

// real returns what the card has.
func (s Spec) real() int64 {
	if s.Real > 0 {
		return s.Real
	}
	return s.Size
}

// covers reports whether a part of the card has a byte.
func covers(at int64, n int, wanted int64) bool {
	return wanted > 0 && at <= wanted && wanted < at+int64(n)
}
