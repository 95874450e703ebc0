package main

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"

	"nixsd-native/internal/hostinfo"
	"nixsd-native/sandbox"
)

// inSandbox starts a sandbox, does something in it if do is not nil, and ends it.
func (d *doctor) inSandbox(ctx context.Context, r sandboxRequest, emulator *os.File, do func() error) error {
	session, info, err := d.privileges.Sandbox(ctx, r, emulator)
	if err != nil {
		return err
	}
	defer session.Close()
	d.session, d.info = session, info
	defer func() { d.session = nil }()
	if do == nil {
		return nil
	}
	return do()
}

// namespaces starts a sandbox that has nothing of the host's.
func (d *doctor) namespaces(ctx context.Context) []finding {
	err := d.inSandbox(ctx, sandboxRequest{Bare: true}, nil, func() (err error) {
		d.trial, err = d.tryIn(ctx, "")
		return err
	})
	if err != nil {
		d.lacksNamespaces = err
		return problem(err)
	}
	ids := map[bool]string{true: "65536 ids", false: "one id"}[d.info.ManyUsers]
	return ok("made: user, mount, process, ipc and host name, with %s, a root of their own and all restrictions", ids)
}

// buildersNamespaces tells what namespaces found out inside.
func (d *doctor) buildersNamespaces(context.Context) []finding {
	switch f := d.trial.Builder; {
	case d.lacksNamespaces != nil:
		return skipped("not tried, as there are no namespaces to try it in")
	case f != nil && isDynamic("/proc/self/exe"): // an empty root has no loader
		return warning(errors.New("not tried, as this program is linked dynamically"), "build it with CGO_ENABLED=0: CGO_ENABLED=0 go build -trimpath -o nixsd-native ./cmd/nixsd-native")
	case f != nil:
		return problem(sandbox.Diagnose(f.Op, syscall.Errno(f.Errno), f.Message, d.facts()))
	}
	return ok("made inside: another process tree, network and root, as Nix makes for each build")
}

// isDynamic reports whether a program needs a loader.
func isDynamic(program string) bool {
	f, err := elf.Open(program)
	if err != nil {
		return false
	}
	defer f.Close()
	return slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}

// sysctls tells the settings that are about namespaces; whether they are in the way is
// tried by namespaces.
func (d *doctor) sysctls(context.Context) []finding { return judgeSysctls(d.facts()) }

func judgeSysctls(f sandbox.Facts) []finding {
	text := fmt.Sprintf("user.max_user_namespaces = %d", f.MaxUserNamespaces)
	if f.UnprivilegedClone >= 0 {
		text += fmt.Sprintf(", kernel.unprivileged_userns_clone = %d", f.UnprivilegedClone)
	}
	if f.AppArmorRestricts >= 0 {
		text += fmt.Sprintf(", kernel.apparmor_restrict_unprivileged_userns = %d", f.AppArmorRestricts)
	}
	if f.MaxUserNamespaces < 0 {
		text = "none about namespaces"
	}
	var fix []string
	for _, s := range []struct {
		bad     bool
		setting string
	}{
		{f.MaxUserNamespaces == 0, "user.max_user_namespaces=15000"},
		{!f.Root && f.UnprivilegedClone == 0, "kernel.unprivileged_userns_clone=1"},
	} {
		if s.bad {
			fix = append(fix, fmt.Sprintf("echo %s | sudo tee /etc/sysctl.d/90-nixsd.conf && sudo sysctl -w %s", s.setting, s.setting))
		}
	}
	if fix == nil {
		return ok("%s", text)
	}
	return warning(fmt.Errorf("%s: see below", text), fix...)
}

// liesOn tells what a path lies on.
func (d *doctor) liesOn(path string) hostinfo.Mount { return hostinfo.MountOf(d.root, existing(path)) }
