package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"nixsd-native/internal/inspect"
	"nixsd-native/internal/vm"
)

// A bootJob is the command boot with its flags.
type bootJob struct {
	name     string
	file     *os.File
	identity string
	private  *os.File // of identity
	uboot    string
	memory   int
	cpus     int
	port     int
	checks   bool
	timeout  time.Duration
	verbose  bool
	network  bool
}

// Defaults of a machine: what NixOS comes up with in reasonable time, of what a board has.
const (
	defaultMemory  = 2048 // MiB
	defaultCPUs    = 2
	defaultTimeout = 15 * time.Minute // emulated, on a slow machine, and then some
)

func bootCommand() command {
	return command{
		name:    "boot",
		args:    "IMAGE",
		summary: "boot an image in QEMU",
		help: `IMAGE, a .img or .img.zst, is booted by u-boot in an emulated board. It is only
read: what the system writes is forgotten at its end. The terminal is its
console, which is left with Ctrl-A X, and its ssh is reached through a port of
127.0.0.1, as is printed. It reaches nothing else, unless --network is given:
then all that you reach, and as 10.0.2.2 what listens at your own 127.0.0.1.

With --check there is no console: once ssh lets a key in that the image names,
what answers is asked whether it is this machine, and shut down. Exit code 0
says that all went well, 4 that the image does not boot or does not let in.

QEMU and u-boot must be installed:
  Debian, Ubuntu  apt install qemu-system-arm u-boot-qemu
  Fedora          dnf install qemu-system-aarch64 uboot-images-armv8
  Arch Linux      pacman -S qemu-system-aarch64, and --u-boot FILE

Examples:
  nixsd-native boot card.img
  nixsd-native boot card.img --check -i ~/.ssh/id_ed25519`,
		new: func(fs *pflag.FlagSet) job {
			j := new(bootJob)
			fs.BoolVar(&j.checks, "check", false, "see whether it boots and lets in, and shut it down")
			fs.DurationVar(&j.timeout, "timeout", defaultTimeout, "how `long` --check may take")
			fs.StringVarP(&j.identity, "identity", "i", "", "private key `file` that --check logs in with (default ssh-agent's and ~/.ssh/id_*)")
			fs.BoolVarP(&j.verbose, "verbose", "v", false, "with --check, print what the console shows")
			fs.BoolVar(&j.network, "network", false, "let it reach the network and what listens on this machine")
			fs.IntVar(&j.port, "port", 0, "`port` of 127.0.0.1 for ssh (default a free one)")
			fs.IntVar(&j.memory, "memory", defaultMemory, "the machine's memory in `MiB`")
			fs.IntVar(&j.cpus, "cpus", defaultCPUs, "the machine's `processors`")
			fs.StringVar(&j.uboot, "u-boot", "", "u-boot.bin for qemu_arm64, a `file` (default the installed one)")
			return j
		},
	}
}

// Bounds of the machine "virt".
const (
	minMemory, maxMemory = 256, 255 << 10 // MiB
	maxCPUs              = 8              // with an interrupt controller of version 2
)

func (j *bootJob) check(args []string) error {
	switch {
	case len(args) != 1:
		return usageErrorf("", "boot takes one IMAGE")
	case j.memory < minMemory || j.memory > maxMemory:
		return usageErrorf("", "--memory must be from %d to %d, in MiB", minMemory, maxMemory)
	case j.cpus < 1 || j.cpus > maxCPUs:
		return usageErrorf("", "--cpus must be from 1 to %d", maxCPUs)
	case j.port < 0 || j.port > 65535:
		return usageErrorf("", "--port must be from 1 to 65535")
	case j.timeout <= 0:
		return usageErrorf("", "--timeout must be more than 0, like 5m")
	case !j.checks && (j.identity != "" || j.verbose || j.timeout != defaultTimeout):
		return usageErrorf("", "--identity, --timeout and --verbose are about --check")
	}
	j.name = args[0]
	return nil
}

func (j *bootJob) opens() []string {
	if j.identity == "" {
		return []string{j.name}
	}
	return []string{j.name, j.identity}
}

func (j *bootJob) take(files []*os.File) {
	j.file = files[0]
	if len(files) > 1 {
		j.private = files[1]
	}
}

// A guest is a machine about to run, and what its image tells of it.
type guest struct {
	vm.Machine
	*app
	job    *bootJob
	qemu   string
	image  *os.File // open for reading alone
	report *inspect.Report

	heartbeat time.Duration // longest silence of a check; 0 = 30 s
}

func (j *bootJob) run(ctx context.Context, a *app) error {
	g := &guest{app: a, job: j, Machine: vm.Machine{Memory: j.memory, CPUs: j.cpus, Port: j.port, MAC: randomMAC(), KVM: hasKVM(), Console: !j.checks, Network: j.network}}
	if err := g.findPrograms(); err != nil {
		return err
	}
	if err := g.readImage(ctx); err != nil {
		return err
	}
	defer g.image.Close()
	if err := g.findPort(); err != nil {
		return err
	}
	if g.Confine = vm.Confines(ctx, g.qemu, g.env.list(qemuVariables)); !g.Confine {
		fmt.Fprintln(g.errs, "warning: this QEMU cannot confine itself (-sandbox): do not boot images of strangers")
	}
	if j.checks {
		return g.check(ctx)
	}
	return g.boot(ctx)
}

// missing says what to install.
func missing(what string) error {
	return &codedError{exitHost, what, []string{
		"Debian, Ubuntu: apt install qemu-system-arm u-boot-qemu",
		"Fedora: dnf install qemu-system-aarch64 uboot-images-armv8",
		"Arch Linux: pacman -S qemu-system-aarch64; it has no u-boot for QEMU: name one with --u-boot FILE",
	}}
}

// findPrograms finds QEMU and u-boot.
func (g *guest) findPrograms() error {
	var err error
	if g.qemu, err = exec.LookPath(vm.Program); err != nil {
		return missing("there is no " + vm.Program + " in PATH")
	}
	if g.UBoot = g.job.uboot; g.UBoot != "" {
		if !isFile(g.UBoot) {
			return usageErrorf("name a u-boot.bin that was made for qemu_arm64", "--u-boot %s is no file that can be read", g.UBoot)
		}
		g.UBoot, err = filepath.Abs(g.UBoot)
		return err
	}
	for _, name := range vm.UBoots {
		if isFile(name) {
			g.UBoot = name
			return nil
		}
	}
	return missing("there is no u-boot for QEMU, " + strings.Join(vm.UBoots, " or "))
}

// readImage decompresses the image if need be, and looks into it.
func (g *guest) readImage(ctx context.Context) error {
	f, size, err := plainImage(ctx, g.job.name, g.job.file)
	if err != nil {
		return err
	}
	if g.image = f; f != g.job.file { // QEMU wants what can only be read
		defer f.Close()
		if g.image, err = os.Open(fmt.Sprintf("/proc/self/fd/%d", f.Fd())); err != nil {
			return err
		}
	}
	if g.report, err = inspect.Read(g.image, size); err != nil {
		return &codedError{exitVerify, fmt.Sprintf("%s: %v", g.job.name, err), []string{"name the .img or .img.zst that a build delivered"}}
	}
	for _, w := range g.report.Warnings {
		fmt.Fprintf(g.errs, "warning: %s\n", cleanWord(w))
	}
	return nil
}

// findPort finds a free port, or sees whether the wanted one is.
func (g *guest) findPort() error {
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", g.Port))
	if err != nil {
		return usageErrorf("leave --port out to take a free one", "port %d of 127.0.0.1 cannot be used: %v", g.Port, err)
	}
	g.Port = l.Addr().(*net.TCPAddr).Port
	return l.Close()
}

// randomMAC makes up the address of a network card: a locally administered one.
func randomMAC() string {
	b := make([]byte, 6)
	rand.Read(b)
	b[0] = 0x02
	return net.HardwareAddr(b).String()
}

// hasKVM reports whether the host can run the machine itself.
func hasKVM() bool {
	if nativeSystem() != "aarch64-linux" {
		return false
	}
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err == nil {
		f.Close()
	}
	return err == nil
}

// how tells what runs the machine.
func (g *guest) how() string {
	if g.KVM {
		return "by KVM"
	}
	return "emulated, which is slow"
}

// user is who is offered to log in as: whom a key of the image lets in, but root only if
// there is nobody else.
func (g *guest) user() string {
	name := ""
	for _, l := range g.report.System.Logins {
		if len(l.Keys) > 0 && (name == "" || name == "root") {
			name = l.User
		}
	}
	return cmp.Or(name, "root")
}

// boot makes the terminal the machine's console.
func (g *guest) boot(ctx context.Context) error {
	fd := int(os.Stdin.Fd())
	end := "leave with Ctrl-A X"
	if !term.IsTerminal(fd) { // which QEMU takes that from
		end = "end it with Ctrl-C; scripts have --check"
	}
	fmt.Fprintf(g.errs, "booting %s, %s; %s\n", cleanWord(g.job.name), g.how(), end)
	if name := g.user(); g.report.System.SSH && userName.MatchString(name) { // each boot makes other host keys, as nothing is kept
		fmt.Fprintf(g.errs, "ssh -p %d -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null %s@127.0.0.1\n", g.Port, name)
	}
	if before, err := term.GetState(fd); err == nil {
		defer term.Restore(fd, before)
	}
	r, err := vm.Start(g.qemu, g.Machine, g.image, g.env.list(qemuVariables), nil)
	if err != nil {
		return err
	}
	select {
	case <-r.Ended:
	case <-r.Unheard():
		r.Quit()
		return &codedError{exitOutput, "nobody reads the console any more", []string{"for scripts there is --check"}}
	case <-ctx.Done():
		r.Quit()
		return context.Cause(ctx)
	}
	if err := r.Err(); err != nil {
		return &codedError{exitHost, fmt.Sprintf("%s failed: %v", vm.Program, err), []string{"the lines above tell why"}}
	}
	return nil
}

// qemuVariables are those that QEMU gets.
var qemuVariables = []string{"PATH", "TERM", "TMPDIR"}
