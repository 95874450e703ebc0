package qemu

import "fmt"

// A HashError says that bytes are not those that were pinned.
type HashError struct{ What, Want, Got string }

func (e *HashError) Error() string {
	return fmt.Sprintf("%s has sha256 %s, not the expected %s", e.What, e.Got, e.Want)
}

// Hints tells what to do.
func (e *HashError) Hints() []string {
	return []string{"remove the file and run the command again: it is downloaded anew"}
}

// A ContentError says that a Debian package, though it has the expected hash, is
// damaged or does not hold a usable emulator.
type ContentError struct {
	Reason       string
	Transitional bool // the wrong one of Debian's two packages
}

func (e *ContentError) Error() string { return "no usable emulator in the package: " + e.Reason }

// Hints tells which package to take.
func (e *ContentError) Hints() []string {
	if e.Transitional {
		return []string{"since Debian 13 the static emulator is in package qemu-user; before, in qemu-user-static"}
	}
	return []string{"leave --qemu-deb out to use the pinned package"}
}
