package vmtest

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nixsd-native/internal/testenv"
)

// Bounds of a machine's work: many times what it takes on two idle processors.
const (
	bootPatience  = 15 * time.Minute
	quickPatience = 15 * time.Minute
	buildPatience = 2 * time.Hour
)

// A request and a reply are those of testdata/guest.
type request struct {
	Args    []string
	UID     int
	Groups  []uint32
	Dir     string
	Env     []string
	Timeout time.Duration
}

type reply struct {
	Status   int
	Out, Err string
	Took     time.Duration
}

// scratchSize is room for an image, in bytes; the file is sparse.
const scratchSize = 2 << 30

// A machine is a running one.
type machine struct {
	testenv.Machine
	release
	scratch string // what the machine has as /dev/vdb
	port    net.Conn
	replies *json.Decoder
}

// emulators are how QEMU is called for each architecture. Processors are ones that are
// emulated quickly. That of x86 is one: with several, QEMU 7.2 may run the kernel into a
// breakpoint that it sets while it changes its own code.
var emulators = map[string]struct {
	args    []string
	console string
}{
	"amd64": {[]string{"qemu-system-x86_64", "-M", "q35", "-cpu", "Nehalem", "-smp", "1"}, "ttyS0"},
	"arm64": {[]string{"qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a57", "-smp", "2"}, "ttyAMA0"},
}

// boot starts a machine of a release, with that many MiB of memory and no network. It
// ends with the test, and what it wrote to its disk with it.
func boot(t *testing.T, r release, memory int) *machine {
	t.Helper()
	e := emulators[r.arch]
	qemu := testenv.NeedProgram(t, e.args[0])
	d := diskOf(t, r)
	here, there := socketPair(t)
	m := &machine{release: r, port: here, replies: json.NewDecoder(here), scratch: filepath.Join(t.TempDir(), "scratch")}
	writeFile(t, m.scratch, "", 0o600)
	if err := os.Truncate(m.scratch, scratchSize); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-n", "10", qemu}, e.args[1:]...)
	cmd := exec.Command("nice", append(args, "-accel", "tcg", "-m", fmt.Sprint(memory), "-nographic", "-nic", "none", "-no-reboot",
		"-kernel", d.kernel, "-initrd", d.initramfs, "-append", "console="+e.console+" panic=-1 mitigations=off quiet",
		"-drive", "if=none,id=d,format=raw,snapshot=on,file="+d.image, "-device", "virtio-blk-pci,drive=d",
		"-drive", "if=none,id=s,format=raw,file="+m.scratch, "-device", "virtio-blk-pci,drive=s",
		"-device", "virtio-serial-pci", "-chardev", "socket,id=c,fd=3", "-device", "virtserialport,chardev=c,name=vmtest",
		"-object", "rng-random,filename=/dev/urandom,id=r", "-device", "virtio-rng-pci,rng=r")...)
	cmd.ExtraFiles = []*os.File{there}
	cmd.Env = append(os.Environ(), "TMPDIR="+lab()) // for what snapshot=on keeps
	t.Cleanup(func() { m.port.Close() })
	begun := time.Now()
	m.Start(t, cmd)
	there.Close() // so that its end is noticed
	m.answer(t, bootPatience)
	t.Logf("%s with %d MiB booted in %.0f s", r, memory, time.Since(begun).Seconds())
	return m
}

// socketPair is a connection to a child, which gets there.
func socketPair(t *testing.T) (here net.Conn, there *os.File) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours := os.NewFile(uintptr(fds[0]), "port")
	defer ours.Close()
	if here, err = net.FileConn(ours); err != nil {
		t.Fatal(err)
	}
	return here, os.NewFile(uintptr(fds[1]), "port")
}

// answer waits for the guest.
func (m *machine) answer(t *testing.T, patience time.Duration) reply {
	t.Helper()
	if err := m.port.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var r reply
	if err := m.replies.Decode(&r); err != nil {
		t.Fatalf("%s does not answer: %v\n%s", m.release, err, lastLines(m.Console.String(), 60))
	}
	return r
}

// do runs a command in the machine, whatever comes of it.
func (m *machine) do(t *testing.T, q request) reply {
	t.Helper()
	if q.Timeout == 0 {
		q.Timeout = quickPatience
	}
	home := map[int]string{0: "/root", userID: "/home/user", otherID: "/home/other"}[q.UID]
	if q.Dir == "" {
		q.Dir = home
	}
	q.Env = append([]string{"PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME=" + home}, q.Env...)
	if err := json.NewEncoder(m.port).Encode(q); err != nil {
		t.Fatalf("%s takes no command: %v\n%s", m.release, err, lastLines(m.Console.String(), 60))
	}
	r := m.answer(t, q.Timeout+time.Minute)
	t.Logf("%s, uid %d: %s = %d after %.0f s\n%s%s", m.release, q.UID, strings.Join(q.Args, " "), r.Status, r.Took.Seconds(), lastLines(r.Out, 30), lastLines(r.Err, 30))
	return r
}

// sh runs a shell script as root, which must succeed, and returns its output.
func (m *machine) sh(t *testing.T, script string) string {
	t.Helper()
	r := m.do(t, request{Args: []string{"/bin/sh", "-ec", script}})
	if r.Status != 0 {
		t.Fatalf("%s: %s = %d\n%s%s", m.release, script, r.Status, r.Out, r.Err)
	}
	return r.Out
}

func lastLines(text string, n int) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "")
}
