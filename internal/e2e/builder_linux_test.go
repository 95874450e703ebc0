package e2e

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"nixsd-native/internal/testenv"
)

// Addresses of the two ends of the cable: the program's and the builder's.
const (
	programAddress = "10.213.7.1"
	builderAddress = "10.213.7.2"
	builderPort    = 2222
)

// A remote is a machine with sshd and Debian's Nix, which builds for aarch64, in
// namespaces of its own; the other end of its network cable is in network, where there
// is nothing else.
type remote struct {
	dir     string
	network *os.File // a network namespace
	hostKey ssh.Signer
	login   []byte // private key that it lets in, in OpenSSH's format
	log     *safeBuffer
	stop    func() // ends the machine
}

// A safeBuffer is written to by a process and read by a test.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}
func (s *safeBuffer) String() string { s.mu.Lock(); defer s.mu.Unlock(); return s.b.String() }

// newKey makes a key pair; the private half is in OpenSSH's format.
func newKey(t *testing.T, passphrase string) (ssh.Signer, []byte) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

// startRemote starts the machine, which ends with the test. Its Nix builds with the
// emulator in a cache.
func startRemote(t *testing.T, cache string) *remote {
	t.Helper()
	testenv.NeedRoot(t)
	for _, program := range []string{"sshd", "nix-daemon", "ip", "pivot_root"} {
		testenv.NeedProgram(t, program)
	}
	dir, err := os.MkdirTemp(lab(), "remote-*")
	if err != nil {
		t.Fatal(err)
	}
	r := &remote{dir: dir, log: &safeBuffer{}}
	t.Cleanup(func() { removeWritable(dir) })
	r.fill(t, cache)
	r.network = newNetwork(t)
	r.start(t)
	return r
}

// removeWritable removes a tree with read-only folders.
func removeWritable(dir string) {
	filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			os.Chmod(path, 0o700)
		}
		return nil
	})
	os.RemoveAll(dir)
}

// fill writes what the machine's /etc holds.
func (r *remote) fill(t *testing.T, cache string) {
	t.Helper()
	hostKey, hostPEM := newKey(t, "")
	login, loginPEM := newKey(t, "")
	r.hostKey, r.login = hostKey, loginPEM
	passwd, group := "root:x:0:0:root:/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n", "root:x:0:\nnixbld:x:30000:"
	for i := 1; i <= 4; i++ {
		passwd += fmt.Sprintf("nixbld%d:x:%d:30000::/var/empty:/usr/sbin/nologin\n", i, 30000+i)
		group += fmt.Sprintf("nixbld%d,", i)
	}
	emulators, err := filepath.Glob(filepath.Join(cache, "emulator", "*", "qemu-aarch64-static"))
	if err != nil || len(emulators) == 0 {
		t.Fatalf("no emulator in %s (%v)", cache, err)
	}
	emulator, err := os.ReadFile(emulators[0])
	if err != nil {
		t.Fatal(err)
	}
	loader, err := os.ReadFile("/etc/ld.so.cache")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		name string
		mode os.FileMode
		text string
	}{
		{"etc/passwd", 0o644, passwd},
		{"etc/group", 0o644, strings.TrimSuffix(group, ",") + "\nnogroup:x:65534:\n"},
		{"etc/ld.so.cache", 0o644, string(loader)},
		{"etc/nix/nix.conf", 0o644, "extra-platforms = aarch64-linux\nsandbox = true\nsandbox-fallback = false\nbuild-users-group = nixbld\nsubstituters =\n"},
		{"etc/ssh/host_key", 0o600, string(hostPEM)},
		{"etc/ssh/authorized", 0o644, string(ssh.MarshalAuthorizedKey(login.PublicKey()))},
		{"etc/ssh/sshd_config", 0o644, fmt.Sprintf("Port %d\nHostKey /etc/ssh/host_key\nAuthorizedKeysFile /etc/ssh/authorized\nPermitRootLogin prohibit-password\nStrictModes no\nUsePAM no\nPidFile none\nLogLevel VERBOSE\n", builderPort)},
		{"qemu", 0o755, string(emulator)},
		{"root/keep", 0o644, ""},
		{"nix/keep", 0o644, ""},
	} {
		path := filepath.Join(r.dir, f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(f.text), f.mode); err != nil {
			t.Fatal(err)
		}
	}
}

// newNetwork makes a network namespace without anything in it.
func newNetwork(t *testing.T) *os.File {
	t.Helper()
	type result struct {
		f   *os.File
		err error
	}
	made := make(chan result)
	go onThreadOfItsOwn(func() {
		err := unix.Unshare(unix.CLONE_NEWNET)
		var f *os.File
		if err == nil {
			f, err = os.Open("/proc/thread-self/ns/net")
		}
		made <- result{f, err}
	})
	r := <-made
	testenv.Need(t, "network namespaces", r.err)
	t.Cleanup(func() { r.f.Close() })
	return r.f
}

// startInNetwork starts a command in a network namespace.
func startInNetwork(cmd *exec.Cmd, network *os.File) error {
	failed := make(chan error)
	go onThreadOfItsOwn(func() {
		err := unix.Setns(int(network.Fd()), unix.CLONE_NEWNET)
		if err == nil {
			err = cmd.Start()
		}
		failed <- err
	})
	return <-failed
}

// inNetwork runs a command in a network namespace.
func inNetwork(t *testing.T, network *os.File, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(testenv.NeedProgram(t, name), args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := startInNetwork(cmd, network)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out.String())
	}
}

// start starts the machine and connects the cable.
func (r *remote) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "testdata/builder.sh", r.dir)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}
	cmd.Stderr = r.log
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 65536}}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true,
		Credential: &syscall.Credential{},
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	testenv.Need(t, "namespaces", cmd.Start())
	started.add(cmd.Process.Pid)
	r.stop = sync.OnceFunc(func() {
		stdin.Close()
		late := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
		cmd.Wait()
		late.Stop()
		started.remove(cmd.Process.Pid)
	})
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Logf("the builder said:\n%s", tail(strings.Split(r.log.String(), "\n")))
		}
	})
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the builder does not start: %q, %v\n%s", line, err, r.log.String())
	}
	go io.Copy(io.Discard, stdout)
	pid := fmt.Sprint(cmd.Process.Pid)
	inNetwork(t, r.network, "ip", "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", pid)
	inNetwork(t, r.network, "ip", "link", "set", "lo", "up")
	inNetwork(t, r.network, "ip", "addr", "add", programAddress+"/24", "dev", "cable")
	inNetwork(t, r.network, "ip", "link", "set", "cable", "up")
	theirs, err := os.Open("/proc/" + pid + "/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	inNetwork(t, theirs, "ip", "addr", "add", builderAddress+"/24", "dev", "cable")
	inNetwork(t, theirs, "ip", "link", "set", "cable", "up")
	runtime.KeepAlive(theirs)
}
