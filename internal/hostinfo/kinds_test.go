package hostinfo

import (
	"maps"
	"slices"
	"testing"
	"testing/fstest"
)

// files makes a host's root folder.
func files(all map[string]string) fstest.MapFS {
	root := fstest.MapFS{}
	for name, content := range all {
		root[name] = &fstest.MapFile{Data: []byte(content)}
	}
	return root
}

func TestContainer(t *testing.T) {
	for _, c := range []struct {
		root map[string]string
		want string
	}{
		{nil, ""},
		{map[string]string{".dockerenv": ""}, "docker"},
		{map[string]string{"run/.containerenv": "engine=\"podman-5\""}, "podman"},
		{map[string]string{"run/systemd/container": "systemd-nspawn\n"}, "systemd-nspawn"},
		{map[string]string{"run/systemd/container": "bad kind\x1b"}, "unnamed"},
		{map[string]string{"run/systemd/container": "wsl"}, ""},
		{map[string]string{"proc/1/environ": "PATH=/bin\x00container=lxc\x00TERM=linux\x00"}, "lxc"},
		{map[string]string{"proc/1/environ": "PATH=/bin\x00", "proc/1/cgroup": "0::/init.scope\n"}, ""},
		{map[string]string{"proc/1/cgroup": "12:pids:/kubepods/burstable/pod1/abc\n"}, "kubernetes"},
		{map[string]string{"proc/1/cgroup": "1:name=systemd:/docker/0123\n"}, "docker"},
	} {
		if got := Container(files(c.root)); got != c.want {
			t.Errorf("Container(%q) = %q; want %q", c.root, got, c.want)
		}
	}
}

func TestWSL(t *testing.T) {
	for release, want := range map[string]int{
		"5.15.153.1-microsoft-standard-WSL2": 2, "6.6.87.2-microsoft-standard-WSL2+": 2, "6.1.21-microsoft-own": 2,
		"4.4.0-19041-Microsoft": 1, "6.12.48+deb13-amd64": 0, "": 0,
	} {
		if got := WSL(release); got != want {
			t.Errorf("WSL(%q) = %d; want %d", release, got, want)
		}
	}
}

func TestReadSecurity(t *testing.T) {
	for _, c := range []struct {
		root map[string]string
		want Security
	}{
		{nil, Security{}},
		{map[string]string{"sys/module/apparmor/parameters/enabled": "Y\n", "proc/self/attr/apparmor/current": "unconfined\n"}, Security{AppArmor: true, Profile: "unconfined"}},
		{map[string]string{"sys/module/apparmor/parameters/enabled": "Y\n", "proc/self/attr/current": "docker-default (enforce)\n"}, Security{AppArmor: true, Profile: "docker-default (enforce)"}},
		{map[string]string{"sys/module/apparmor/parameters/enabled": "N\n", "proc/self/attr/current": "x"}, Security{}},
		{map[string]string{"sys/fs/selinux/enforce": "1", "proc/self/attr/current": "unconfined_u:unconfined_r:unconfined_t:s0\x00"},
			Security{SELinux: "enforcing", Context: "unconfined_u:unconfined_r:unconfined_t:s0"}},
		{map[string]string{"sys/fs/selinux/enforce": "0", "proc/self/attr/current": "u:r:t:s0"}, Security{SELinux: "permissive", Context: "u:r:t:s0"}},
	} {
		if got := ReadSecurity(files(c.root)); got != c.want {
			t.Errorf("ReadSecurity(%q) = %+v; want %+v", c.root, got, c.want)
		}
	}
}

func TestReadLimits(t *testing.T) {
	got, err := ReadLimits(files(map[string]string{"proc/self/limits": `Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max open files            64                   128                  files
Max nice priority         0                    5
Max processes             unlimited            60                   processes
`}))
	want := Limits{"Max cpu time": Unlimited, "Max open files": 128, "Max nice priority": 5, "Max processes": 60}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("ReadLimits = %v, %v; want %v", got, err, want)
	}
	if _, err := ReadLimits(files(nil)); err == nil {
		t.Error("ReadLimits without a file succeeded")
	}
}

func TestReadCgroup(t *testing.T) {
	const v2 = "sys/fs/cgroup/"
	for name, c := range map[string]struct {
		root map[string]string
		want Cgroup
	}{
		"none": {nil, Cgroup{Memory: Unlimited, Pids: Unlimited}},
		"version 2, own and above": {map[string]string{
			"proc/self/cgroup": "0::/user.slice/user-1000.slice/session.scope\n", v2 + "cgroup.controllers": "memory pids",
			v2 + "user.slice/user-1000.slice/session.scope/memory.max": "max\n",
			v2 + "user.slice/user-1000.slice/memory.max":               "268435456\n",
			v2 + "user.slice/memory.max":                               "1073741824\n",
			v2 + "user.slice/user-1000.slice/pids.max":                 "100\n", v2 + "user.slice/user-1000.slice/pids.current": "90\n",
			v2 + "user.slice/pids.max": "50\n", v2 + "user.slice/pids.current": "5\n",
		}, Cgroup{2, "/user.slice/user-1000.slice/session.scope", 256 << 20, 100, 90}},
		"version 2, container": {map[string]string{
			"proc/self/cgroup": "0::/\n", v2 + "cgroup.controllers": "memory", v2 + "memory.max": "134217728\n",
		}, Cgroup{2, "/", 128 << 20, Unlimited, 0}},
		"version 1": {map[string]string{
			"proc/self/cgroup": "8:pids:/p\n4:memory:/m/n\n1:name=systemd:/\n0::/\n",
			"sys/fs/cgroup/memory/m/n/memory.limit_in_bytes":   "67108864\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":       "9223372036854771712\n",
			"sys/fs/cgroup/pids/p/pids.max":                    "60\n",
			"sys/fs/cgroup/pids/p/pids.current":                "1\n",
			"sys/fs/cgroup/unified/cgroup.controllers":         "",
			"sys/fs/cgroup/memory/m/memory.limit_in_bytes":     "garbage",
			"sys/fs/cgroup/memory/other/memory.limit_in_bytes": "1",
		}, Cgroup{1, "/m/n", 64 << 20, 60, 1}},
	} {
		if got := ReadCgroup(files(c.root)); got != c.want {
			t.Errorf("%s: ReadCgroup = %+v; want %+v", name, got, c.want)
		}
	}
}

func TestMountOf(t *testing.T) {
	root := files(map[string]string{"proc/self/mountinfo": `22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 22 0:30 / /mnt/a\040card rw,noexec - vfat /dev/sdb1 rw,fmask=0022
41 22 0:31 / /mnt/c rw - 9p drvfs rw,dirsync
42 41 0:32 / /mnt/c ro,nosuid shared:7 master:2 - tmpfs none rw,size=1m
43 22 broken
`})
	for path, want := range map[string]string{
		"/home/me": "ext4 /", "/mnt/a card/x": "vfat /mnt/a card", "/mnt/c": "tmpfs /mnt/c", "/mnt/cd": "ext4 /", "/": "ext4 /",
	} {
		if m := MountOf(root, path); m.Type+" "+m.Target != want {
			t.Errorf("MountOf(%q) = %+v; want %s", path, m, want)
		}
	}
	if m := MountOf(root, "/mnt/c/x"); !m.Has("ro") || m.Has("noexec") || !MountOf(root, "/mnt/a card").Has("noexec") {
		t.Errorf("MountOf's options are %q", m.Options)
	}
	if m := MountOf(files(nil), "/"); m.Type != "" {
		t.Errorf("MountOf without a table = %+v", m)
	}
}

func TestFreeSwap(t *testing.T) {
	for text, want := range map[string]int64{"MemTotal: 5 kB\nSwapFree:  2 kB\n": 2048, "SwapFree: x kB\n": 0, "": 0, "SwapFree: -1 kB": 0} {
		if got := FreeSwap(files(map[string]string{"proc/meminfo": text})); got != want {
			t.Errorf("FreeSwap(%q) = %d; want %d", text, got, want)
		}
	}
}

func TestBounding(t *testing.T) {
	if bits, ok := Bounding(files(map[string]string{"proc/1/status": "Name:\tinit\nCapBnd:\t00000000a80425fb\n"})); !ok || bits != 0xa80425fb {
		t.Errorf("Bounding = %#x, %v", bits, ok)
	}
	if _, ok := Bounding(files(nil)); ok {
		t.Error("Bounding without a file is known")
	}
}

func TestLostToSudo(t *testing.T) {
	status := func(name, parent string) string { return "Name:\t" + name + "\nPPid:\t" + parent + "\n" }
	root := files(map[string]string{
		"proc/30/status": status("nixsd-native", "20"), "proc/20/status": status("sudo", "10"), "proc/10/status": status("sudo", "1"),
		"proc/20/environ": "HOME=/root\x00https_proxy=http://p:1\x00no_proxy=\x00",
		"proc/5/status":   status("bash", "5"), // its own parent: no end
	})
	if got := LostToSudo(root, 30, []string{"http_proxy", "https_proxy", "no_proxy"}); !slices.Equal(got, []string{"https_proxy"}) {
		t.Errorf("LostToSudo = %q", got)
	}
	for _, pid := range []int{5, 6} {
		if got := LostToSudo(root, pid, []string{"https_proxy"}); got != nil {
			t.Errorf("LostToSudo(%d) = %q; want none", pid, got)
		}
	}
}
