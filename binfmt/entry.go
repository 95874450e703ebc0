package binfmt

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Name is the handler's name on the host. Only it, and names that begin with
// it and a dash, are ever replaced or removed by this package.
const Name = "qemu-aarch64-nixsd"

// Bounds of fs/binfmt_misc.c (create_entry). The documented limit of 127
// bytes for the interpreter is checked nowhere there, so neither is it here.
const (
	minLine   = 11   // shortest register string
	maxLine   = 1920 // MAX_REGISTER_LENGTH
	maxWindow = 128  // offset+magic: BINPRM_BUF_SIZE before Linux 5.1, 256 since
	maxName   = 255  // NAME_MAX: the entry becomes a file
)

// The ELF header of an aarch64 executable or shared object, little endian, any
// ABI byte, as in QEMU's scripts/qemu-binfmt-conf.sh.
const (
	aarch64Magic = "\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
	aarch64Mask  = "\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
)

// Flags are the letters after the interpreter: P (keep argv[0]) and F (open
// the interpreter now, so that it works in any root).
type Flags string

// The two sets of flags in use. C is never among them: with it a set-uid
// aarch64 program would run the emulator as root.
const (
	FlagsKeepArgv0 Flags = "PF"
	FlagsPlain     Flags = "F"
)

// FlagsFor chooses for a kernel release as in uname -r. QEMU learns of P
// through AT_FLAGS, which Linux has set since 5.12; below, and for a release
// that cannot be read, the answer is [FlagsPlain].
func FlagsFor(release string) Flags {
	majorText, rest, _ := strings.Cut(release, ".")
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	major, err := strconv.ParseUint(majorText, 10, 16)
	if err != nil {
		return FlagsPlain
	}
	minor, err := strconv.ParseUint(rest[:end], 10, 16)
	if err != nil || major < 5 || major == 5 && minor < 12 {
		return FlagsPlain
	}
	return FlagsKeepArgv0
}

// An Entry is one handler that is chosen by a file's first bytes.
type Entry struct {
	Name        string `json:"name"`
	Magic       []byte `json:"magic"`
	Mask        []byte `json:"mask"`        // as long as Magic; nil: every bit counts
	Offset      int    `json:"offset"`      // of Magic in the file, bytes
	Interpreter string `json:"interpreter"` // absolute path
	Flags       Flags  `json:"flags"`
}

// AArch64 is the entry for all aarch64 Linux programs.
func AArch64(name, interpreter string, flags Flags) Entry {
	return Entry{
		Name:        name,
		Magic:       []byte(aarch64Magic),
		Mask:        []byte(aarch64Mask),
		Interpreter: interpreter,
		Flags:       flags,
	}
}

// Line is what is written to the register file. Its errors are [*EntryError].
func (e Entry) Line() ([]byte, error) {
	if problem := e.problem(); problem != "" {
		return nil, &EntryError{Name: e.Name, Problem: problem}
	}
	line := fmt.Appendf(nil, ":%s:M:", e.Name)
	if e.Offset != 0 {
		line = strconv.AppendInt(line, int64(e.Offset), 10)
	}
	line = appendEscaped(append(line, ':'), e.Magic)
	line = appendEscaped(append(line, ':'), e.Mask)
	line = fmt.Appendf(line, ":%s:%s", e.Interpreter, e.Flags)
	if len(line) < minLine || len(line) > maxLine {
		return nil, &EntryError{Name: e.Name, Problem: fmt.Sprintf(
			"the register line would have %d bytes; the kernel takes %d to %d", len(line), minLine, maxLine)}
	}
	return line, nil
}

// problem says in words what makes e unfit to register, or nothing.
func (e Entry) problem() string {
	switch {
	case nameProblem(e.Name) != "":
		return nameProblem(e.Name)
	case len(e.Magic) == 0:
		return "there are no magic bytes"
	case e.Mask != nil && len(e.Mask) != len(e.Magic):
		return fmt.Sprintf("mask has %d bytes, magic %d", len(e.Mask), len(e.Magic))
	case e.Offset < 0 || e.Offset > maxWindow-len(e.Magic):
		return fmt.Sprintf("offset %d and %d magic bytes leave the file's first %d bytes", e.Offset, len(e.Magic), maxWindow)
	case e.Flags != FlagsKeepArgv0 && e.Flags != FlagsPlain:
		return fmt.Sprintf("flags %q are neither %q nor %q", e.Flags, FlagsKeepArgv0, FlagsPlain)
	}
	return interpreterProblem(e.Interpreter)
}

// nameProblem judges a name as the kernel does, and more strictly where the
// name would shadow a control file or break the line.
func nameProblem(name string) string {
	switch {
	case name == "" || len(name) > maxName:
		return fmt.Sprintf("the name has %d bytes; 1 to %d are allowed", len(name), maxName)
	case name == "." || name == ".." || name == "register" || name == "status":
		return "the name is reserved"
	case strings.ContainsAny(name, "/:\\") || hasControl(name):
		return "the name has a slash, colon, backslash or control character"
	}
	return ""
}

func interpreterProblem(path string) string {
	switch {
	case !filepath.IsAbs(path):
		return fmt.Sprintf("interpreter %q is not an absolute path", path)
	case strings.Contains(path, ":") || hasControl(path) || !utf8.ValidString(path):
		return fmt.Sprintf("interpreter %q has a colon, a control character or invalid UTF-8", path)
	}
	return ""
}

func hasControl(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// ours says whether this package may replace or remove the entry.
func ours(name string) bool {
	return nameProblem(name) == "" && (name == Name || strings.HasPrefix(name, Name+"-"))
}

func appendEscaped(line, raw []byte) []byte {
	for _, b := range raw {
		line = fmt.Appendf(line, `\x%02x`, b)
	}
	return line
}

// sameMask compares masks; none is the same as all ones.
func sameMask(a, b []byte, n int) bool {
	ones := bytes.Repeat([]byte{0xff}, n)
	if a == nil {
		a = ones
	}
	if b == nil {
		b = ones
	}
	return bytes.Equal(a, b)
}
