package sshclient

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseArgs(t *testing.T) {
	local := []string{"-oPermitLocalCommand=yes", "-oLocalCommand=echo started"}
	with := func(before string, rest ...string) []string {
		return append(append(strings.Fields(before), local...), rest...)
	}
	tests := []struct {
		name string
		args []string
		want Invocation
	}{
		{"2.35, ssh-ng", with("nix@b -x -i /k -oUserKnownHostsFile=/h -C -p2222", "-v", "--", "nix-daemon", "--stdio"),
			Invocation{User: "nix", Host: "b", Port: 2222, Keys: []string{"/k"}, KnownHosts: "/h", Command: "nix-daemon --stdio", Started: true}},
		{"2.26, a port in the host", with("nix@b:2222 -x", "--", "nix-store", "--serve", "--write"),
			Invocation{User: "nix", Host: "b", Port: 2222, Command: "nix-store --serve --write", Started: true}},
		{"2.18, a command in one word", with("b -x", "nix-daemon --stdio"),
			Invocation{Host: "b", Command: "nix-daemon --stdio", Started: true}},
		{"with a master", with("b -x", "-S", "/s", "--", "nix-daemon", "--stdio"), Invocation{Host: "b", Command: "nix-daemon --stdio"}},
		{"a master", with("b -M -N -S /s"), Invocation{Host: "b", Hold: true, Started: true}},
		{"is there a master?", with("-O check b"), Invocation{Host: "b", Check: true}},
		{"NIX_SSHOPTS", with("b -x -o Port=3 -l u -T -i a -i b -oBatchMode=yes", "--", "c"),
			Invocation{User: "u", Host: "b", Port: 3, Keys: []string{"a", "b"}, Command: "c", Started: true}},
		{"flags in one", []string{"-xTp22", "b", "ls", "-N", "--", "-p"}, Invocation{Host: "b", Port: 22, Command: "ls -N -- -p"}},
		{"IPv6", []string{"nix@[fe80::1%eth0]:22", "c"}, Invocation{User: "nix", Host: "fe80::1%eth0", Port: 22, Command: "c"}},
		{"IPv6 alone", []string{"::1", "c"}, Invocation{Host: "::1", Command: "c"}},
		{"a local command that is not permitted", []string{"b", "-oLocalCommand=rm", "c"}, Invocation{Host: "b", Command: "c"}},
	}
	for _, test := range tests {
		got, err := ParseArgs(test.args)
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: ParseArgs(%q) = %+v, %v; want %+v", test.name, test.args, got, err, test.want)
		}
	}
}

func TestParseArgsRefuses(t *testing.T) {
	for _, c := range []struct{ args, says string }{
		{"", "no host"}, {"-x", "no host"}, {"b", "a remote command is needed"}, {"b -N ls", "a remote command is needed"},
		{"b -p", "-p needs a value"}, {"b -p 0 c", "no port"}, {"b:70000 c", "no port"}, {"b -L 1:b:2 c", "-L is not supported"},
		{"b -oStrictHostKeyChecking=no c", "always checked"}, {"b -oProxyCommand=sh c", "proxycommand is not supported"},
		{"b -oPort c", "has no value"}, {"b -O exit", "-O exit"}, {"@b c", "user's name is empty"}, {"a@ c", "host's name is empty"},
		{"b -oPermitLocalCommand=yes -oLocalCommand=reboot c", "LocalCommand"}, {"$(b) c", "no name of a host"}, {"-- -b c", "no name of a host"},
	} {
		if got, err := ParseArgs(strings.Fields(c.args)); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("ParseArgs(%q) = %+v, %v; want an error with %q", c.args, got, err, c.says)
		}
	}
}

func FuzzParseArgs(f *testing.F) {
	f.Add("b\x00-x\x00-oPermitLocalCommand=yes\x00-oLocalCommand=echo started\x00--\x00nix-daemon\x00--stdio")
	f.Add("nix@[::1]:22\x00-M\x00-N\x00-S\x00/s")
	f.Add("-O\x00check\x00b")
	f.Fuzz(func(t *testing.T, joined string) {
		in, err := ParseArgs(strings.Split(joined, "\x00"))
		if err != nil {
			return
		}
		if in.Host == "" || strings.ContainsAny(in.Host, " \n,#*") || in.Port < 0 || in.Port > 65535 {
			t.Errorf("ParseArgs(%q) = %+v", joined, in)
		}
		if !in.Check && in.Hold == (in.Command != "") {
			t.Errorf("ParseArgs(%q) = %+v: neither to hold nor to run", joined, in)
		}
	})
}
