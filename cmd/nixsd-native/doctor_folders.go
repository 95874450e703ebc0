package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"nixsd-native/internal/fetch"
	"nixsd-native/internal/hostinfo"
	"nixsd-native/internal/monitor"
	"nixsd-native/internal/shell"
	"nixsd-native/sandbox"
)

// existing returns, without links, a path or what exists of those above it.
func existing(path string) string {
	for ; path != "/" && path != "."; path = filepath.Dir(path) {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			return real
		}
	}
	return "/"
}

// stateFolder takes the state folder, unless a build has it, and tries in its store what
// Nix does there.
func (d *doctor) stateFolder(ctx context.Context) []finding {
	state, cache := d.privileges.Dirs()
	on := d.liesOn(state)
	err := d.takeState(ctx, nil)
	switch {
	case is[*monitor.BusyError](err):
		d.busy = true
		return skipped(fmt.Sprintf("not tried, as a build uses %s now; a further one would wait for its end", state))
	case err != nil && d.lacksNamespaces != nil && err.Error() == d.lacksNamespaces.Error():
		return skipped("not tried, as there are no namespaces to try it in")
	case err != nil && strings.HasPrefix(err.Error(), "cache folder "): // which is taken with it
		on := d.liesOn(cache)
		return named("cache folder", problem(fmt.Errorf("%v (%s)", err, described(on)), folderFix(on, cache, "--cache-dir DIR", err)...))
	case err != nil:
		return problem(fmt.Errorf("%v (%s)", err, described(on)), folderFix(on, state, "--state-dir DIR", err)...)
	case d.lacksNamespaces != nil:
		d.folders = true
		return skipped("made, but not tried, as there are no namespaces to try it in")
	}
	d.folders = true
	var trial sandbox.Trial
	err = d.inSandbox(ctx, sandboxRequest{}, nil, func() (err error) {
		if f, err := d.session.Open("/nix/var/nix/db/db.sqlite"); err == nil {
			d.hasStore = true
			f.Close()
		}
		trial, err = d.tryIn(ctx, "/nix")
		return err
	})
	switch f := trial.Folder; {
	case f != nil && isDiskFull(syscall.Errno(f.Errno)):
		return problem(noStore(state, on, f), roomFix(state, d.cleanLine("--store"), "--state-dir DIR")...)
	case f != nil:
		return problem(noStore(state, on, f))
	}
	if err != nil {
		return problem(fmt.Errorf("%v (%s is %s)", err, state, described(on)), folderFix(on, state, "--state-dir DIR", err)...)
	}
	return ok("%s (%s): programs, links, modes, owners, names and locks work", state, described(on))
}

// described words a mount.
func described(m hostinfo.Mount) string {
	text := "on " + firstOf(m.Type, "an unknown file system")
	for _, option := range []string{"ro", "noexec"} {
		if m.Has(option) {
			text += ", " + option
		}
	}
	return text
}

// foreignSystems keep no modes, owners and links of Linux's.
var foreignSystems = []string{"vfat", "msdos", "exfat", "ntfs", "ntfs3", "fuseblk", "9p", "drvfs", "hfsplus", "cifs", "smb3", "vboxsf", "fuse.vmhgfs-fuse"}

// isForeign reports whether a file system lacks what a store needs. NFS lets no root in.
func isForeign(m hostinfo.Mount) bool {
	return slices.Contains(foreignSystems, m.Type) || strings.HasPrefix(m.Type, "nfs")
}

// folderFix is what helps where a folder cannot be used: mountFix only if the file system
// may be to blame.
func folderFix(m hostinfo.Mount, dir, flag string, err error) []string {
	own := hints(err)
	if own == nil && errors.Is(err, fs.ErrPermission) {
		own = []string{"name a folder that you may write to: " + flag}
	}
	if own == nil || m.Has("ro") || m.Has("noexec") || isForeign(m) {
		return append(mountFix(m, dir, flag), own...)
	}
	return own
}

// mountFix is what helps on a file system where a folder cannot be used.
func mountFix(m hostinfo.Mount, dir, flag string) []string {
	var fix []string
	if m.Has("ro") {
		fix = append(fix, "sudo mount -o remount,rw "+shell.Word(m.Target))
	}
	if m.Has("noexec") {
		fix = append(fix, "sudo mount -o remount,exec "+shell.Word(m.Target))
	}
	other := "name a folder on a disk of Linux's own, such as ext4, btrfs or xfs: " + flag
	if isForeign(m) {
		return append([]string{other}, fix...)
	}
	return append(fix, other)
}

// cacheFolder tries what downloads need. The worker does, who alone writes there.
func (d *doctor) cacheFolder(context.Context) []finding {
	_, cache := d.privileges.Dirs()
	on := d.liesOn(cache)
	if !d.folders && !d.busy {
		return skipped("not tried, as what is wrong above comes first")
	}
	if err := tryCache(cache); err != nil {
		fix := folderFix(on, cache, "--cache-dir DIR", &fetch.StorageError{Dir: cache, Err: err})
		if on.Has("ro") { // a complete one may be read-only
			return warning(fmt.Errorf("%s (%s): %v: nothing can be downloaded", cache, described(on), bare(err)), fix...)
		}
		return problem(fmt.Errorf("%s (%s): %v", cache, described(on), err), fix...)
	}
	return ok("%s (%s): files can be written", cache, described(on))
}

// tryCache writes a file, to disk, and gives it another name.
func tryCache(cache string) error {
	f, err := os.CreateTemp(cache, ".trial-*")
	if err != nil {
		return err
	}
	other := f.Name() + "-renamed"
	_, err = f.WriteString("trial")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), other)
	}
	os.Remove(f.Name())
	os.Remove(other)
	return err
}

// outputFolder tries to write where the image is to be.
func (d *doctor) outputFolder(context.Context) []finding {
	on := d.liesOn(absolute(d.job.output))
	if _, err := d.privileges.OpenOutput(); err != nil {
		d.lacksOutput = true
		return problem(fmt.Errorf("%v (%s)", err, described(on)), "name a folder that you may write to: -o DIR")
	}
	if max, limited := largestFile[on.Type]; limited {
		return warning(fmt.Errorf("%s (%s): no file there can have more than %s", d.job.output, described(on), size(max)), "name another folder: -o DIR")
	}
	return ok("%s (%s): files can be written", d.job.output, described(on))
}

// largestFile has the file systems that take no large images, in bytes.
var largestFile = map[string]int64{"vfat": 4<<30 - 1, "msdos": 4<<30 - 1}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// What a build takes of a folder's disk: bytes and inodes. Of the demo measured, with some
// room; of NixOS built from a cache what is comfortable.
var (
	demoStore  = hostinfo.Disk{Free: 1 << 30, Inodes: 4_000}
	demoCache  = hostinfo.Disk{Free: 320 << 20, Inodes: 200}
	demoImage  = hostinfo.Disk{Free: 128 << 20, Inodes: 4}
	nixosStore = hostinfo.Disk{Free: 12 << 30, Inodes: 300_000}
	nixosCache = hostinfo.Disk{Free: 1 << 30, Inodes: 200}
	nixosImage = hostinfo.Disk{Free: 4 << 30, Inodes: 4}
)

func (d *doctor) disks(context.Context) []finding {
	state, cache := d.privileges.Dirs()
	output := absolute(d.job.output)
	var all []finding
	for _, f := range []struct {
		name, path, flag string
		clean            string // the command that frees room there, or ""
		demo, nixos      hostinfo.Disk
		filled           bool // with what the demo would bring
	}{
		{"disk of the state", state, "--state-dir DIR", d.cleanLine("--store"), demoStore, nixosStore, d.hasStore},
		{"disk of the cache", cache, "--cache-dir DIR", d.cleanLine("--cache"), demoCache, nixosCache, d.inputsHere},
		{"disk of the output", output, "-o DIR", "", demoImage, nixosImage, false},
	} {
		if f.flag == "-o DIR" && d.lacksOutput {
			all = append(all, named(f.name, skipped("not looked at, as the output folder comes first"))...)
			continue
		}
		disk, err := hostinfo.DiskOf(existing(f.path))
		if err != nil {
			all = append(all, named(f.name, warning(err))...)
			continue
		}
		least, good := f.demo, f.nixos
		if d.demo {
			good = least
		}
		if f.filled {
			least = hostinfo.Disk{}
		}
		reserve := ""
		if f.path == state {
			reserve = scarce(disk)
		}
		all = append(all, named(f.name, judgeDisk(f.path, disk, least, good, reserve, roomFix(f.path, f.clean, f.flag)))...)
	}
	return all
}

// roomFix is what helps where a disk is full: the command that frees room, if there is one.
func roomFix(dir, clean, flag string) []string {
	look := fmt.Sprintf("df -h %s; df -i %[1]s", shell.Word(dir))
	if clean != "" {
		look = clean + ", or free space otherwise: " + look
	} else {
		look = "free some space: " + look
	}
	return []string{look, "name a folder on a larger disk: " + flag}
}

// judgeDisk compares what is free with what is needed: less than least is a problem, less
// than good may be one. reserve says why a build would be stopped at once, or is "".
func judgeDisk(dir string, has, least, good hostinfo.Disk, reserve string, fix []string) []finding {
	text := fmt.Sprintf("%s: %s free", dir, size(has.Free))
	counted := has.AllInodes > 0 // btrfs and others do not count them
	if counted {
		text += fmt.Sprintf(", %d inodes", has.Inodes)
	}
	switch {
	case has.Free < least.Free:
		return problem(fmt.Errorf("%s, and %s are needed", text, size(least.Free)), fix...)
	case counted && has.Inodes < least.Inodes:
		return problem(fmt.Errorf("%s, and %d inodes are needed", text, least.Inodes), fix...)
	case reserve != "":
		return problem(fmt.Errorf("%s: %s", dir, reserve), fix...)
	case has.Free < good.Free || counted && has.Inodes < good.Inodes:
		return warning(fmt.Errorf("%s: %s and %d inodes would be comfortable", text, size(good.Free), good.Inodes), fix...)
	}
	return ok("%s", text)
}
