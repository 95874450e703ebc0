package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"nixsd-native/internal/sshclient"
	"nixsd-native/nix"
)

func TestParseAbout(t *testing.T) {
	for _, c := range []struct {
		out  string
		want aboutMachine
	}{
		{"nix-daemon (Nix) 2.8.0\nx86_64\n2\n", aboutMachine{"2.8.0", "x86_64-linux", 2}},
		{"nix-store (Nix) 2.35.2\naarch64\n80\n", aboutMachine{"2.35.2", "aarch64-linux", 80}},
		{"nix (Nix) 2.30.0pre20250101_abc\nriscv64\n-1\n", aboutMachine{version: "2.30.0pre20250101_abc"}},
		{"", aboutMachine{}}, {"cxid\x00\x00", aboutMachine{}}, {"nix-daemon (Nix) 2.8.0\nx86_64\n", aboutMachine{}},
	} {
		if got := parseAbout(c.out); got != c.want {
			t.Errorf("parseAbout(%q) = %+v; want %+v", c.out, got, c.want)
		}
	}
}

func builderOf(t *testing.T, spec, system string) builder {
	t.Helper()
	all, err := nix.ParseMachines(spec, nil)
	if err != nil {
		t.Fatal(err)
	}
	return builder{Machine: all[0], about: aboutMachine{system: system}}
}

func TestSlots(t *testing.T) {
	all := builders{
		builderOf(t, "ssh-ng://nix@a aarch64-linux - 8", "aarch64-linux"),
		builderOf(t, "ssh-ng://b aarch64-linux,x86_64-linux - 4", ""),
	}
	s := &slotCount{Builders: all.records(), Remote: all.slots(), Local: 2, Here: []string{"x86_64-linux"}}
	const want = "builders: 2 machines, 12 slots for aarch64-linux, 4 slots for x86_64-linux; this machine: 2 slots for x86_64-linux"
	if s.String() != want || all.records()[0].URI != "ssh-ng://a" {
		t.Errorf("%q, %+v; want %q", s, all.records(), want)
	}
	if !all.native(nix.System) || all.native("armv7l-linux") {
		t.Error("two machines, one of which does not tell what it is, are taken for emulators")
	}
	if all = append(all, builderOf(t, "ssh://c", "x86_64-linux")); all.native(nix.System) {
		t.Error("a machine that emulates is taken for a native one")
	}
}

// The error of a run without builders has the code of its first cause.
func TestNoneLeft(t *testing.T) {
	arm, other := builderOf(t, "ssh-ng://a", ""), builderOf(t, "ssh-ng://b x86_64-linux", "")
	asked := []nix.Machine{arm.Machine, other.Machine}
	gone := errors.New("gone")
	for _, c := range []struct {
		left builders
		errs []error
		code int
	}{
		{builders{arm, other}, []error{nil, nil}, exitOK},
		{builders{arm}, []error{nil, gone}, exitOK},
		{builders{other}, []error{gone, nil}, exitNetwork},
		{nil, []error{gone, gone}, exitNetwork},
		{nil, []error{&sshclient.Error{Kind: sshclient.ChangedHost}, gone}, exitVerify},
		{nil, []error{&sshclient.Error{Kind: sshclient.BadKey}, gone}, exitUsage},
	} {
		err := noneLeft(c.left, asked, c.errs)
		if exitCode(err) != c.code || err != nil && !strings.Contains(strings.Join(hints(err), "\n"), "--emulation private") {
			t.Errorf("noneLeft(%d left, %v) = %v, %d; want %d", len(c.left), c.errs, err, exitCode(err), c.code)
		}
	}
}

func TestJoinOptions(t *testing.T) {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	new(optionFlags).register(fs)
	for _, c := range []struct{ args, want string }{
		{"--option timeout 60 x.nix", "--option timeout=60 x.nix"},
		{"--option a=b --option c d", "--option a=b --option c=d"},
		{"--option=a=b -- --option c d", "--option=a=b -- --option c d"},
		{"--option a", "--option a"},
	} {
		if got := joinOptions(fs, strings.Fields(c.args)); !slices.Equal(got, strings.Fields(c.want)) {
			t.Errorf("joinOptions(%q) = %q; want %q", c.args, got, c.want)
		}
	}
}
