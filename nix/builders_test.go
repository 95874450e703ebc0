package nix

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// hostKeyField is base 64 of "ssh-ed25519 AAAA".
const hostKeyField = "c3NoLWVkMjU1MTkgQUFBQQ=="

func noFile(string) (string, error) { return "", errors.New("no such file") }

func TestParseMachines(t *testing.T) {
	arm := []string{System}
	for _, c := range []struct {
		spec string
		want []Machine
	}{
		{"", nil},
		{" ; # nobody\n", nil},
		{"ssh-ng://b aarch64-linux", []Machine{{Scheme: "ssh-ng", Host: "b", Systems: arm}}},
		{"ssh://b", []Machine{{Scheme: "ssh", Host: "b", Systems: arm}}},
		{"ssh-ng://nix@[::1]:2222?remote-program=nix-daemon&compress=true aarch64-linux,armv7l-linux /k 8 2.5 kvm,big-parallel benchmark " + hostKeyField,
			[]Machine{{"ssh-ng", "nix", "::1", 2222, "remote-program=nix-daemon&compress=true", []string{System, "armv7l-linux"}, "/k", 8, "2.5",
				[]string{"kvm", "big-parallel"}, []string{"benchmark"}, hostKeyField}}},
		{"ssh-ng://a - - 3 ; ssh://u@b:22/ - # the last\n\tssh-ng://c", []Machine{
			{Scheme: "ssh-ng", Host: "a", Systems: arm, Jobs: 3}, {Scheme: "ssh", User: "u", Host: "b", Port: 22, Systems: arm}, {Scheme: "ssh-ng", Host: "c", Systems: arm}}},
	} {
		got, err := ParseMachines(c.spec, noFile)
		if err != nil || !reflect.DeepEqual(normal(got), normal(c.want)) {
			t.Errorf("ParseMachines(%q) = %+v, %v; want %+v", c.spec, got, err, c.want)
		}
	}
}

// normal makes lists without anything in them alike.
func normal(all []Machine) []Machine {
	for i := range all {
		for _, l := range []*[]string{&all[i].Systems, &all[i].Features, &all[i].Mandatory} {
			*l = append([]string{}, *l...)
		}
	}
	return all
}

func TestParseMachinesRefuses(t *testing.T) {
	for _, c := range []struct{ spec, says string }{
		{"b aarch64-linux", "only ssh-ng://HOST"}, {"http://b", "only ssh-ng://HOST"}, {"-", "only ssh-ng://HOST"},
		{"ssh-ng://", "host's name is empty"}, {"ssh-ng://-b", "no name of a host"}, {"ssh-ng://b:x", "no port"}, {"ssh-ng://localhost", "127.0.0.1"},
		{"ssh-ng://u:p@b", "no name of a user"}, {"ssh-ng://b - \x00", "no path of a key"}, {"ssh-ng://b/../c", "no name of a host"},
		{"ssh-ng://b aarch64", "no system"}, {"ssh-ng://b - - 0", "no number of builds"}, {"ssh-ng://b - - many", "no number of builds"},
		{"ssh-ng://b - - - fast", "no speed"}, {"ssh-ng://b - - - - a$b", "no feature"}, {"ssh-ng://b - - - - - - !", "not in base 64"},
		{"ssh-ng://b - - - - - - - -", "at most 8"}, {"ssh-ng://b?ssh-key=/k", "a field of its own"}, {"ssh-ng://b?a=%zz", "no list of settings"},
		{"ssh-ng://b?a=\"x\"", "no list of settings"}, {"@none", "no such file"}, {strings.Repeat("ssh://b;", 101), "more than 100"},
	} {
		if got, err := ParseMachines(c.spec, noFile); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("ParseMachines(%q) = %+v, %v; want an error with %q", c.spec, got, err, c.says)
		}
	}
}

func TestMachineFiles(t *testing.T) {
	files := map[string]string{"/m": "# ours\nssh-ng://a\nssh-ng://b\n", "/n": "@/m"}
	read := func(name string) (string, error) { return files[name], nil }
	all, err := ParseMachines("@ /m ; ssh-ng://c", read)
	if err != nil || len(all) != 3 || all[1].Host != "b" {
		t.Errorf("ParseMachines = %+v, %v", all, err)
	}
	if _, err := ParseMachines("@/n", read); err == nil || !strings.Contains(err.Error(), "another file") {
		t.Errorf("a file that refers to a file: %v", err)
	}
	if got := MachineFiles("ssh-ng://a; @/m # @/x\n@ /n"); !slices.Equal(got, []string{"/m", "/n"}) {
		t.Errorf("MachineFiles = %q", got)
	}
}

func TestBuildersSetting(t *testing.T) {
	one, err := BuilderOf("nix@b:2222")
	if err != nil {
		t.Fatal(err)
	}
	two := Machine{Scheme: "ssh", Host: "::1", Systems: []string{"a-b", System}, Key: "/k", Jobs: 4, Speed: "2", Features: []string{"kvm"}, HostKey: hostKeyField, Query: "compress=true"}
	const want = "ssh-ng://nix@b:2222 aarch64-linux - - - - - - ; ssh://[::1]?compress=true a-b,aarch64-linux /k 4 2 kvm - " + hostKeyField
	if got := BuildersSetting([]Machine{one, two}); got != want {
		t.Errorf("BuildersSetting = %q; want %q", got, want)
	}
	if one.URI() != "ssh-ng://b:2222" || two.URI() != "ssh://[::1]" {
		t.Errorf("URI = %q, %q", one.URI(), two.URI())
	}
	if line, err := two.HostKeyLine(); line != "ssh-ed25519 AAAA" || err != nil {
		t.Errorf("HostKeyLine = %q, %v", line, err)
	}
}

// What is understood can be said to Nix, and means the same.
func FuzzParseMachines(f *testing.F) {
	f.Add("ssh-ng://nix@b:22 aarch64-linux /k 8 2 kvm big-parallel " + hostKeyField)
	f.Add("ssh://[::1]?compress=true;@/etc/nix/machines")
	f.Fuzz(func(t *testing.T, spec string) {
		all, err := ParseMachines(spec, noFile)
		if err != nil {
			return
		}
		text := BuildersSetting(all)
		again, err := ParseMachines(text, noFile)
		if err != nil || !reflect.DeepEqual(normal(all), normal(again)) {
			t.Errorf("%q means %+v; as %q it means %+v, %v", spec, all, text, again, err)
		}
		if _, err := (Conf{Options: map[string]string{"builders": text}}).Text(); err != nil {
			t.Errorf("%q gives %q: %v", spec, text, err)
		}
	})
}
