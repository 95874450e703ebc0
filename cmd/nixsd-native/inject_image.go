package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"nixsd-native/internal/demo"
	"nixsd-native/internal/image"
	"nixsd-native/internal/inject"
	"nixsd-native/internal/inspect"
	"nixsd-native/internal/shell"
	"nixsd-native/internal/wifi"
	"nixsd-native/nix"
	"nixsd-native/sandbox"
)

// insideTools is the expression of the programs that change file systems.
const insideTools = insideOwn + "/tools.nix"

// findTools makes the programs that change file systems available. A flake has them from
// its own nixpkgs.
func (b *build) findTools(ctx context.Context) error {
	what := nix.Build{Nixpkgs: b.nixpkgs, Expression: insideTools}
	if b.nixos.ofFlake() {
		what = nix.Build{Expression: b.left()[0].expression}
	}
	out, err := b.runNix(ctx, nix.ToolsArgs(b.nix, what), b.nixEnv)
	if err != nil {
		return err
	}
	b.tools, err = nix.ParsePath(strings.TrimSpace(out))
	return err
}

// An injection is an image that files are put into. Programs in the sandbox have it as
// standard input, and are shown nothing else of the host.
type injection struct {
	*build
	name string // for people
	file *os.File
	demo bool // it is the demo's
	wifi bool // something in it joins a Wi-Fi network, or what it starts is not known
	root *inspect.Files
	plan *inject.Plan
}

// injectInto puts the secrets into an image that was begun and lent. If that fails, the
// image is of no use.
func (b *build) injectInto(ctx context.Context, name string, file *os.File) error {
	in := &injection{build: b, name: name, file: file}
	if err := in.look(); err != nil {
		return err
	}
	in.warn()
	if err := in.write(ctx); err != nil {
		return err
	}
	if err := in.verify(ctx); err != nil {
		return err
	}
	in.tellReplaced()
	return nil
}

// tellReplaced names what the image had: a system may depend on it, as on /etc/passwd.
func (in *injection) tellReplaced() {
	for _, path := range in.plan.Replaced() {
		in.rep.Note("replaced %s, which %s had", path, in.name)
	}
}

// warn tells of what is put where nothing reads it.
func (in *injection) warn() {
	if in.job.ssid != "" && !in.wifi {
		in.rep.Warn("nothing in %s reads %s, as it starts no wpa_supplicant: build it from a configuration with networking.wireless, such as init --wifi writes", in.name, wifi.File)
	}
}

// look finds the file system, and what is in it.
func (in *injection) look() (err error) {
	if err := in.openRoot(); err != nil {
		return err
	}
	in.plan, err = inject.NewPlan(in.secrets, in.lookup)
	if refused := (*inject.RefusedError)(nil); errors.As(err, &refused) {
		return usageErrorf("put it to another place", "%s in %s", refused, in.name)
	}
	if err != nil {
		return in.damaged(err)
	}
	return nil
}

// openRoot reads what the image holds now.
func (in *injection) openRoot() error {
	info, err := in.file.Stat()
	if err != nil {
		return err
	}
	report, err := inspect.Read(in.file, info.Size())
	if err == nil {
		err = inspect.CutOff(report.Partitions, report.Size)
	}
	if err == nil {
		in.root, err = inspect.Root(in.file, report)
	}
	if err != nil {
		return in.damaged(err)
	}
	in.demo, in.wifi = report.System.Name == demo.SystemName, report.System.WiFi || len(report.Boot) == 0
	if !in.root.Volume.Clean {
		return in.damaged(errors.New("the root file system was not unmounted cleanly, or has errors"))
	}
	return nil
}

func (in *injection) damaged(err error) error {
	return &codedError{exitVerify, fmt.Sprintf("%s: %v", in.name, err), []string{"name an image that a build delivered; what it holds is told by: nixsd-native inspect " + shell.Word(in.name)}}
}

func (in *injection) lookup(path string) (inject.Node, error) {
	n, err := in.root.Lookup(path)
	return inject.Node(n), err
}

// write lets debugfs change the file system. The secrets, and what it is told, lie in the
// sandbox's memory, for root alone.
func (in *injection) write(ctx context.Context) error {
	if in.handed == nil {
		for i, f := range in.secrets {
			place := fmt.Sprintf("%s/inject-%d", insideOwn, i+1)
			if err := in.handIn(ctx, f.Data, nix.StepSecret, place); err != nil {
				return err
			}
			in.handed = append(in.handed, place)
		}
	}
	in.scripts++
	script := fmt.Sprintf("%s/inject-script-%d", insideOwn, in.scripts)
	if err := in.handIn(ctx, []byte(in.plan.Script(in.handed)), nix.StepSecret, script); err != nil {
		return err
	}
	_, errs, exit, err := in.runTool(ctx, "debugfs", "-w", "-f", script)
	if err != nil {
		return err
	}
	reason := inject.Failed(errs)
	switch {
	case reason == "" && exit == (sandbox.Exit{}):
		return nil
	case strings.Contains(reason, "Could not allocate") || saysDiskFull(reason):
		return &codedError{exitOutput, fmt.Sprintf("%s: the root file system has no room for what is put into it: %s", in.name, reason), []string{
			"put less into it, or leave something out of the configuration",
		}}
	}
	return fmt.Errorf("%s: debugfs failed (%+v): %s", in.name, exit, reason)
}

// maxToolOutput bounds what is kept of what a tool prints, in bytes: a file, and one more
// by which it would be too long.
const maxToolOutput = maxInjected + 1

// runTool runs one of the tools on the file system, and returns what it prints.
func (in *injection) runTool(ctx context.Context, program string, args ...string) (out, errs string, exit sandbox.Exit, err error) {
	keep := func(to *string) func(io.Reader) {
		return func(r io.Reader) {
			data, _ := io.ReadAll(io.LimitReader(r, maxToolOutput))
			*to = string(data)
		}
	}
	// libext2fs takes an offset behind the name (e2fsprogs: lib/ext2fs/openfs.c).
	place := fmt.Sprintf("/proc/self/fd/0?offset=%d", in.root.Start)
	argv := append(append([]string{in.tools + "/bin/" + program}, args...), place)
	exit, err = in.runInSandbox(ctx, sandbox.Command{Argv: argv, Env: []string{"LANG=C"}, Dir: "/"}, in.file, keep(&out), keep(&errs))
	return out, errs, exit, err
}

// verify checks the file system as a whole, and reads everything back: owners and modes by
// other means than they were written.
func (in *injection) verify(ctx context.Context) error {
	out, errs, exit, err := in.runTool(ctx, "e2fsck", "-fn")
	if err != nil {
		return err
	}
	if exit != (sandbox.Exit{}) {
		return in.damaged(fmt.Errorf("e2fsck finds errors in the root file system (%s): %s", exit, oneLine(strings.TrimSpace(out+errs))))
	}
	if err := in.openRoot(); err != nil {
		return err
	}
	err = in.plan.Verify(in.lookup, func(path string) ([]byte, error) {
		out, errs, _, err := in.runTool(ctx, "debugfs", "-R", inject.Cat(path))
		if reason := inject.Failed(errs); err == nil && reason != "" {
			err = errors.New(reason)
		}
		return []byte(out), err
	})
	if err != nil {
		return in.damaged(err)
	}
	return nil
}

// injected is what a manifest tells of files that were put into an image: never what is
// in them.
type injected struct {
	Path string `json:"path"`
	Mode string `json:"mode"`
	UID  uint32 `json:"uid"`
	GID  uint32 `json:"gid"`
}

func (b *build) injectedRecords() []injected {
	var all []injected
	for _, f := range b.secrets {
		all = append(all, injected{f.Dest, fmt.Sprintf("%04o", f.Mode), f.UID, f.GID})
	}
	return all
}

// copyInjected copies an image with secrets put into it. What is compressed lies beside
// it until then, without a name.
func (b *build) copyInjected(ctx context.Context, t *target, name string, dst, src *os.File) (sum image.Sum, plain *plainRecord, err error) {
	if err := b.privileges.Lend(name); err != nil {
		return sum, nil, err
	}
	whole := dst
	if b.job.compress == compressZstd {
		beside := strings.TrimSuffix(name, ".zst") + ".plain"
		if whole, err = b.privileges.Create(beside); err != nil {
			return sum, nil, err
		}
		defer whole.Close()
		if err := b.privileges.Lend(beside); err != nil {
			return sum, nil, err
		}
	}
	progress := func(doing string) func(done, total int64) {
		return func(done, total int64) { b.rep.Bytes(doing+" "+name, done, total) }
	}
	copyWhole := image.Copy
	if strings.HasSuffix(t.imagePath, ".zst") {
		copyWhole = image.Decompress
	}
	if _, err := copyWhole(ctx, whole, src, progress("copying")); err != nil {
		return sum, nil, err
	}
	if err := b.injectInto(ctx, name, whole); err != nil {
		return sum, nil, err
	}
	if whole == dst {
		sum, err := image.Measure(ctx, dst, progress("reading"))
		return sum, nil, err
	}
	sum, packed, err := image.Compress(ctx, dst, whole, progress("compressing"))
	return sum, &plainRecord{packed.SHA256, packed.Size}, err
}
