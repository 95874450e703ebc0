package vm

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestArgs(t *testing.T) {
	m := Machine{UBoot: "/u-boot.bin", Memory: 512, CPUs: 2, Port: 2222, MAC: "02:00:00:00:00:01"}
	got := strings.Join(m.Args(), " ")
	for _, want := range []string{
		"-machine virt -accel tcg", "-serial stdio", "-monitor none", "restrict=on,", "-smp 2 -m 512 -bios /u-boot.bin", "snapshot=on,file=/dev/fdset/1",
		"hostfwd=tcp:127.0.0.1:2222-:22", "mac=02:00:00:00:00:01",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("args %q; want %q in them", got, want)
		}
	}
	m.KVM, m.Console, m.Network, m.Confine = true, true, true, true
	all := strings.Join(m.Args(), " ")
	for _, want := range []string{"-accel kvm", "mux=on", "-monitor none", "restrict=off,", "spawn=deny"} {
		if !strings.Contains(all, want) {
			t.Errorf("args %q; want %q in them", all, want)
		}
	}
	if strings.Contains(all, "tcg") {
		t.Errorf("args %q; want KVM alone", all)
	}
}

func TestConsole(t *testing.T) {
	var c Console
	fmt.Fprint(&c, "first\r\n\x1b[0;32mgreen\x1b[0m\x1b]0;title\x07\r\n\r\n\x1b[2J=> ")
	if got := c.Tail(2); !slices.Equal(got, []string{"green", "=>"}) {
		t.Errorf("tail %q; want green and a prompt", got)
	}
	if got := c.Stuck(); got != "u-boot finds nothing to boot" {
		t.Errorf("stuck: %q", got)
	}
	fmt.Fprint(&c, "\r\nStarting kernel ...\r\n")
	if got := c.Stuck(); got != "" {
		t.Errorf("stuck: %q; want that it may come up", got)
	}
	fmt.Fprint(&c, "[    1.0] Kernel panic - not syncing: VFS\r\n")
	if got := c.Stuck(); got != "the kernel panics" {
		t.Errorf("stuck: %q", got)
	}
	for range 3 * maxConsole {
		fmt.Fprint(&c, "xy")
	}
	if n := len(c.String()); n > 2*maxConsole {
		t.Errorf("%d bytes are kept; want at most %d", n, 2*maxConsole)
	}
}
