// Package vm runs the image of an SD card in qemu-system-aarch64, which stands for a
// board with u-boot in its flash memory. The image is only read: what the machine writes
// goes to a file of QEMU's without a name.
package vm

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
)

// Program is QEMU's.
const Program = "qemu-system-aarch64"

// UBoots are where distributions have u-boot for that machine: Debian's u-boot-qemu, and
// Fedora's uboot-images-armv8.
var UBoots = []string{"/usr/lib/u-boot/qemu_arm64/u-boot.bin", "/usr/share/uboot/qemu_arm64/u-boot.bin"}

// A Machine says what is run.
type Machine struct {
	UBoot   string
	Memory  int // MiB
	CPUs    int
	Port    int    // of 127.0.0.1, which leads to the machine's ssh
	MAC     string // of its network card
	KVM     bool   // the host is such a machine, and may run it itself
	Console bool   // this terminal is the machine's console, else its output alone is read
	Network bool   // it reaches what this machine reaches, 127.0.0.1 as 10.0.2.2 among it
	Confine bool   // QEMU gives up what it needs not: see Confines
}

// imageFD is the descriptor on which QEMU gets the image.
const imageFD = 3

// confined keep QEMU from running programs and from changing whose process it is, should
// what it emulates take it over (qemu(1), -sandbox).
var confined = []string{"-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"}

// Confines reports whether a QEMU can confine itself: one built without seccomp cannot.
func Confines(ctx context.Context, qemu string, env []string) bool {
	cmd := exec.CommandContext(ctx, qemu, slices.Concat(confined, []string{"-machine", "help"})...)
	cmd.Env = env
	return cmd.Run() == nil
}

// Args returns QEMU's arguments.
func (m Machine) Args() []string {
	cpu := []string{"-machine", "virt", "-accel", "tcg", "-cpu", "cortex-a57"}
	if m.KVM {
		cpu = []string{"-machine", "virt,gic-version=host", "-accel", "kvm", "-cpu", "host"}
	}
	console := []string{"-serial", "stdio", "-no-reboot"}
	if m.Console { // with Ctrl-A X, as people know it, but without QEMU's monitor at Ctrl-A C, which runs commands
		console = []string{"-chardev", "stdio,id=console,mux=on,signal=off", "-serial", "chardev:console"}
	}
	if m.Confine {
		console = append(console, confined...)
	}
	return slices.Concat(cpu, console, []string{
		"-display", "none", "-monitor", "none",
		"-smp", strconv.Itoa(m.CPUs), "-m", strconv.Itoa(m.Memory), "-bios", m.UBoot,
		"-add-fd", fmt.Sprintf("fd=%d,set=1", imageFD),
		"-drive", "if=none,id=card,format=raw,snapshot=on,file=/dev/fdset/1", "-device", "virtio-blk-pci,drive=card",
		"-netdev", fmt.Sprintf("user,id=net,restrict=%s,hostfwd=tcp:127.0.0.1:%d-:22", map[bool]string{true: "off", false: "on"}[m.Network], m.Port),
		"-device", "virtio-net-pci,netdev=net,romfile=,mac=" + m.MAC, // Debian has the ROM in another package
		"-object", "rng-random,filename=/dev/urandom,id=random", "-device", "virtio-rng-pci,rng=random",
	})
}
