package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
)

// durableCalls are those by which files get content and names, and reach the disk.
const durableCalls = "openat,write,pwrite64,writev,copy_file_range,sendfile,ftruncate,fsync,fdatasync,syncfs," +
	"rename,renameat,renameat2,link,linkat,unlink,unlinkat"

// A flushWatch follows, through the system calls of a run, what would survive a power cut.
type flushWatch struct {
	dirs    []string          // of the host, whose files matter
	dirty   map[string]bool   // files with content that is not on disk
	unnamed map[string]string // folder to a file in it whose name is not on disk
	byFD    map[string]string // descriptor to path, of files without a name
	named   int               // files that got a name in place of a temporary one
	wrong   []string
}

// Lines of strace -y, whose unfinished calls are joined: descriptors have their path
// behind them.
var (
	wholeCall = regexp.MustCompile(`^(\w+)\((.*)\) += (.*)$`)
	openedFD  = regexp.MustCompile(`(\d+)<(/[^>]*)>(?:\(deleted\))?`)
	quotedIn  = regexp.MustCompile(`"([^"]*)"`)
	atFolder  = regexp.MustCompile(`(?:AT_FDCWD|\d+)<(/[^>]*)>(?:\(deleted\))?, "([^"]*)"`)
)

func newFlushWatch(dirs ...string) *flushWatch {
	return &flushWatch{dirs: dirs, dirty: map[string]bool{}, unnamed: map[string]string{}, byFD: map[string]string{}}
}

// watched reports whether a path matters.
func (w *flushWatch) watched(path string) bool {
	return slices.ContainsFunc(w.dirs, func(d string) bool { return path == d || strings.HasPrefix(path, d+"/") })
}

// read follows a log of strace -f -y.
func (w *flushWatch) read(t *testing.T, log string) {
	t.Helper()
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	begun := map[string]string{}
	for line := range strings.Lines(string(data)) {
		pid, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		if head, ok := strings.CutSuffix(rest, "<unfinished ...>"); ok {
			begun[pid] = strings.TrimSpace(head)
			continue
		}
		if _, end, ok := strings.Cut(rest, " resumed>"); ok && strings.HasPrefix(rest, "<... ") {
			rest = begun[pid] + end
		}
		if m := wholeCall.FindStringSubmatch(rest); m != nil && !strings.HasPrefix(m[3], "-1 ") {
			w.call(m[1], m[2], m[3])
		}
	}
}

// call follows a call that succeeded.
func (w *flushWatch) call(name, args, result string) {
	first := openedFD.FindStringSubmatch(args)
	if first != nil && w.watched(first[2]) {
		w.byFD[first[1]] = first[2]
	}
	switch name {
	case "openat":
		if m := openedFD.FindStringSubmatch(result); m != nil && w.watched(m[2]) {
			w.byFD[m[1]] = m[2]
			if strings.Contains(args, "O_TRUNC") {
				w.dirty[m[2]] = true
			}
		}
	case "write", "pwrite64", "writev", "sendfile", "ftruncate":
		if first != nil && w.watched(first[2]) {
			w.dirty[first[2]] = true
		}
	case "copy_file_range":
		if all := openedFD.FindAllStringSubmatch(args, 2); len(all) == 2 && w.watched(all[1][2]) {
			w.dirty[all[1][2]] = true
		}
	case "fsync", "fdatasync":
		if first != nil {
			delete(w.dirty, first[2])
			delete(w.unnamed, first[2])
		}
	case "syncfs": // all of a run lies in one file system here
		clear(w.dirty)
		clear(w.unnamed)
	case "rename", "renameat", "renameat2", "link", "linkat":
		w.rename(name, args)
	case "unlink", "unlinkat":
		delete(w.dirty, pathIn(args, 0))
	}
}

// pathIn is the nth path of a call's arguments.
func pathIn(args string, n int) string {
	if all := atFolder.FindAllStringSubmatch(args, -1); len(all) > n {
		if strings.HasPrefix(all[n][2], "/") {
			return filepath.Clean(all[n][2])
		}
		return filepath.Join(all[n][1], all[n][2])
	}
	if all := quotedIn.FindAllStringSubmatch(args, -1); len(all) > n {
		return filepath.Clean(all[n][1])
	}
	return ""
}

// rename follows a file that gets a name.
func (w *flushWatch) rename(call, args string) {
	from, to := pathIn(args, 0), pathIn(args, 1)
	if !w.watched(to) {
		return
	}
	if fd, ok := strings.CutPrefix(from, "/proc/self/fd/"); ok {
		from = w.byFD[fd]
	}
	for path := range w.dirty {
		if path == from || strings.HasPrefix(path, from+"/") {
			w.wrong = append(w.wrong, fmt.Sprintf("%s was written but not flushed before %s named it %s", path, call, to))
		}
	}
	w.named++
	w.unnamed[filepath.Dir(to)] = to
}

// end lists what was wrong, with what is not on disk at the end, but for what may get
// lost: parts of downloads, whose hash is looked at when they are whole.
func (w *flushWatch) end() []string {
	for path := range w.dirty {
		if _, err := os.Lstat(path); err == nil && !strings.Contains(path, "/.partial/") {
			w.wrong = append(w.wrong, path+" was written and never flushed")
		}
	}
	for _, path := range w.unnamed {
		w.wrong = append(w.wrong, path+" got its name, which was never flushed")
	}
	slices.Sort(w.wrong)
	return w.wrong
}

// durable runs a job and fails the test unless all that it put into the folders was
// flushed: content before it got its name, and the name after.
func durable(t *testing.T, j job, least int, dirs ...string) {
	t.Helper()
	log := filepath.Join(j.as.folder(t, "trace"), "durable")
	j.under = []string{testenv.NeedProgram(t, "strace"), "-f", "-y", "--seccomp-bpf", "-qq", "-s", "0",
		"-e", "signal=none", "-e", "trace=" + durableCalls, "-o", log}
	must(t, j)
	w := newFlushWatch(dirs...)
	w.read(t, log)
	if wrong := w.end(); len(wrong) > 0 {
		t.Errorf("nixsd-native %s:\n%s", j.args[0], strings.Join(wrong, "\n"))
	}
	if w.named < least {
		t.Errorf("nixsd-native %s gave a name to %d files; want at least %d", j.args[0], w.named, least)
	}
	t.Logf("%s: %d files got their names", j.args[0], w.named)
}

// Whatever a run puts into cache, state and output folder, and the lock file, survives a
// power cut whole or is absent: it is on disk before it gets its name. What is in the
// store is not looked at here.
func TestFlushedBeforeNamed(t *testing.T) {
	check := mustStay(t)
	n := newNixOS(t)
	s := newShelf(t, 1<<20)
	fetch := func(c caller, least int) {
		p := c.places("durable-fetch")
		c.folder(t, ".")
		dir := c.folder(t, "durable-fetch")
		durable(t, job{as: c, dir: dir, args: s.fetch(p)}, least, p.cache, dir, p.state)
	}
	fetch(user(), 3+2) // each file of the cache, and the lock, by way of a temporary name
	config := n.write(t, "durable/sd-card.nix", hostNamed(t, "durable"))
	dir := filepath.Dir(config)
	durable(t, n.job(dir, n.build(t)), 4*2, dir, n.cache) // image, checksum, manifest, lock
	n.durableBundle(t)
	if os.Geteuid() == 0 {
		fetch(root(), 3+2+1) // the ids, too
		_, p := builds(t)
		durable(t, job{as: root(), args: buildArgs(t, root(), p, "durable-out")}, 3*2, root().folder(t, "durable-out"), p.cache)
	}
	check(t)
}

// durableBundle makes a bundle, and unpacks it into an empty cache.
func (n nixos) durableBundle(t *testing.T) {
	t.Helper()
	if testenv.Times(0, 1) == 0 {
		return // 500 MB go through strace
	}
	file := filepath.Join(n.folder(t, "durable-bundle"), "demo.nixsd")
	durable(t, job{as: n.caller, args: n.with("bundle", "create", file, "--demo")}, 2, filepath.Dir(file), n.cache)
	other := places{n.state, n.folder(t, "durable-cache")}
	out := n.folder(t, "durable-out")
	durable(t, job{as: n.caller, isolated: true, args: buildArgs(t, n.caller, other, "durable-out", "--offline", "--bundle", file)}, 100, out, other.cache)
}

// What the watch must tell apart.
func TestFlushWatch(t *testing.T) {
	const open, write, sync = `7 openat(AT_FDCWD</w>, "/w/.a.new", O_RDWR|O_CREAT, 0644) = 3</w/.a.new>`, `7 write(3</w/.a.new>, ""..., 5) = 5`, `7 fsync(3</w/.a.new>) = 0`
	const name, syncName = `7 renameat(4</w>, ".a.new", 4</w>, "a") = 0`, `8 fsync(4</w>) = 0`
	for _, c := range []struct {
		what  string
		lines []string
		want  int
	}{
		{"in order", []string{open, write, sync, name, syncName}, 0},
		{"no write", []string{open, name, syncName}, 0},
		{"not flushed", []string{open, write, name, syncName}, 1},
		{"written again", []string{open, write, sync, write, name, syncName}, 1},
		{"flushed too late", []string{open, write, name, sync, syncName}, 1},
		{"not flushed in time", []string{open, write, `7 fsync(3</w/.a.new> <unfinished ...>`, name, `7 <... fsync resumed>)           = 0`, syncName}, 1},
		{"flushed in two parts", []string{open, write, `7 fsync(3</w/.a.new> <unfinished ...>`, `7 <... fsync resumed>)           = 0`, name, syncName}, 0},
		{"failed", []string{open, write, `7 fsync(3</w/.a.new>) = -1 EIO (Input/output error)`, name, syncName}, 1},
		{"name not flushed", []string{open, write, sync, name}, 1},
		{"everything flushed", []string{open, write, `7 syncfs(5</w>) = 0`, name, syncName}, 0},
		{"without a name", []string{
			`7 openat(4</w>, ".", O_RDWR|O_CLOEXEC|O_TMPFILE, 0644) = 6</w/#12 (deleted)>`, `9 write(11</w/#12 (deleted)>, ""..., 5) = 5`, `7 fsync(6</w/#12 (deleted)>) = 0`,
			`7 linkat(AT_FDCWD</>, "/proc/self/fd/6", 4</w>, ".a.partial", AT_SYMLINK_FOLLOW) = 0`, `7 renameat(4</w>, ".a.partial", 4</w>, "a") = 0`, syncName}, 0},
		{"without a name, not flushed", []string{
			`7 openat(4</w>, ".", O_RDWR|O_CLOEXEC|O_TMPFILE, 0644) = 6</w/#12 (deleted)>`, `9 write(11</w/#12 (deleted)>, ""..., 5) = 5`,
			`7 linkat(AT_FDCWD</>, "/proc/self/fd/6", 4</w>, ".a.partial", AT_SYMLINK_FOLLOW) = 0`, syncName}, 1},
		{"elsewhere", []string{strings.ReplaceAll(open+"\n"+write+"\n"+name, "/w", "/other")}, 0},
	} {
		log := filepath.Join(t.TempDir(), "log")
		if err := os.WriteFile(log, []byte(strings.Join(c.lines, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		w := newFlushWatch("/w")
		w.read(t, log)
		if got := w.end(); len(got) != c.want {
			t.Errorf("%s: %q; want %d", c.what, got, c.want)
		}
	}
}
