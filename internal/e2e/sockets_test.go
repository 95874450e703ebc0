package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
)

// A socketTrace is what strace saw of sockets.
type socketTrace struct {
	families map[string]int // how often a family's sockets were opened, of whatever process
	loopback []string       // sockets with which Nix sets up the loopback of one build
	foreign  []string       // all calls else with an address or a family that is not AF_UNIX
}

// traced are the system calls by which a process gets a socket or names an address
// (socket(2) and what takes a sockaddr), and those by which it gets another network.
const traced = "socket,socketpair,connect,bind,listen,accept,accept4,sendto,sendmsg,sendmmsg,clone,clone3,unshare,setns"

// strace returns the program that traces a run into a file, which only c may see.
func (c caller) strace(t *testing.T, name string) (under []string, log string) {
	t.Helper()
	log = filepath.Join(c.folder(t, "trace"), name)
	return []string{testenv.NeedProgram(t, "strace"), "-f", "--seccomp-bpf", "--pidns-translation", "-qq",
		"-e", "signal=none", "-e", "trace=" + traced, "-o", log}, log
}

// Lines of strace: "PID call(arguments) = result", with the pid of a new process in
// strace's own namespace behind the result. A call that waits comes in two parts.
var (
	traceLine = regexp.MustCompile(`^(\d+) +(\w+)\((.*)$`)
	newPID    = regexp.MustCompile(`= (\d+)(?: /\* (\d+) in strace's PID NS \*/)?$`)
	resumed   = regexp.MustCompile(`^(\d+) +<\.\.\. (?:clone|clone3) resumed>(.*)$`)
	family    = regexp.MustCompile(`\b(?:AF|PF)_[A-Z0-9]+\b`)
)

// loopbackSocket is what Nix opens in a new network namespace, before it runs a build
// there, to switch that namespace's loopback interface on
// (src/libstore/unix/build/linux-derivation-builder.cc, "Initialise the loopback
// interface"). It is only used for the ioctls SIOCGIFFLAGS and SIOCSIFFLAGS.
const loopbackSocket = "AF_INET, SOCK_DGRAM, IPPROTO_IP"

// readTrace judges a log of strace. Nix's child for one build is told from the program's
// own sandbox, which gets a network namespace, too, by CLONE_PARENT, which Nix sets to
// hand the child to its parent.
func readTrace(t *testing.T, log string) socketTrace {
	t.Helper()
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	builders := buildersIn(lines)
	s := socketTrace{families: map[string]int{}}
	for _, line := range lines {
		m := traceLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		pid, call, arguments := m[1], m[2], m[3]
		found := family.FindAllString(arguments, -1)
		for _, f := range found {
			s.families[f]++
		}
		switch {
		case len(found) == 0 || !slices.ContainsFunc(found, func(f string) bool { return f != "AF_UNIX" }):
		case call == "socket" && strings.HasPrefix(arguments, loopbackSocket) && builders[pid] > 0:
			builders[pid]--
			s.loopback = append(s.loopback, line)
		default:
			s.foreign = append(s.foreign, line)
		}
	}
	return s
}

// buildersIn finds the processes that Nix made for a build with a network namespace of
// its own. Each may have one socket for the loopback interface.
func buildersIn(lines []string) map[string]int {
	builders, begun := map[string]int{}, map[string]string{}
	for _, line := range lines {
		call := line
		if m := traceLine.FindStringSubmatch(line); m != nil && strings.HasPrefix(m[2], "clone") {
			if rest, ok := strings.CutSuffix(line, " <unfinished ...>"); ok {
				begun[m[1]] = rest
				continue
			}
		} else if m := resumed.FindStringSubmatch(line); m != nil {
			call = begun[m[1]] + m[2]
		} else {
			continue
		}
		if m := newPID.FindStringSubmatch(call); m != nil && strings.Contains(call, "CLONE_PARENT|") && strings.Contains(call, "CLONE_NEWNET") {
			child := m[2]
			if child == "" {
				child = m[1]
			}
			builders[child] = 1
		}
	}
	return builders
}

// With --offline no process opens a socket that leads to a network: neither this
// program's nor Nix's nor a builder's. The system calls of all of them are looked at,
// and the same look at a run with network finds sockets.
func TestOfflineSockets(t *testing.T) {
	check := mustStay(t)
	up, rp := builds(t)
	for _, c := range []struct {
		caller
		places
	}{{user(), up}, {root(), rp}}[:testenv.Times(1, 2)] {
		if c.state == "" {
			continue
		}
		config := c.write(t, "sockets/sd-card.nix", hostNamed(t, "sockets"))
		under, log := c.strace(t, "offline")
		r := must(t, job{as: c.caller, under: under, args: buildArgs(t, c.caller, c.places, "sockets-out", "--offline", config)})
		s := readTrace(t, log)
		if len(s.foreign) > 0 {
			t.Errorf("uid %d: a run with --offline called\n%s", c.uid, tail(s.foreign))
		}
		// Derivations with a fixed hash aside, which there are none of, each build has
		// one; and the trace is one of all processes, Nix's among them.
		if len(r.built()) < 3 || len(s.loopback) != len(r.built()) || s.families["AF_UNIX"] == 0 {
			t.Errorf("uid %d: built %q with loopbacks %q; %v", c.uid, r.built(), s.loopback, s.families)
		}
		under, log = c.strace(t, "online")
		p := c.caller.places("sockets-empty")
		run(t, job{as: c.caller, under: under, args: p.with("fetch", "--demo", "--debian-mirror", nobody)})
		if s := readTrace(t, log); s.families["AF_INET"] == 0 || len(s.foreign) == 0 {
			t.Errorf("uid %d: a run with network opened %v", c.uid, s.families)
		}
	}
	check(t)
}

// The reader of traces finds what must not be there.
func TestReadTrace(t *testing.T) {
	const nixs = `100 clone(child_stack=0x7f, flags=CLONE_PARENT|CLONE_NEWNS|CLONE_NEWNET|SIGCHLD) = 33 /* 200 in strace's PID NS */
101 clone(child_stack=0x7f, flags=CLONE_PARENT|CLONE_NEWNET|SIGCHLD <unfinished ...>
300 unshare(CLONE_NEWNS) = 0
101 <... clone resumed>) = 34 /* 201 in strace's PID NS */
102 clone(child_stack=NULL, flags=CLONE_NEWNET|SIGCHLD, parent_tid=[22]) = 202
200 socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 14
201   socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 14
100 socketpair(AF_UNIX, SOCK_STREAM, 0, [12, 13]) = 0
100 connect(3, {sa_family=AF_UNIX, sun_path="/x"}, 110) = 0
`
	file := filepath.Join(t.TempDir(), "log")
	for line, foreign := range map[string]int{
		"": 0,
		"200 socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 15":                                        1, // a second one
		"202 socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 14":                                        1, // the sandbox's own
		"100 socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 14":                                        1,
		"200 socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 14":                                      1,
		"200 socket(AF_INET6, SOCK_DGRAM, IPPROTO_IP) = 14":                                       1,
		"200 socket(AF_NETLINK, SOCK_RAW|SOCK_CLOEXEC, NETLINK_ROUTE) = 3":                        1,
		`200 sendto(14, "x", 1, 0, {sa_family=AF_INET, sin_port=htons(53)}, 16) = 1`:              1,
		`100 connect(3, {sa_family=AF_INET, sin_port=htons(53)}, 16) = -1 EINPROGRESS (Progress)`: 1,
	} {
		if err := os.WriteFile(file, []byte(nixs+line+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		s := readTrace(t, file)
		if len(s.foreign) != foreign || len(s.loopback) != 2 || s.families["AF_UNIX"] != 2 {
			t.Errorf("%q: %+v; want %d foreign calls", line, s, foreign)
		}
	}
}
