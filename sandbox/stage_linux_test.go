package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"nixsd-native/internal/testenv"
)

// config is a configuration's folder as people have it: files of several owners that
// others may not read, and what does not belong there.
func config(t *testing.T) (dir string, owners Owners) {
	t.Helper()
	dir = publicDir(t)
	for name, owner := range map[string]int{"sd-card.nix": 1234, "keys/root.pub": 0, "keys/mine.pub": 1234} {
		file := filepath.Join(dir, name)
		err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(name), 0o600), os.Chown(file, owner, owner))
		if err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(
		os.WriteFile(filepath.Join(dir, "script"), nil, 0o700), os.Chmod(filepath.Join(dir, "script"), 0o700),
		os.Chown(filepath.Join(dir, "keys"), 1234, 1234), os.Chown(dir, 1234, 1234), os.Chmod(dir, 0o700),
		os.Symlink("keys/mine.pub", filepath.Join(dir, "link")), os.Symlink("/etc/shadow", filepath.Join(dir, "out")),
		unix.Mkfifo(filepath.Join(dir, "fifo"), 0o666), unix.Mknod(filepath.Join(dir, "device"), unix.S_IFCHR|0o666, 1<<8|5),
	)
	if err != nil {
		t.Fatal(err)
	}
	return dir, Owners{UIDs: []int{1234, 0, 1234}, GIDs: []int{1234, 0}}
}

func ownMounts(t *testing.T) {
	t.Helper()
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
}

func failMapped(string, string, Owners, Range, uint64) error { return syscall.EINVAL }

func TestBindReadable(t *testing.T) {
	for _, copied := range []bool{false, true} {
		t.Run(fmt.Sprint("copied ", copied), func(t *testing.T) {
			if in(t, asRoot) {
				testReadable(t, copied)
			}
		})
	}
}

func testReadable(t *testing.T, wantCopied bool) {
	ownMounts(t)
	dir, owners := config(t)
	stage := newStage(t)
	if wantCopied {
		stage.mapped = failMapped
	}
	m, copied, err := stage.BindReadable("config", Mount{Source: dir, Target: "/config", Writable: true, Exec: true}, owners, whole)
	if err != nil {
		t.Fatal(err)
	}
	if copied && !wantCopied {
		testenv.Need(t, "idmapped mounts", errors.New("a copy was made"))
	}
	if copied != wantCopied || m.Target != "/config" || m.Writable || m.Exec {
		t.Errorf("BindReadable = %+v, %v", m, copied)
	}
	s, _ := launch(t, Options{Users: users(), Spec: Spec{Mounts: []Mount{m}}})
	for name, want := range map[string]string{
		"sd-card.nix": "sd-card.nix<nil>", "keys/root.pub": "keys/root.pub<nil>", "link": "keys/mine.pub<nil>",
		"out": "open /config/out: no such file or directory",
	} {
		if got, _ := inside(t, s, "read", "/config/"+name); got != want {
			t.Errorf("inside, %s reads %q; want %q", name, got, want)
		}
	}
	for _, name := range []string{"fifo", "device"} {
		got, _ := inside(t, s, "kind", "/config/"+name)
		if wantCopied && got != "absent" || !wantCopied && name == "device" && got != "device, permission denied" {
			t.Errorf("inside, %s is %s", name, got)
		}
	}
	if got, _ := inside(t, s, "kind", "/config/script"); got != "-rwx------" {
		t.Errorf("inside, script is %s; want -rwx------", got)
	}
	for _, attempt := range []string{"write", "remount"} {
		if got, _ := inside(t, s, "attempt", attempt, "/config"); got != map[string]string{"write": "EROFS", "remount": "EPERM"}[attempt] {
			t.Errorf("inside, %s ends with %q", attempt, got)
		}
	}
	if wantCopied { // nobody else on the host sees the copy
		info, err := os.Stat(filepath.Join(stage.dir, "config"))
		if err != nil || info.Mode().Perm() != 0o700 || info.Sys().(*syscall.Stat_t).Uid != whole.First {
			t.Errorf("the copy's folder is %v of %+v, %v", info.Mode(), info.Sys(), err)
		}
	}
}

// What the sandbox writes into a folder of somebody's is theirs.
func TestBindOwned(t *testing.T) {
	if !in(t, asRoot) {
		return
	}
	ownMounts(t)
	dir := t.TempDir()
	if err := os.Chown(dir, 1234, 4321); err != nil {
		t.Fatal(err)
	}
	stage := newStage(t)
	m, err := stage.BindOwned("push", Mount{Source: dir, Target: "/push"}, Owners{UIDs: []int{1234}, GIDs: []int{4321}}, whole)
	if err != nil {
		testenv.Need(t, "idmapped mounts", err)
	}
	s, _ := launch(t, Options{Users: users(), Spec: Spec{Mounts: []Mount{m}}})
	if got, _ := inside(t, s, "attempt", "write", "/push"); got != "" {
		t.Errorf("inside, writing to the folder ends with %q", got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("the folder holds %v, %v; want one file", entries, err)
	}
	info, err := entries[0].Info()
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 1234 || st.Gid != 4321 {
		t.Errorf("the file is owned by %d:%d; want 1234:4321", st.Uid, st.Gid)
	}
}

func TestCopyBounds(t *testing.T) {
	testenv.NeedRoot(t) // the copy belongs to others
	dir, _ := config(t)
	const entries, size = 10, 37
	for most, fits := range map[bounds]bool{
		{size, entries}: true, {size - 1, entries}: false, {size, entries - 1}: false, {CopyLimit, copyEntryLimit}: true,
	} {
		err := copyTree(dir, t.TempDir(), whole, most)
		e := (*TreeError)(nil)
		if fits && err != nil || !fits && (!errors.As(err, &e) || e.Dir != dir || len(e.Hints()) == 0 || !strings.Contains(e.Error(), dir)) {
			t.Errorf("copyTree of at most %+v = %v; want success %v or a *TreeError", most, err, fits)
		}
	}
	if err := copyTree(filepath.Join(dir, "absent"), t.TempDir(), whole, bounds{1, 1}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("copyTree of nothing = %v", err)
	}
}

// Owners of whom there are several become several ids of the sandbox.
func TestOwnerMap(t *testing.T) {
	got := fmt.Sprint(ownerMap([]int{1000, 0, 1000, 5}, Range{70000, RangeSize}))
	if want := "[{1000 70000 1} {0 70001 1} {5 70002 1}]"; got != want {
		t.Errorf("ownerMap = %s; want %s", got, want)
	}
}

func TestStageBind(t *testing.T) {
	if !in(t, asRoot) {
		return
	}
	ownMounts(t)
	source := publicDir(t)
	if err := os.MkdirAll(filepath.Join(source, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("nixsd-test", filepath.Join(source, "below"), "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(filepath.Join(source, "below"), 0) })
	if err := os.WriteFile(filepath.Join(source, "below", "hidden"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	stage := newStage(t)
	for name, test := range map[string]struct {
		m    Mount
		want int64
	}{
		"r":  {Mount{Source: source}, unix.ST_RDONLY | unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC},
		"w":  {Mount{Source: source, Writable: true}, unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC},
		"wx": {Mount{Source: source, Writable: true, Exec: true}, unix.ST_NOSUID | unix.ST_NODEV},
		"f":  {Mount{Source: program(t), IsFile: true, Exec: true}, unix.ST_RDONLY | unix.ST_NOSUID | unix.ST_NODEV},
	} {
		m, err := stage.Bind(name, test.m)
		if err != nil {
			t.Fatal(err)
		}
		var st unix.Statfs_t
		if err := unix.Statfs(m.Source, &st); err != nil {
			t.Fatal(err)
		}
		const all = unix.ST_RDONLY | unix.ST_NOSUID | unix.ST_NODEV | unix.ST_NOEXEC
		if got := int64(st.Flags) & all; got != test.want {
			t.Errorf("Bind(%+v) has the flags %#x; want %#x", test.m, got, test.want)
		}
		if _, err := os.Stat(filepath.Join(m.Source, "below", "hidden")); err == nil {
			t.Errorf("Bind(%+v) shows what is mounted below", test.m)
		}
	}
	if _, err := stage.Bind("r", Mount{Source: source}); err == nil {
		t.Error("a name was used twice")
	}
	if _, err := stage.Bind("absent", Mount{Source: "/absent"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Bind of nothing = %v", err)
	}
}

// What is mounted after Unshare stays there; what the host mounts comes in.
func TestUnshare(t *testing.T) {
	if !in(t, asRoot) {
		return
	}
	ownMounts(t)
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		t.Fatal(err)
	}
	ours, hosts := publicDir(t), publicDir(t)
	unshared, mounted, done := make(chan error), make(chan bool), make(chan string)
	go func() { // its thread stays tied to it and ends with it
		if err := Unshare(); err != nil {
			unshared <- err
			return
		}
		unshared <- unix.Mount("nixsd-test", ours, "tmpfs", 0, "")
		<-mounted
		info, _ := os.ReadFile("/proc/thread-self/mountinfo")
		done <- string(info)
	}()
	if err := <-unshared; err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("nixsd-test", hosts, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(hosts, 0)
	mounted <- true
	info := <-done
	if !strings.Contains(info, " "+ours+" ") || !strings.Contains(info, " "+hosts+" ") {
		t.Errorf("after Unshare the mounts are\n%s", info)
	}
	if outside, err := os.ReadFile("/proc/thread-self/mountinfo"); err != nil || strings.Contains(string(outside), " "+ours+" ") {
		t.Errorf("the mount shows outside, too (%v)", err)
	}
}
