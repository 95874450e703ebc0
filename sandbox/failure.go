package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// A Failure is an error of the other side, as it travels over the socket.
type Failure struct {
	Op      string // failed operation, such as "mount proc"; may be empty
	Errno   int    // of a system call, or 0
	Message string
	Advice  []string // hints that came with the error
}

func (f *Failure) Error() string { return f.Message }

// Hints returns what the other side advised.
func (f *Failure) Hints() []string { return f.Advice }

func failureOf(err error) *Failure {
	f := &Failure{Message: err.Error()}
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		f.Op = pe.Op
	}
	if se := (*os.SyscallError)(nil); errors.As(err, &se) {
		f.Op = se.Syscall
	}
	if errno := syscall.Errno(0); errors.As(err, &errno) {
		f.Errno = int(errno)
	}
	if h, ok := err.(interface{ Hints() []string }); ok {
		f.Advice = h.Hints()
	}
	return f
}
