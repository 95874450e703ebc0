package e2e

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"nixsd-native/internal/testenv"
)

// uboot is where Debian's package u-boot-qemu has it.
const uboot = "/usr/lib/u-boot/qemu_arm64/u-boot.bin"

// bootPatience is thirty times what it takes on an idle machine.
const bootPatience = 3 * time.Minute

// A machine is an emulated one that runs an image.
type machine struct {
	testenv.Machine
	address string // of its ssh
}

// boot starts a machine, which does not change the image and ends with the test.
func boot(t *testing.T, image string) *machine {
	t.Helper()
	qemu := testenv.NeedProgram(t, "qemu-system-aarch64")
	testenv.Need(t, "u-boot-qemu", exec.Command("test", "-r", uboot).Run())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{address: l.Addr().String()}
	l.Close()
	cmd := exec.Command(qemu, "-M", "virt", "-cpu", "cortex-a57", "-smp", "2", "-m", "512", "-nographic", "-bios", uboot,
		"-drive", "if=none,id=d,format=raw,snapshot=on,file="+image, "-device", "virtio-blk-pci,drive=d",
		"-netdev", "user,id=n,hostfwd=tcp:"+m.address+"-:22", "-device", "virtio-net-pci,netdev=n,romfile=",
		"-object", "rng-random,filename=/dev/urandom,id=r", "-device", "virtio-rng-pci,rng=r")
	m.Start(t, cmd)
	return m
}

// await waits until the console shows a text.
func (m *machine) await(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(bootPatience); !strings.Contains(m.Console.String(), text); {
		select {
		case <-m.Ended:
			t.Fatalf("the machine ended:\n%s", m.Console.String())
		case <-time.After(100 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %q in %v:\n%s", text, bootPatience, m.Console.String())
		}
	}
}

// login tries to log in until sshd answers.
func (m *machine) login(t *testing.T, user string, auth ...ssh.AuthMethod) (*ssh.Client, error) {
	t.Helper()
	config := &ssh.ClientConfig{
		User: user, Auth: auth,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // made by the machine on its first boot
	}
	for deadline := time.Now().Add(bootPatience); ; time.Sleep(250 * time.Millisecond) {
		c, err := dial(m.address, config)
		if err == nil || strings.Contains(err.Error(), "unable to authenticate") {
			return c, err
		}
		if time.Now().After(deadline) {
			t.Fatalf("no login in %v: %v\n%s", bootPatience, err, m.Console.String())
		}
	}
}

// dial is ssh.Dial with a bound on the handshake, too.
func dial(address string, config *ssh.ClientConfig) (*ssh.Client, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return nil, err
	}
	c, channels, requests, err := ssh.NewClientConn(conn, address, config)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return ssh.NewClient(c, channels, requests), conn.SetDeadline(time.Time{})
}

// The image boots under u-boot, and lets in the holder of the key and nobody else.
func TestBoot(t *testing.T) {
	check := mustStay(t)
	builds(t)
	t.Run("machine", func(t *testing.T) { testMachine(t, boot(t, filepath.Join(user().home, "first", imageName)), "nixos") })
	check(t)
}

// testMachine logs in to a machine of the given name.
func testMachine(t *testing.T, m *machine, host string) {
	m.await(t, "login:")
	for _, name := range []string{"nixos", "root"} {
		c, err := m.login(t, name, ssh.PublicKeys(loginKey()))
		if err != nil {
			t.Fatalf("login as %s with the key: %v", name, err)
		}
		defer c.Close()
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.CombinedOutput("uname -m; hostname; id -un; mount | grep ' on / '")
		if want := fmt.Sprintf("aarch64\n%s\n%s\n", host, name); err != nil || !strings.HasPrefix(string(out), want) || !strings.Contains(string(out), "ext4") {
			t.Errorf("as %s the machine says %q, %v; want %q and an ext4 root", name, out, err, want)
		}
	}
	_, wrong, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(wrong)
	if err != nil {
		t.Fatal(err)
	}
	// If sshd took passwords, it would be asked for one after the key failed.
	for _, name := range []string{"nixos", "root"} {
		client, err := m.login(t, name, ssh.PublicKeys(signer), ssh.Password(""), ssh.Password(name))
		if err == nil {
			client.Close()
			err = errors.New("it was let in")
		}
		if !strings.Contains(err.Error(), "attempted methods [none publickey], no supported methods remain") {
			t.Errorf("login as %s with another key, or a password: %v; want a refusal of the key", name, err)
		}
	}
}
