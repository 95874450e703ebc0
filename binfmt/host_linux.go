package binfmt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// DefaultDir is where Linux distributions mount binfmt_misc.
const DefaultDir = "/proc/sys/fs/binfmt_misc"

// KernelFlags is [FlagsFor] the running kernel.
func KernelFlags() Flags {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return FlagsPlain
	}
	return FlagsFor(unix.ByteSliceToString(name.Release[:]))
}

// A Host is the binfmt_misc that all of the host shares. The zero value is
// ready for use. It never writes to the control file "status" and never
// touches a handler whose name does not begin with [Name].
type Host struct {
	Dir      string                      // empty: [DefaultDir]
	Modprobe func(context.Context) error // loads the module; nil: modprobe(8)
}

func (h *Host) dir() string {
	if h.Dir == "" {
		return DefaultDir
	}
	return h.Dir
}

// List returns all handlers as [ReadAll] does, none if nothing is mounted.
func (h *Host) List() ([]Registered, error) {
	there, err := h.Mounted()
	if !there || err != nil {
		return nil, err
	}
	return ReadAll(os.DirFS(h.dir()))
}

// Enabled reports whether the kernel obeys its handlers at all.
func (h *Host) Enabled() (bool, error) { return isEnabled(h.dir()) }

// Register puts e into the kernel in place of an entry of the same name and
// reads it back. binfmt_misc must be mounted. See [RegisterAt] for the errors.
func (h *Host) Register(ctx context.Context, e Entry) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("register %s: %w", e.Name, err)
	}
	if _, err := e.Line(); err != nil {
		return err
	}
	if err := h.Unregister(e.Name); err != nil {
		return err
	}
	return RegisterAt(h.dir(), e)
}

// Unregister removes the handler; it is fine if there is none. A name that
// does not begin with [Name] is refused with an [*EntryError].
func (h *Host) Unregister(name string) error {
	if !ours(name) {
		return &EntryError{Name: name, Problem: "not one of this program's, so it is left alone"}
	}
	if there, err := h.Mounted(); !there || err != nil {
		return err
	}
	err := writeControl(h.dir(), name, []byte("-1"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return controlError("unregister a handler", h.dir(), err)
	}
	return nil
}

// RegisterAt registers e in the binfmt_misc mounted at dir and reads it back;
// what fails to read back right is removed. Errors: [*EntryError],
// [*InterpreterError], [*ExistsError], [*ResourceError], [*ReadBackError],
// [*DisabledError], [*PermissionError], [*ReadOnlyError], [*AutofsError],
// [*UnavailableError], or an [*os.PathError].
func RegisterAt(dir string, e Entry) error {
	line, err := e.Line()
	if err != nil {
		return err
	}
	if !ours(e.Name) {
		return &EntryError{Name: e.Name, Problem: "the name does not begin with " + Name}
	}
	register, err := openControl(dir, "register")
	if err != nil {
		return controlError("register a handler", dir, err)
	}
	_, err = register.Write(line) // one write: the kernel takes a line only whole
	register.Close()
	if err != nil {
		return registerError(dir, e, err)
	}
	if err := verify(dir, e); err != nil {
		return errors.Join(err, writeControl(dir, e.Name, []byte("-1")))
	}
	return nil
}

func verify(dir string, e Entry) error {
	got, err := readEntry(os.DirFS(dir), e.Name)
	if err != nil {
		return &ReadBackError{Name: e.Name, Err: err}
	}
	if !got.Matches(e) {
		return &ReadBackError{Name: e.Name, Got: got}
	}
	on, err := isEnabled(dir)
	if err == nil && !on {
		return &DisabledError{Path: dir}
	}
	return err
}

func isEnabled(dir string) (bool, error) {
	text, err := readBounded(os.DirFS(dir), "status", maxEntryText)
	return strings.TrimSpace(string(text)) == "enabled", err
}

// openControl opens a file of binfmt_misc for writing and makes sure that it
// is one, so that no ordinary file is ever written to.
func openControl(dir, name string) (*os.File, error) {
	path := filepath.Join(dir, name)
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	var st unix.Statfs_t
	err = unix.Fstatfs(int(f.Fd()), &st)
	if err == nil && int64(st.Type) != unix.BINFMTFS_MAGIC {
		err = syscall.ENODEV
	}
	if err != nil {
		f.Close()
		return nil, &os.PathError{Op: "open binfmt_misc", Path: path, Err: err}
	}
	return f, nil
}

func writeControl(dir, name string, command []byte) error {
	f, err := openControl(dir, name)
	if err != nil {
		return err
	}
	_, err = f.Write(command)
	return errors.Join(err, f.Close())
}

// controlError classifies a failure to open a control file.
func controlError(op, dir string, err error) error {
	switch {
	case errors.Is(err, syscall.EROFS):
		return &ReadOnlyError{Path: dir, Err: err}
	case errors.Is(err, fs.ErrPermission):
		return &PermissionError{Op: op, Err: err}
	case errors.Is(err, syscall.ELOOP):
		return &AutofsError{Path: dir, Err: err}
	case errors.Is(err, syscall.ENODEV), errors.Is(err, fs.ErrNotExist):
		return &UnavailableError{Path: dir, Err: err}
	}
	return err
}

// registerError classifies a refused line. With flag F the kernel opens the
// interpreter at once, so most of what open(2) and execve(2) say is about it.
func registerError(dir string, e Entry, err error) error {
	switch {
	case errors.Is(err, syscall.EEXIST):
		return &ExistsError{Name: e.Name, Err: err}
	case errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return &ResourceError{Err: err}
	case errors.Is(err, syscall.EROFS):
		return &ReadOnlyError{Path: dir, Err: err}
	case errors.Is(err, syscall.EPERM):
		return &PermissionError{Op: "register a handler", Err: err}
	case errors.Is(err, syscall.EINVAL):
		return &EntryError{Name: e.Name, Problem: fmt.Sprintf("the kernel refuses the line: %v", err)}
	}
	for _, cause := range []syscall.Errno{syscall.ENOENT, syscall.EACCES, syscall.ETXTBSY, syscall.ENOTDIR,
		syscall.ELOOP, syscall.EISDIR, syscall.ENAMETOOLONG, syscall.EIO} {
		if errors.Is(err, cause) {
			return &InterpreterError{Interpreter: e.Interpreter, Err: cause}
		}
	}
	return err
}
