package flash

import (
	"errors"
	"fmt"
)

// A FormatError says that a file is not what can be written to a card.
type FormatError struct {
	Reason string
	Unpack string // the program that would unpack it, or ""
}

func (e *FormatError) Error() string { return e.Reason }

// An ImageError says that the image cannot be read, or is not what it should be.
type ImageError struct{ Err error }

func (e *ImageError) Error() string { return e.Err.Error() }
func (e *ImageError) Unwrap() error { return e.Err }

// ErrShorter is the [ImageError] of a file that lost its end while it was read, and ErrSum
// of one that is not what its checksum says.
var (
	ErrShorter = errors.New("it became shorter while it was read")
	ErrSum     = errors.New("it is not what its checksum is of")
)

// A SizeError says that the image does not fit.
type SizeError struct {
	Image, Card int64 // bytes
	More        bool  // the image may have more: it was unpacked so far
}

func (e *SizeError) Error() string {
	if e.More {
		return fmt.Sprintf("the image has %d bytes at least, the card only %d", e.Image, e.Card)
	}
	return fmt.Sprintf("the image has %d bytes, the card only %d", e.Image, e.Card)
}

// An AccessError says that the card refused to be written or read.
type AccessError struct {
	Op  string // write, read, flush
	At  int64  // bytes from its beginning; -1 if that is not known
	Err error
}

func (e *AccessError) Error() string {
	if e.At < 0 {
		return fmt.Sprintf("cannot %s the card: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("cannot %s the card at byte %d: %v", e.Op, e.At, e.Err)
}

func (e *AccessError) Unwrap() error { return e.Err }

// A LostError says that the card does not have what was written to it.
type LostError struct {
	At   int64 // bytes from its beginning: the first that differs
	Late bool  // it was there at first: something that was written later took its place
}

func (e *LostError) Error() string {
	if e.Late {
		return fmt.Sprintf("the card lost what it had at byte %d when other bytes were written: it has less memory than it says", e.At)
	}
	return fmt.Sprintf("the card did not keep what was written at byte %d", e.At)
}
