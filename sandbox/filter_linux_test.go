package sandbox

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// harmless is a call that the filter must let pass.
const harmless = "ioctl FIOCLEX"

// provable is how many of the calls every kernel has, at least: modules, kexec and others
// may be missing outside, too.
const provable = 15

// Calls that nothing inside needs are not there; outside they are.
func TestFilter(t *testing.T) { eachMode(t, testFilter) }

func testFilter(t *testing.T, m mode) {
	s, _ := launch(t, Options{Spec: prepared(t, m), Users: m.users(t)})
	inside := answer[map[string]string](t, s, nil, "calls")
	out, err := exec.Command(program(t), "calls").Output()
	if err != nil {
		t.Fatal(err)
	}
	var outside map[string]string
	if err := json.Unmarshal(out, &outside); err != nil {
		t.Fatal(err)
	}
	if len(inside) != len(outside) || len(inside) < len(absent) {
		t.Errorf("%d calls were tried inside, %d outside", len(inside), len(outside))
	}
	proven := 0
	for _, name := range slices.Sorted(maps.Keys(inside)) {
		want := "ENOSYS"
		switch {
		case name == harmless:
			want = ""
		case strings.Contains(name, " "):
			want = "EPERM"
		}
		if inside[name] != want {
			t.Errorf("%s: %q inside; want %q", name, inside[name], want)
		}
		if outside[name] != inside[name] {
			proven++
		}
	}
	if proven < provable {
		t.Errorf("%d calls end otherwise outside; want %d or more: %q", proven, provable, outside)
	}
}

// What fork bombs run into is set, and cannot be raised.
func TestTaskLimit(t *testing.T) {
	if !in(t, asUser) {
		return
	}
	s, _ := launch(t, Options{Users: users()})
	if got := answer[facts](t, s, nil, "facts").Limits["tasks"]; got > maxTasks {
		t.Errorf("the limit of processes is %d; want at most %d", got, maxTasks)
	}
}

// Calls by the numbers of another architecture, which the same kernel may take, are absent,
// whatever their number.
func TestForeignCalls(t *testing.T) {
	var raw []bpf.RawInstruction
	for _, s := range filter() {
		raw = append(raw, bpf.RawInstruction{Op: s.Code, Jt: s.Jt, Jf: s.Jf, K: s.K})
	}
	program, all := bpf.Disassemble(raw)
	vm, err := bpf.NewVM(program)
	if err != nil || !all {
		t.Fatalf("the program is not whole, or bad: %v", err)
	}
	allowed, absent := unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_ERRNO|int(unix.ENOSYS)
	for _, c := range []struct {
		name       string
		arch, call uint32
		want       int
	}{
		{"write", nativeArch, unix.SYS_WRITE, allowed},
		{"keyctl", nativeArch, unix.SYS_KEYCTL, absent},
		{"write of i386", unix.AUDIT_ARCH_I386, 4, absent},
		{"write of ARM", unix.AUDIT_ARCH_ARM, 4, absent},
		{"the last number", nativeArch, firstForeignCall - 1, allowed},
		{"write of x32", nativeArch, firstForeignCall | unix.SYS_WRITE, absent},
		{"keyctl of x32", nativeArch, firstForeignCall | unix.SYS_KEYCTL, absent},
	} {
		// The machine of this package loads big-endian numbers.
		data := binary.BigEndian.AppendUint32(nil, c.call)
		data = append(binary.BigEndian.AppendUint32(data, c.arch), make([]byte, 56)...)
		if got, err := vm.Run(data); err != nil || got != c.want {
			t.Errorf("%s: %#x, %v; want %#x", c.name, got, err, c.want)
		}
	}
}
