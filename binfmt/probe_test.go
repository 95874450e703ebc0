package binfmt

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// TestProbeELF holds the headers against debug/elf, and the code against what
// objdump shows and the assembler gives (see testdata/README.md).
func TestProbeELF(t *testing.T) {
	probe := ProbeELF()
	f, err := elf.NewFile(bytes.NewReader(probe))
	if err != nil {
		t.Fatal(err)
	}
	if f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB || f.Type != elf.ET_EXEC || f.Machine != elf.EM_AARCH64 {
		t.Errorf("ELF header = %+v", f.FileHeader)
	}
	size := uint64(len(probe))
	want := elf.ProgHeader{Type: elf.PT_LOAD, Flags: elf.PF_R | elf.PF_X, Vaddr: 0x400000, Paddr: 0x400000,
		Filesz: size, Memsz: size, Align: 0x10000}
	if len(f.Progs) != 1 || f.Progs[0].ProgHeader != want || f.Entry != 0x400078 || len(f.Sections) != 0 {
		t.Errorf("entry %#x, segments %+v; want 0x400078, %+v", f.Entry, f.Progs[0].ProgHeader, want)
	}
	dump, err := os.ReadFile("testdata/probe.objdump")
	if err != nil {
		t.Fatal(err)
	}
	var code []byte
	for _, m := range regexp.MustCompile(`(?m)^  4000[0-9a-f]{2}:\t([0-9a-f]{8}) `).FindAllSubmatch(dump, -1) {
		word, err := hex.DecodeString(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		code = binary.LittleEndian.AppendUint32(code, binary.BigEndian.Uint32(word))
	}
	if len(code) < 32 || !bytes.HasPrefix(probe[0x78:], code) || !bytes.HasSuffix(probe, []byte("\xd4aarch64 ok\n")) {
		t.Errorf("code = %x; objdump shows %x", probe[0x78:], code)
	}
}

func TestProbeIsTaken(t *testing.T) {
	r := Registered{Entry: AArch64(Name, "/q", FlagsPlain), Enabled: true}
	if !r.takes(ProbeELF()) {
		t.Error("the aarch64 handler does not take the probe")
	}
	if r.takes(ProbeELF()[:18]) {
		t.Error("the aarch64 handler takes a torn header")
	}
}

func TestJudge(t *testing.T) {
	tests := []struct {
		o    outcome
		want ProofReason
		text string
	}{
		{outcome{stdout: ProbeText}, "", ""},
		{outcome{stdout: ProbeText, stderr: "warning"}, "", ""},
		{outcome{start: syscall.ENOEXEC}, ProofNoHandler, "exec format error"},
		{outcome{start: &os.PathError{Op: "fork/exec", Path: "p", Err: syscall.ENOEXEC}}, ProofNoHandler, "no handler took it"},
		{outcome{start: syscall.EACCES, noexec: true}, ProofNoExec, "noexec"},
		{outcome{start: syscall.EACCES}, ProofDenied, "permission denied"},
		{outcome{start: syscall.EPERM}, ProofDenied, "denied"},
		{outcome{start: syscall.ENOENT}, ProofNoFile, "emulator is missing"},
		{outcome{start: syscall.ENOMEM}, ProofOther, "cannot allocate memory"},
		{outcome{timedOut: true, signal: syscall.SIGTERM}, ProofTimeout, "in time"},
		{outcome{signal: syscall.SIGSEGV, status: -1, stderr: "oh\n"}, ProofCrash, `signal 11 (segmentation fault), it said "oh"`},
		{outcome{status: 217, stdout: ProbeText}, ProofStatus, "217 instead of 0"},
		{outcome{stdout: "x86"}, ProofOutput, `"x86" instead of "aarch64 ok\n"`},
		{outcome{}, ProofOutput, `"" instead of`},
	}
	for _, tt := range tests {
		got := tt.o.judge()
		if tt.want == "" {
			if got != nil {
				t.Errorf("judge(%+v) = %v; want nil", tt.o, got)
			}
			continue
		}
		if got == nil || got.Reason != tt.want || !strings.Contains(got.Error(), tt.text) {
			t.Errorf("judge(%+v) = %v; want %q and %q", tt.o, got, tt.want, tt.text)
		} else if tt.want != ProofOther && len(got.Hints()) == 0 {
			t.Errorf("%v has no hint", got)
		}
	}
}

// TestErrors checks that each cause keeps its errno and that what is printed
// has the project's form: lower case, no full stop.
func TestErrors(t *testing.T) {
	cause := errors.New("the cause")
	all := []error{
		&EntryError{Name: "x", Problem: "p"},
		&UnavailableError{Path: "/p", Err: cause}, &UnavailableError{Path: "/p", Modprobe: errors.New("mp"), Err: cause},
		&PermissionError{Op: "mount binfmt_misc", Err: cause}, &ReadOnlyError{Path: "/p", Err: cause},
		&FolderError{Path: "/p"}, &AutofsError{Path: "/p", Err: cause}, &DisabledError{Path: "/p"},
		&InterpreterError{Interpreter: "/i", Err: cause}, &ExistsError{Name: "x", Err: cause}, &ResourceError{Err: cause},
		&ReadBackError{Name: "x", Err: cause}, &ReadBackError{Name: "x"}, &UnsupportedError{Err: cause},
		&BusyError{Name: "x"}, &BusyError{Name: "x", Holder: Journal{EmulatorSHA256: "a", PID: 7}},
		&BusyError{Name: "x", Holder: Journal{EmulatorSHA256: "a"}, Persistent: true},
		&ProofError{Reason: ProofCrash, Err: cause},
	}
	for _, err := range all {
		lines := []string{err.Error()}
		if h, ok := err.(interface{ Hints() []string }); ok {
			lines = append(lines, h.Hints()...)
			if len(lines) == 1 {
				t.Errorf("%T has no hint", err)
			}
		}
		for _, line := range lines {
			if line == "" || strings.HasSuffix(line, ".") || strings.ToLower(line[:1]) != line[:1] {
				t.Errorf("%T says %q", err, line)
			}
		}
		if strings.Contains(fmt.Sprintf("%+v", err), cause.Error()) && !errors.Is(err, cause) {
			t.Errorf("%T hides its cause", err)
		}
	}
	if !slices.Contains((&DisabledError{Path: "/b"}).Hints(), "switch it on: echo 1 | sudo tee /b/status") {
		t.Error("no command to switch it on")
	}
}
