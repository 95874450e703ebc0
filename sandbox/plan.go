package sandbox

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// A step makes one thing of the new root. Target is relative to it.
type step struct {
	kind   kind
	target string
	source string // of a bind, target of a link, type of a file system
	flags  flags
	data   string // mount options
	mode   uint32
	bytes  []byte
}

type kind int

const (
	makeDir kind = iota
	makeFile
	makeLink
	mountFS
	bindDir
	bindFile
)

type flags int

const (
	readOnly flags = 1 << iota
	noSuid
	noDev
	noExec
)

// devices are the nodes of the host that Nix and its builders need.
var devices = []string{"null", "zero", "full", "random", "urandom", "tty"}

// devLinks are the links that programs expect in /dev.
var devLinks = [][2]string{
	{"dev/ptmx", "pts/ptmx"},
	{"dev/fd", "/proc/self/fd"},
	{"dev/stdin", "/proc/self/fd/0"},
	{"dev/stdout", "/proc/self/fd/1"},
	{"dev/stderr", "/proc/self/fd/2"},
}

// plan returns the steps that fill the new root, in order. A target outside the
// root or used twice is an error.
func plan(s Spec) ([]step, error) {
	b := &builder{made: map[string]bool{".": true}}
	b.fs("proc", "proc", noSuid|noDev|noExec, "")
	b.fs("dev", "tmpfs", noSuid, "mode=0755,size=1m")
	for _, name := range devices {
		b.bind(Mount{Source: "/dev/" + name, Target: "/dev/" + name, Writable: true, IsFile: true}, noSuid|noExec)
	}
	b.fs("dev/pts", "devpts", noSuid|noExec, "newinstance,ptmxmode=0666,mode=0620")
	b.fs("dev/shm", "tmpfs", noSuid|noDev, "mode=1777,size=256m")
	for _, l := range devLinks {
		b.link(l[0], l[1])
	}
	b.fs("tmp", "tmpfs", noSuid|noDev, "mode=1777")
	for _, m := range s.Mounts {
		b.hostMount(m)
	}
	for _, f := range s.Files {
		b.file(f, s.Root)
	}
	for _, l := range s.Links {
		b.link(b.inside(l.Path), l.Target)
	}
	for _, dir := range []string{"root", "run", "var/tmp"} {
		b.parents(dir + "/x")
	}
	return b.steps, b.err
}

// A builder gathers steps and the first error.
type builder struct {
	steps []step
	made  map[string]bool
	err   error
}

// inside returns an absolute path of the root as a relative one.
func (b *builder) inside(p string) string {
	rel := strings.TrimPrefix(p, "/")
	if rel == p || rel == "." || !fs.ValidPath(rel) {
		b.fail("%q is no clean absolute path below /", p)
	}
	return rel
}

func (b *builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("sandbox plan: "+format, args...)
	}
}

// parents makes the folders above target.
func (b *builder) parents(target string) {
	dir := path.Dir(target)
	if b.err != nil || b.made[dir] {
		return
	}
	b.parents(dir)
	b.made[dir] = true
	b.steps = append(b.steps, step{kind: makeDir, target: dir, mode: 0o755})
}

// claim makes sure that nothing else is at target.
func (b *builder) claim(target string) {
	b.parents(target)
	if b.made[target] {
		b.fail("/%s is made twice", target)
	}
	b.made[target] = true
}

func (b *builder) fs(target, fstype string, f flags, data string) {
	b.claim(target)
	b.steps = append(b.steps,
		step{kind: makeDir, target: target, mode: 0o755},
		step{kind: mountFS, target: target, source: fstype, flags: f, data: data})
}

func (b *builder) link(target, to string) {
	b.claim(target)
	b.steps = append(b.steps, step{kind: makeLink, target: target, source: to})
}

// file makes a file; one that is read-only is bound to itself, where root is on the host.
func (b *builder) file(f File, root string) {
	target := b.inside(f.Path)
	b.claim(target)
	b.steps = append(b.steps, step{kind: makeFile, target: target, mode: f.Mode, bytes: f.Data})
	if f.ReadOnly {
		b.steps = append(b.steps, step{kind: bindFile, target: target, source: path.Join(root, target), flags: readOnly | noSuid | noDev | noExec})
	}
}

func (b *builder) hostMount(m Mount) { b.bind(m, m.flags()) }

// flags are the restrictions of what is shown of the host.
func (m Mount) flags() flags {
	f := noSuid | noDev
	if !m.Writable {
		f |= readOnly
	}
	if !m.Exec {
		f |= noExec
	}
	return f
}

func (b *builder) bind(m Mount, f flags) {
	target := b.inside(m.Target)
	if !path.IsAbs(m.Source) {
		b.fail("source %q of /%s is not absolute", m.Source, target)
	}
	b.claim(target)
	if m.IsFile {
		b.steps = append(b.steps,
			step{kind: makeFile, target: target, mode: 0o644},
			step{kind: bindFile, target: target, source: m.Source, flags: f})
		return
	}
	b.steps = append(b.steps,
		step{kind: makeDir, target: target, mode: 0o755},
		step{kind: bindDir, target: target, source: m.Source, flags: f})
}
