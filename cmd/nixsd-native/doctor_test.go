package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nixsd-native/internal/fetch"
	"nixsd-native/internal/hostinfo"
	"nixsd-native/sandbox"
)

// mustFind checks that one finding has a status, and that its detail and its fix have words.
func mustFind(t *testing.T, what string, all []finding, status, detail, fix string) {
	t.Helper()
	if !slices.ContainsFunc(all, func(f finding) bool {
		return f.Status == status && strings.Contains(f.Detail, detail) && strings.Contains(strings.Join(f.Fix, "\n"), fix)
	}) {
		t.Errorf("%s: found %+v; want %s, %q and %q", what, all, status, detail, fix)
	}
	for _, f := range all {
		if (f.Status == statusWarning || f.Status == statusProblem) != (len(f.Fix) > 0) {
			t.Errorf("%s: %+v has as many fixes as it should not", what, f)
		}
	}
}

func TestJudgeHost(t *testing.T) {
	plenty := hostinfo.Limits{"Max open files": 1 << 20, "Max processes": hostinfo.Unlimited, "Max file size": hostinfo.Unlimited, "Max address space": hostinfo.Unlimited}
	with := func(name string, n int64) hostinfo.Limits {
		all := hostinfo.Limits{}
		for k, v := range plenty {
			all[k] = v
		}
		all[name] = n
		return all
	}
	for what, c := range map[string]struct {
		got                 []finding
		status, detail, fix string
	}{
		"new kernel":        {judgeKernel("6.12.48+deb13-amd64", "amd64", false, true), statusOK, "without root", ""},
		"6.7":               {judgeKernel("6.7.0", "amd64", false, true), statusOK, "new enough", ""},
		"old kernel":        {judgeKernel("6.1.0-39-amd64", "amd64", false, true), statusWarning, "only root", "sudo nixsd-native build"},
		"old kernel, root":  {judgeKernel("5.15.0-microsoft", "amd64", true, true), statusOK, "as here", ""},
		"aarch64":           {judgeKernel("5.10.0", "arm64", false, false), statusOK, "no emulation", ""},
		"no WSL":            {judgeWSL(0, true), statusOK, "none", ""},
		"WSL 1":             {judgeWSL(1, false), statusProblem, "WSL 1", "--set-version"},
		"WSL 2":             {judgeWSL(2, false), statusOK, "without systemd", ""},
		"WSL 2, systemd":    {judgeWSL(2, true), statusOK, "with systemd", ""},
		"no AppArmor":       {judgeAppArmor(hostinfo.Security{}, false, false), statusOK, "off", ""},
		"AppArmor":          {judgeAppArmor(hostinfo.Security{AppArmor: true, Profile: "x (enforce)"}, false, false), statusOK, "x (enforce)", ""},
		"Ubuntu":            {judgeAppArmor(hostinfo.Security{AppArmor: true}, true, false), statusOK, "no profile for this program", ""},
		"Ubuntu, profile":   {judgeAppArmor(hostinfo.Security{AppArmor: true, Profile: "nixsd-native (unconfined)"}, true, false), statusOK, "need one that allows namespaces", ""},
		"Ubuntu, root":      {judgeAppArmor(hostinfo.Security{AppArmor: true}, true, true), statusOK, "profile unconfined", ""},
		"no SELinux":        {judgeSELinux(hostinfo.Security{}), statusOK, "off", ""},
		"SELinux":           {judgeSELinux(hostinfo.Security{SELinux: "enforcing", Context: "unconfined_u:x"}), statusOK, "enforcing", ""},
		"SELinux, confined": {judgeSELinux(hostinfo.Security{SELinux: "enforcing", Context: "user_u:user_r:user_t:s0"}), statusWarning, "user_t", "ausearch"},
		"permissive":        {judgeSELinux(hostinfo.Security{SELinux: "permissive", Context: "user_t"}), statusOK, "permissive", ""},

		"limits":        {judgeLimits(plenty), statusOK, "1048576 open files, any number of processes, files of any size, any amount of address space", ""},
		"few files":     {judgeLimits(with("Max open files", 64)), statusProblem, "at most 64 open files, and a build needs 128", "--nofile=4096"},
		"some files":    {judgeLimits(with("Max open files", 1024)), statusWarning, "1024 open files", "--nofile=4096"},
		"few processes": {judgeLimits(with("Max processes", 20)), statusProblem, "20 processes", "--nproc="},
		"small files":   {judgeLimits(with("Max file size", 100<<20)), statusProblem, "at most 100.0 MiB of a file", "--fsize="},
		"little space":  {judgeLimits(with("Max address space", 2<<30)), statusWarning, "2.0 GiB of address space", "--as="},

		"no cgroup":      {judgeCgroup(hostinfo.Cgroup{Memory: hostinfo.Unlimited, Pids: hostinfo.Unlimited}), statusOK, "none", ""},
		"free cgroup":    {judgeCgroup(hostinfo.Cgroup{Version: 2, Path: "/", Memory: hostinfo.Unlimited, Pids: hostinfo.Unlimited}), statusOK, "nothing that matters", ""},
		"little memory":  {judgeCgroup(hostinfo.Cgroup{Version: 2, Path: "/a", Memory: 16 << 20, Pids: hostinfo.Unlimited}), statusProblem, "16.0 MiB", "MemoryMax"},
		"some memory":    {judgeCgroup(hostinfo.Cgroup{Version: 1, Path: "/a", Memory: 512 << 20, Pids: hostinfo.Unlimited}), statusWarning, "512.0 MiB", "MemoryMax"},
		"few tasks":      {judgeCgroup(hostinfo.Cgroup{Version: 2, Path: "/a", Memory: hostinfo.Unlimited, Pids: 100, PidsUsed: 95}), statusProblem, "100 processes, 95", "TasksMax"},
		"some tasks":     {judgeCgroup(hostinfo.Cgroup{Version: 2, Path: "/a", Memory: hostinfo.Unlimited, Pids: 200}), statusWarning, "200 processes", "TasksMax"},
		"memory":         {judgeMemory(8<<30, 4<<30, 0), statusOK, "4.0 GiB of 8.0 GiB", ""},
		"memory is full": {judgeMemory(1<<30, 300<<20, 100<<20), statusWarning, "may be killed", "swapon"},
		"with swap":      {judgeMemory(1<<30, 300<<20, 2<<30), statusOK, "2.0 GiB of swap", ""},

		"sysctls":            {judgeSysctls(sandbox.Facts{MaxUserNamespaces: 100, UnprivilegedClone: -1, AppArmorRestricts: -1}), statusOK, "user.max_user_namespaces = 100", ""},
		"no namespaces":      {judgeSysctls(sandbox.Facts{UnprivilegedClone: -1, AppArmorRestricts: 1}), statusWarning, "restrict_unprivileged_userns = 1", "sudo sysctl -w user.max_user_namespaces=15000"},
		"root's namespaces":  {judgeSysctls(sandbox.Facts{MaxUserNamespaces: 9}), statusWarning, "userns_clone = 0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"},
		"root may have them": {judgeSysctls(sandbox.Facts{MaxUserNamespaces: 9, Root: true}), statusOK, "userns_clone = 0", ""},
	} {
		mustFind(t, what, c.got, c.status, c.detail, c.fix)
	}
}

func TestKernelVersion(t *testing.T) {
	for release, want := range map[string][2]int{
		"6.12.48+deb13-amd64": {6, 12}, "5.15.153.1-microsoft-standard-WSL2": {5, 15}, "6.18-rc1": {6, 18}, "7.0": {7, 0}, "x": {}, "": {}, "6": {6, 0},
	} {
		if got := kernelVersion(release); got != want {
			t.Errorf("kernelVersion(%q) = %v; want %v", release, got, want)
		}
	}
}

func TestJudgeFolders(t *testing.T) {
	full := hostinfo.Disk{Size: 100 << 30, Free: 50 << 30, AllInodes: 1e7, Inodes: 1e6}
	least, good := hostinfo.Disk{Free: 1 << 30, Inodes: 4000}, hostinfo.Disk{Free: 12 << 30, Inodes: 300_000}
	disk := func(free, all, inodes int64) hostinfo.Disk {
		return hostinfo.Disk{Size: 100 << 30, Free: free, AllInodes: all, Inodes: inodes}
	}
	for what, c := range map[string]struct {
		has                 hostinfo.Disk
		reserve             string
		status, detail, fix string
	}{
		"room":             {full, "", statusOK, "50.0 GiB free, 1000000 inodes", ""},
		"btrfs":            {disk(50<<30, 0, 0), "", statusOK, "/d: 50.0 GiB free", ""},
		"little":           {disk(5<<30, 1e6, 1e6), "", statusWarning, "12.0 GiB", "df -h"},
		"too little":       {disk(500<<20, 1e6, 1e6), "", statusProblem, "1.0 GiB are needed", "--state-dir"},
		"few inodes":       {disk(50<<30, 1e6, 9000), "", statusWarning, "300000 inodes", "df -i"},
		"too few inodes":   {disk(50<<30, 1e6, 100), "", statusProblem, "100 inodes, and 4000", "df -i"},
		"almost full disk": {full, "1 B free", statusProblem, "1 B free", "clean"},
	} {
		mustFind(t, what, judgeDisk("/d", c.has, least, good, c.reserve, roomFix("/d", "nixsd-native clean --store", "--state-dir DIR")), c.status, c.detail, c.fix)
	}
	for _, c := range []struct {
		m    hostinfo.Mount
		want string
	}{
		{hostinfo.Mount{Type: "ext4", Target: "/m", Options: []string{"ro"}}, "sudo mount -o remount,rw /m"},
		{hostinfo.Mount{Type: "ext4", Target: "/m", Options: []string{"noexec"}}, "sudo mount -o remount,exec /m"},
		{hostinfo.Mount{Type: "9p", Target: "/mnt/c"}, "ext4, btrfs or xfs: --state-dir DIR"},
		{hostinfo.Mount{Type: "nfs4", Target: "/m", Options: []string{"noexec"}}, "ext4, btrfs or xfs: --state-dir DIR"},
	} {
		if got := mountFix(c.m, "/m/x", "--state-dir DIR"); !strings.HasSuffix(got[0], c.want) {
			t.Errorf("mountFix(%+v) = %q; want %q first", c.m, got, c.want)
		}
	}
}

// What helps is about the file system only if that is to blame.
func TestFolderFix(t *testing.T) {
	denied := &fs.PathError{Op: "open", Path: "/m/x", Err: syscall.EACCES}
	ext4, fat := hostinfo.Mount{Type: "ext4", Target: "/m"}, hostinfo.Mount{Type: "vfat", Target: "/m"}
	const other, own = "name a folder on a disk of Linux's own", "name another folder, with room and that you may write to: --state-dir DIR"
	for what, c := range map[string]struct {
		m    hostinfo.Mount
		err  error
		want []string // beginnings
	}{
		"denied":         {ext4, denied, []string{"name a folder that you may write to: --state-dir DIR"}},
		"denied, state":  {ext4, folderError("state", "/m/x", denied), []string{own}},
		"denied, on FAT": {fat, denied, []string{other, "name a folder that you may write to"}},
		"state on FAT":   {fat, folderError("state", "/m/x", denied), []string{other, own}},
		"odd":            {ext4, errors.New("odd"), []string{other}},
	} {
		got := folderFix(c.m, "/m/x", "--state-dir DIR", c.err)
		if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
			t.Errorf("%s: folderFix = %q; want %q", what, got, c.want)
		}
	}
}

// Servers are asked also if there is no cache to download to.
func TestAsksWithoutCache(t *testing.T) {
	d := &doctor{build: newBuild(&buildJob{}, &app{env: environment{}, errs: io.Discard})}
	if s := d.skipNetwork(); s != nil || d.client == nil || d.client.Offline {
		t.Errorf("without a cache: %+v, %+v", s, d.client)
	}
	d.sources.offline = true
	mustFind(t, "offline", d.skipNetwork(), statusSkipped, "--offline", "")
}

func TestJudgeNetwork(t *testing.T) {
	yes, no := resolution{took: 3 * time.Millisecond}, resolution{err: errors.New("no such host")}
	ask := func(needed bool, errs ...error) (all []askedSource) {
		for _, err := range errs {
			all = append(all, askedSource{source: source{purpose: "Nix", url: "https://u:p@h.example/x/nix.tar.xz", needed: needed, fix: "name a mirror"}, err: err})
		}
		return all
	}
	now := time.Date(2026, time.November, 25, 3, 0, 0, 0, time.UTC)
	old := now.Add(-1000 * time.Hour)
	refused := errors.New("connection refused")
	for what, c := range map[string]struct {
		got                 []finding
		status, detail, fix string
	}{
		"names":              {judgeNames([]string{"a"}, []resolution{yes}, true), statusOK, "a (3 ms)", ""},
		"no names":           {judgeNames([]string{"a", "b"}, []resolution{no, no}, true), statusProblem, "a, b (no such host)", "resolv.conf"},
		"some names":         {judgeNames([]string{"a", "b"}, []resolution{no, yes}, true), statusWarning, "not resolved: a", "getent hosts a"},
		"no names needed":    {judgeNames([]string{"a"}, []resolution{no}, false), statusWarning, "a", "getent"},
		"none asked":         {judgeSources(nil), statusOK, "none is needed", ""},
		"answers":            {judgeSources(ask(true, nil)), statusOK, "h.example (nix.tar.xz) answers", ""},
		"refused":            {judgeSources(ask(true, refused, refused)), statusProblem, "h.example (nix.tar.xz): connection refused", "name a mirror"},
		"another answers":    {judgeSources(ask(true, refused, nil)), statusWarning, "refused", "name a mirror"},
		"not needed":         {judgeSources(ask(false, refused)), statusWarning, "refused", "name a mirror"},
		"portal":             {judgeSources(ask(true, &otherError{[]byte("<!DOCTYPE html><HTML>log in")})), statusProblem, "login page", "curl -sSIL"},
		"other":              {judgeSources(ask(true, &otherError{[]byte("no tarball")})), statusProblem, `begins with "no tarball"`, "curl"},
		"clock":              {judgeClock(now, now, now.Add(time.Second), old, false), statusOK, "2026-11-25 03:00:00 UTC, as servers say", ""},
		"nobody asked":       {judgeClock(now, time.Time{}, time.Time{}, old, false), statusOK, "no server", ""},
		"clock behind":       {judgeClock(now.Add(time.Hour), now, now.Add(24*time.Hour), old, false), statusWarning, "off by 24h0m0s", "sudo date -u -s '2026-11-26 04:00:00'"},
		"clock ahead":        {judgeClock(now, now, now.Add(-time.Hour), old, false), statusWarning, "off by -1h0m0s", "timedatectl"},
		"before the program": {judgeClock(now, time.Time{}, time.Time{}, now.Add(time.Hour), false), statusWarning, "before this program", "timedatectl"},
		"no certificate":     {judgeClock(now, now, now, old, true), statusProblem, "not valid", "timedatectl"},
	} {
		mustFind(t, what, c.got, c.status, c.detail, c.fix)
	}
	two := ask(true, refused, refused)
	two[0].purpose, two[0].needed = "emulator", false
	if got := judgeSources(two); len(got) != 1 || got[0].Name != "Nix" {
		t.Errorf("a dead server is told of as %+v", got)
	}
	mustFind(t, "a dead server", judgeSources(two), statusProblem, "refused; likewise for emulator", "name a mirror")
	for _, f := range judgeSources(ask(true, &otherError{})) {
		if strings.Contains(f.Detail+strings.Join(f.Fix, ""), "u:p") {
			t.Errorf("%+v shows a login", f)
		}
	}
	if err := begins(tarballs...)([]byte{0x1f, 0x8b, 8}); err != nil {
		t.Errorf("gzip is no tarball: %v", err)
	}
	if got := (source{fix: "x"}).fixes(fetch.ErrTooLarge); !slices.Equal(got, []string{"x"}) {
		t.Errorf("fixes = %q", got)
	}
}

// The screen's and JSON's forms are a contract.
func TestExamination(t *testing.T) {
	all := slices.Concat(
		named("kernel", ok("Linux")), named("state folder", problem(errors.New("no\nroom"), "df -h /x", "--state-dir DIR")), named("names", skipped("offline")))
	e := examination{Checks: all}
	if e.CanBuild, e.ExitStatus = verdict(all); e.CanBuild || e.ExitStatus != exitHost {
		t.Errorf("verdict = %v, %d", e.CanBuild, e.ExitStatus)
	}
	if works, status := verdict(all[:1]); !works || status != exitOK {
		t.Errorf("verdict of what is ok = %v, %d", works, status)
	}
	var plain, colored, asJSON, quiet bytes.Buffer
	if err := errors.Join(e.print(&plain, false, false), e.print(&colored, false, true), e.print(&asJSON, true, true), e.withoutFine().print(&quiet, false, false)); err != nil {
		t.Fatal(err)
	}
	const want = `ok       kernel        Linux
problem  state folder  no; room
         df -h /x
         --state-dir DIR
skipped  names         offline
`
	if plain.String() != want {
		t.Errorf("it prints\n%s\nwant\n%s", plain.String(), want)
	}
	const worse = `problem  state folder  no; room
         df -h /x
         --state-dir DIR
`
	if quiet.String() != worse {
		t.Errorf("with -q it prints\n%s\nwant\n%s", quiet.String(), worse)
	}
	if got := colored.String(); !strings.Contains(got, "\x1b[1;31mproblem\x1b[0m  state") || !strings.Contains(got, "\x1b[32mok     \x1b[0m") {
		t.Errorf("with colours it prints %q", got)
	}
	var members map[string]json.RawMessage
	var checks []map[string]any
	if err := errors.Join(json.Unmarshal(asJSON.Bytes(), &members), json.Unmarshal(members["checks"], &checks)); err != nil {
		t.Fatal(err)
	}
	if string(members["can_build"]) != "false" || string(members["exit_status"]) != "3" || len(members) != 3 || len(checks) != 3 {
		t.Errorf("JSON is %s", asJSON.Bytes())
	}
	for _, c := range checks {
		fix, isList := c["fix"].([]any)
		if len(c) != 5 || c["group"] == nil || c["name"] == "" || c["detail"] == "" || !isList || (c["status"] == statusProblem) != (len(fix) > 0) {
			t.Errorf("a check is %v", c)
		}
	}
}
