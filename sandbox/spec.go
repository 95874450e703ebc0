// Package sandbox runs programs in a changed root that sees nothing of the host
// but what it is given, as unprivileged ids in namespaces of their own.
//
// The parent side (parent_linux.go) makes the namespaces and the id maps; the child
// side (child_linux.go) builds the root, enters it, and then serves the requests of
// a Session. README.md draws the order of steps.
package sandbox

import "fmt"

// Arg0 is the argv[0] under which this program is the child side.
const Arg0 = "nixsd-native-sandbox"

// A Spec describes a root. Paths inside it are absolute. It is plain data: it
// travels to the child as JSON.
type Spec struct {
	// Root is an existing folder of the host, over which the new root, a tmpfs,
	// is mounted. Only the child's mount namespace sees that.
	Root string
	// Mounts are files and folders of the host.
	Mounts []Mount
	// Files are written into the new root, Links made in it.
	Files []File
	Links []Link
	// Emulator is the path inside the root of an interpreter that the Ready hook
	// of Main registers in the sandbox's own binfmt_misc; empty if none.
	Emulator string
	// Prove asks the Ready hook to run a foreign binary as proof.
	Prove bool
}

// A Mount binds Source, on the host, to Target, inside. The zero mode is
// read-only. Set-uid bits and device nodes never work through it.
type Mount struct {
	Source, Target string
	Writable       bool
	Exec           bool // programs in it may be run
	IsFile         bool // Source is a file, else a folder
}

// A File is written with its permission bits, owned by root inside.
type File struct {
	Path string
	Mode uint32
	Data []byte
	// ReadOnly keeps root inside from changing, replacing or removing it: the file is a
	// mount of its own.
	ReadOnly bool
}

// A Link is a symbolic link.
type Link struct{ Path, Target string }

// A Command is run inside the root. Its standard streams are passed beside it.
type Command struct {
	Argv []string // Argv[0] is looked up as a path, not in PATH
	Env  []string
	Dir  string
	// Self hands the command to the Self hook of Main.
	Self bool
}

// An Exit tells how a command ended: by a status, or by a signal if that is not 0.
type Exit struct {
	Status int
	Signal int
}

func (e Exit) String() string {
	if e.Signal != 0 {
		return fmt.Sprintf("signal %d", e.Signal)
	}
	return fmt.Sprintf("exit status %d", e.Status)
}
