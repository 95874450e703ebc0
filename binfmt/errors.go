package binfmt

import "fmt"

// An EntryError is an [Entry] that the kernel would refuse or that this
// package must not touch.
type EntryError struct{ Name, Problem string }

func (e *EntryError) Error() string {
	return fmt.Sprintf("binfmt_misc handler %q: %s", e.Name, e.Problem)
}

// An UnavailableError means that no binfmt_misc is mounted at Path, because the
// kernel has none if mounting it was tried.
type UnavailableError struct {
	Path     string
	Modprobe error // how loading the module failed, if it did
	Err      error
}

func (e *UnavailableError) Error() string {
	text := fmt.Sprintf("there is no binfmt_misc at %s: %v", e.Path, e.Err)
	if e.Modprobe != nil {
		text += fmt.Sprintf(" (%v)", e.Modprobe)
	}
	return text
}

func (e *UnavailableError) Unwrap() error { return e.Err }

// Hints says how to load or mount it.
func (e *UnavailableError) Hints() []string {
	return []string{
		"load the module: sudo modprobe binfmt_misc",
		"a kernel of your own needs CONFIG_BINFMT_MISC=m or =y",
		"in a container, load it on the container's host",
	}
}

// A PermissionError means that the caller may not do Op.
type PermissionError struct {
	Op  string // such as "mount binfmt_misc"
	Err error
}

func (e *PermissionError) Error() string {
	return fmt.Sprintf("not permitted to %s: %v", e.Op, e.Err)
}

func (e *PermissionError) Unwrap() error { return e.Err }

// Hints names root and the way around it.
func (e *PermissionError) Hints() []string {
	return []string{
		"run the same command with sudo",
		"or leave the host alone (Linux 6.7 or newer): --emulation private",
		"in a container, even root needs --privileged",
	}
}

// A FolderError means that somebody else could forge the journal in the
// folder that builds share.
type FolderError struct{ Path string }

func (e *FolderError) Error() string {
	return fmt.Sprintf("the folder %s must belong to the caller and be writable by nobody else", e.Path)
}

// Hints has the command that makes it so.
func (e *FolderError) Hints() []string {
	return []string{"look at it, then: sudo chown root '" + e.Path + "' && sudo chmod go-w '" + e.Path + "'"}
}

// A ReadOnlyError means that binfmt_misc is mounted read-only, as containers
// have it.
type ReadOnlyError struct {
	Path string
	Err  error
}

func (e *ReadOnlyError) Error() string {
	return fmt.Sprintf("%s is read-only here: %v", e.Path, e.Err)
}

func (e *ReadOnlyError) Unwrap() error { return e.Err }

// Hints names the container's host.
func (e *ReadOnlyError) Hints() []string {
	return []string{
		"in a container, register on the container's host: sudo nixsd-native binfmt register",
		"or leave the host alone (Linux 6.7 or newer): --emulation private",
	}
}

// An AutofsError means that an automount at Path answers instead of
// binfmt_misc.
type AutofsError struct {
	Path string
	Err  error
}

func (e *AutofsError) Error() string {
	return fmt.Sprintf("the automount at %s does not bring binfmt_misc: %v", e.Path, e.Err)
}

func (e *AutofsError) Unwrap() error { return e.Err }

// Hints has the two known ways out.
func (e *AutofsError) Hints() []string {
	return []string{
		"stop the automount: sudo systemctl stop proc-sys-fs-binfmt_misc.automount",
		"or mount over it: sudo mount -t binfmt_misc binfmt_misc " + e.Path,
	}
}

// A DisabledError means that all of binfmt_misc is switched off. It is never
// switched on here, as that would wake other people's handlers.
type DisabledError struct{ Path string }

func (e *DisabledError) Error() string { return "binfmt_misc is switched off on this host" }

// Hints has the command that switches it on.
func (e *DisabledError) Hints() []string {
	return []string{"switch it on: echo 1 | sudo tee " + e.Path + "/status"}
}

// An InterpreterError means that the kernel could not open the emulator.
type InterpreterError struct {
	Interpreter string
	Err         error
}

func (e *InterpreterError) Error() string {
	return fmt.Sprintf("the kernel cannot open the emulator %s: %v", e.Interpreter, e.Err)
}

func (e *InterpreterError) Unwrap() error { return e.Err }

// Hints names what the kernel asks of the file.
func (e *InterpreterError) Hints() []string {
	return []string{
		"the emulator must be an executable file, open for writing nowhere, on a file system without noexec: ls -l '" + e.Interpreter + "'",
	}
}

// An ExistsError means that somebody else registered the same name at the
// same moment.
type ExistsError struct {
	Name string
	Err  error
}

func (e *ExistsError) Error() string {
	return fmt.Sprintf("the handler %q came back right after it was removed: %v", e.Name, e.Err)
}

func (e *ExistsError) Unwrap() error { return e.Err }

// Hints tells to look for the other program.
func (e *ExistsError) Hints() []string {
	return []string{"another program registers that name (another container?); try again once it is done"}
}

// A ResourceError means that the kernel had no memory or quota for the entry.
type ResourceError struct{ Err error }

func (e *ResourceError) Error() string {
	return fmt.Sprintf("the kernel has no room for another handler: %v", e.Err)
}

func (e *ResourceError) Unwrap() error { return e.Err }

// Hints names the quota that newer kernels have.
func (e *ResourceError) Hints() []string {
	return []string{"look at the memory and, where it exists, the quota: free -m; sysctl user.max_binfmt_misc_interpreters"}
}

// A ReadBackError means that the kernel shows another handler than was
// registered.
type ReadBackError struct {
	Name string
	Got  Registered // zero if there is none
	Err  error
}

func (e *ReadBackError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("the handler %q cannot be read back: %v", e.Name, e.Err)
	}
	return fmt.Sprintf("the handler %q reads back differently: interpreter %q, flags %q", e.Name, e.Got.Interpreter, e.Got.Flags)
}

func (e *ReadBackError) Unwrap() error { return e.Err }

// An UnsupportedError means that no binfmt_misc of one's own can be had.
type UnsupportedError struct{ Err error }

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("this kernel shares one binfmt_misc with the host (Linux 6.7 or newer needed): %v", e.Err)
}

func (e *UnsupportedError) Unwrap() error { return e.Err }

// Hints points to the host's instance.
func (e *UnsupportedError) Hints() []string {
	return []string{"register on the host instead, as root: sudo nixsd-native build --emulation host"}
}

// A BusyError means that the host's handler is in use with another emulator.
type BusyError struct {
	Name       string
	Holder     Journal // zero if unknown
	Persistent bool    // it was registered to stay
}

func (e *BusyError) Error() string {
	switch {
	case e.Holder.EmulatorSHA256 == "":
		return fmt.Sprintf("the handler %q is in use, and its journal is lost", e.Name)
	case e.Persistent:
		return fmt.Sprintf("the handler %q is registered to stay with another emulator, %s", e.Name, e.Holder.Interpreter)
	}
	return fmt.Sprintf("the handler %q is in use by another build (process %d) with another emulator, %s",
		e.Name, e.Holder.PID, e.Holder.Interpreter)
}

// Hints has the ways to get on.
func (e *BusyError) Hints() []string {
	first := "wait until the other build has ended"
	if e.Persistent {
		first = "remove it: sudo nixsd-native binfmt unregister"
	}
	return []string{first, "or use a handler of your own (Linux 6.7 or newer): --emulation private"}
}
