package hostinfo

import (
	"io/fs"
	"strings"
)

// Security is what security modules say of this process.
type Security struct {
	AppArmor bool
	Profile  string // AppArmor's: NAME (MODE), or "unconfined", or "" if there is none
	SELinux  string // enforcing, permissive, or "" if it is off
	Context  string // SELinux's
}

// ReadSecurity looks below a host's root folder, see apparmor(7) and selinux(8).
func ReadSecurity(root fs.FS) Security {
	s := Security{AppArmor: text(root, "sys/module/apparmor/parameters/enabled") == "Y"}
	if s.AppArmor {
		if s.Profile = label(root, "proc/self/attr/apparmor/current"); s.Profile == "" {
			s.Profile = label(root, "proc/self/attr/current") // before Linux 5.8
		}
	}
	switch text(root, "sys/fs/selinux/enforce") {
	case "1":
		s.SELinux = "enforcing"
	case "0":
		s.SELinux = "permissive"
	}
	if s.SELinux != "" {
		s.Context = label(root, "proc/self/attr/current")
	}
	return s
}

// label reads what a security module calls this process, which may end in a zero byte.
func label(root fs.FS, name string) string { return strings.TrimRight(text(root, name), "\x00\n") }
