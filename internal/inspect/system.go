package inspect

import (
	"path"
	"slices"
	"strings"
)

// readSystem reads the system that an entry starts: NixOS's, which the kernel's command
// line names (init=/nix/store/…-nixos-system-…/init), or else the one in the root folder.
func (d *disk) readSystem(e Entry) {
	r, init := d.report, e.option("init")
	for _, p := range r.Partitions {
		t := d.trees[p.Number]
		if t == nil || t.links == nil {
			continue
		}
		if init != "" && t.has(init) {
			d.readNixOS(t, path.Dir(init))
			return
		}
		if init == "" && (t.has("/sbin/init") || t.has("/init") || t.has("/etc/os-release")) {
			d.readPlain(t)
			return
		}
	}
	if init != "" {
		r.fail("boot entry %q: its init %s is not in the image", e.Label, init)
		return
	}
	r.fail("no file system holds a system to start")
}

// readNixOS reads a system's store path (nixpkgs: nixos/modules/system/activation/top-level.nix).
func (d *disk) readNixOS(t *tree, top string) {
	s := &d.report.System
	s.Name, s.Version = "NixOS", t.text(top+"/nixos-version")
	if kernel, err := t.follow(top + "/kernel"); err == nil {
		s.Kernel = release(path.Base(path.Dir(kernel)))
	}
	if system := t.text(top + "/system"); system != "" && system != "aarch64-linux" {
		d.report.fail("the system is for %s", system)
	}
	if !t.has(top + "/kernel") {
		d.report.warn("the system's kernel is not in the image")
	}
	etc := top + "/etc"
	s.HostName = t.text(etc + "/hostname")
	wants := etc + "/systemd/system/"
	s.SSH = t.has(wants+"multi-user.target.wants/sshd.service") || t.has(wants+"sockets.target.wants/sshd.socket")
	s.WiFi = slices.ContainsFunc(t.list(wants+"multi-user.target.wants"), func(unit string) bool { // one for each interface, or for all
		return strings.HasPrefix(unit, "wpa_supplicant")
	})
	l := newLogins(t)
	l.authorized(etc)
	l.declared(t.text(path.Join(top, "activate")))
	l.automatic(etc)
	d.addLogins(l)
}

// release is the kernel's version in the name of its store path, HASH-linux-6.12.47.
func release(storeName string) string {
	_, version, _ := strings.Cut(storeName, "-linux-")
	return version
}

// readPlain reads a system that lies in the root folder, such as the demo's.
func (d *disk) readPlain(t *tree) {
	s := &d.report.System
	info := environment(t.text("/etc/os-release"))
	s.Name, s.Version = info["NAME"], info["VERSION"]
	if s.Name == "" {
		s.Name = "Linux"
	}
	if all := t.list("/lib/modules"); len(all) > 0 {
		s.Kernel = all[len(all)-1]
	}
	s.HostName = t.text("/etc/hostname")
	s.SSH = t.has("/etc/ssh/sshd_config")
	l := newLogins(t)
	l.authorized("/etc")
	l.accounts()
	d.addLogins(l)
}

// environment reads lines NAME=VALUE, whose values may be in quotes (os-release(5)).
func environment(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok {
			all[name] = strings.Trim(value, `"'`)
		}
	}
	return all
}
