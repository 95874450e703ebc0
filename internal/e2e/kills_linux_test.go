package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"nixsd-native/internal/testenv"
)

const caretakerName = "nixsd-native-caretaker"

// seedVariable holds a number that repeats an earlier run of TestKills.
const seedVariable = "NIXSD_TEST_SEED"

// A way is how a build is killed.
type way struct {
	signal  syscall.Signal
	victims []string // processes by name, in this order; "" is the program itself
	leaves  bool     // nobody is left to take the host's handler away
}

func (w way) String() string {
	var all []string
	for _, v := range w.victims {
		_, name, _ := strings.Cut(v, "nixsd-native-")
		if v == "" {
			name = "program"
		}
		all = append(all, name)
	}
	return fmt.Sprintf("%v of %s", map[syscall.Signal]string{syscall.SIGINT: "SIGINT", syscall.SIGTERM: "SIGTERM", syscall.SIGKILL: "SIGKILL"}[w.signal], strings.Join(all, ", "))
}

// ways of root's builds; those of a user's have no process but the program and the
// sandbox's first.
func ways(c caller) []way {
	all := []way{
		{syscall.SIGINT, []string{""}, false},
		{syscall.SIGTERM, []string{""}, false},
		{syscall.SIGKILL, []string{""}, false},
		{syscall.SIGKILL, []string{sandboxName}, false},
	}
	if c.uid != 0 {
		return all
	}
	return append(all,
		way{syscall.SIGTERM, []string{workerName}, false},
		way{syscall.SIGKILL, []string{workerName}, false},
		way{syscall.SIGKILL, []string{"", workerName}, false},
		way{syscall.SIGKILL, []string{workerName, ""}, false},
		way{syscall.SIGKILL, []string{caretakerName, "", workerName}, true},
	)
}

// do kills. Who is not there is left out; if nobody is, the program is killed. It
// returns what was done.
func (w way) do(p *process) way {
	done := way{signal: w.signal, leaves: w.leaves}
	below := descendants(p.cmd.Process.Pid)
	for _, name := range w.victims {
		i := slices.IndexFunc(below, func(d proc) bool { return strings.HasPrefix(d.line, name) })
		switch {
		case name == "":
			p.cmd.Process.Signal(w.signal)
		case i >= 0:
			syscall.Kill(below[i].pid, w.signal)
		default:
			continue
		}
		done.victims = append(done.victims, name)
	}
	if len(done.victims) == 0 {
		done.victims = []string{""}
		p.cmd.Process.Signal(w.signal)
	}
	return done
}

// A condition is how much of a build is there before it.
type condition struct {
	name   string
	state  string // name of the state folder
	config func(t *testing.T, n int) string
	spread float64 // longest moment, in builds with nothing to do, until one is known
	kills  int
}

// fromNothing is the condition of a first build.
const fromNothing = "nothing"

// conditions are tried in this order.
func conditions() []condition {
	image := func(t *testing.T, n int) string { return afterImage(t, fmt.Sprint("true # kill ", n)) }
	system := func(t *testing.T, n int) string { return hostNamed(t, fmt.Sprint("kill-", n)) }
	all := []condition{
		{"all but the image", "first", image, 3, testenv.Times(2, 22)},
		{"Nix and packages", "first", system, 5, testenv.Times(2, 22)},
		{fromNothing, "kills", func(t *testing.T, _ int) string { return sdCard(t) }, 12, testenv.Times(0, 6)},
	}
	return slices.DeleteFunc(all, func(c condition) bool { return c.kills == 0 })
}

// A killer kills builds of one caller.
type killer struct {
	caller
	places
	before hostState
	random *rand.Rand
	count  map[string]map[string]int // kills by way and phase
	left   int                       // handlers that were left
}

// Builds that are killed at random moments, each going on with what the one before
// left, leave nothing on the host; and what they do leave in the store is good: the
// last build makes the image that an undisturbed one makes.
func TestKills(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedVariable); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
		seed = n
	}
	t.Logf("to repeat: %s=%d", seedVariable, seed)
	check := mustStay(t)
	u, r := builds(t)
	sums := map[string]string{}
	for i, c := range []struct {
		caller
		places
	}{{user(), u}, {root(), r}} {
		if c.state == "" {
			continue
		}
		t.Run(fmt.Sprintf("uid %d", c.uid), func(t *testing.T) {
			if c.uid == 0 {
				foreignHandler(t)
			}
			k := &killer{
				caller: c.caller, places: c.places, before: lookAtHost(),
				random: rand.New(rand.NewPCG(seed, uint64(i))), count: map[string]map[string]int{},
			}
			k.killAll(t, sums)
		})
	}
	check(t)
}

// killAll kills in all conditions, and compares the last image with the one in sums.
func (k *killer) killAll(t *testing.T, sums map[string]string) {
	idle := must(t, job{as: k.caller, args: buildArgs(t, k.caller, k.places, "kills")}).took
	all := conditions()
	defer k.print(t)
	for _, c := range all {
		k.killIn(t, c, time.Duration(c.spread*float64(idle)))
		if t.Failed() {
			return
		}
	}
	last := all[len(all)-1]
	if p := k.start(t, last, "last", 0); p.wait().status != 0 {
		t.Fatalf("the last build failed\n%s", tail(p.errs))
	}
	dir := filepath.Join(k.home, "last")
	checkFiles(t, dir, k.uid)
	sum := testenv.SHA256(t, filepath.Join(dir, imageName))
	if last.name == fromNothing {
		sums[last.name] = testenv.SHA256(t, filepath.Join(k.home, "first", imageName))
		must(t, job{as: k.caller, args: k.in(last).with("shell", "--demo", "-q", "--", "nix-store", "--verify", "--check-contents")})
	}
	if want, ok := sums[last.name]; ok && sum != want {
		t.Errorf("the last image has the hash %s; want %s", sum, want)
	}
	sums[last.name] = sum
	k.check(t)
}

// in is where builds of a condition work.
func (k *killer) in(c condition) places {
	return places{filepath.Join(k.home, c.state+"-state"), k.cache}
}

func (k *killer) start(t *testing.T, c condition, out string, n int) *process {
	t.Helper()
	file := k.write(t, "kills-config/sd-card.nix", c.config(t, n))
	return start(t, job{as: k.caller, args: buildArgs(t, k.caller, k.in(c), out, file)})
}

// killIn kills builds, each within the time that the last one took that ended by itself.
func (k *killer) killIn(t *testing.T, c condition, longest time.Duration) {
	for config, n := 1, c.kills; n > 0; {
		p := k.start(t, c, "kills", config)
		moment, choice := time.Duration(k.random.Float64()*float64(longest)), ways(k.caller)
		w := choice[k.random.IntN(len(choice))]
		done := way{}
		if p.runs(moment) {
			done = w.do(p)
		}
		r := p.wait()
		switch {
		case r.status == 0: // it was faster
			longest, config = r.took, config+1
			if c.name == fromNothing {
				must(t, job{as: k.caller, args: k.in(c).with("clean", "--store")})
			}
		case len(done.victims) == 0:
			t.Fatalf("%s: a build that goes on with what a killed one left = %d\n%s", c.name, r.status, tail(p.errs))
		default:
			n--
			k.killed(t, done, r)
		}
		k.check(t)
		if t.Failed() {
			t.Fatalf("%s: after %v at %v, %s\n%s", c.name, done, moment, phaseAtEnd(r), tail(p.errs))
		}
	}
}

func phaseAtEnd(r result) string {
	if all := r.phases(); len(all) > 0 {
		return all[len(all)-1]
	}
	return "start"
}

// killed looks at how a killed build ended.
func (k *killer) killed(t *testing.T, w way, r result) {
	t.Helper()
	if k.count[w.String()] == nil {
		k.count[w.String()] = map[string]int{}
	}
	k.count[w.String()][phaseAtEnd(r)]++
	if w.signal != syscall.SIGKILL && r.status != exitInterrupted && phaseAtEnd(r) != "start" {
		t.Errorf("%v: status %d; want %d", w, r.status, exitInterrupted)
	}
	if strings.Contains(r.errs, "looks like a bug") && w.signal != syscall.SIGKILL {
		t.Errorf("%v is called a bug", w)
	}
	if w.leaves {
		k.before.settled()
		if ourHandler() != "" {
			k.left++
			next := nextCommands(k.places)
			mustRemoveLeft(t, next[k.random.IntN(len(next))])
		}
	}
}

// check compares the host with what it was, and looks for halves of images.
func (k *killer) check(t *testing.T) {
	t.Helper()
	if diff := k.before.settled().Diff(k.before.Snapshot); diff != "" {
		t.Errorf("the host changed: %s", diff)
	}
	stem := strings.TrimSuffix(imageName, ".img")
	want := []string{stem + ".cdx.json", imageName, imageName + ".sha256", stem + ".json"}
	if got := listing(t, filepath.Join(k.home, "kills")); !slices.Equal(got, want) {
		t.Errorf("the output folder has %q; want %q", got, want)
	}
}

// print prints how many builds were killed in which way in which phase.
func (k *killer) print(t *testing.T) {
	t.Helper()
	phases := []string{"start", "preflight", "inputs", "handler", "sandbox", "bootstrap", "evaluate", "forecast", "build", "deliver"}
	var b strings.Builder
	fmt.Fprintf(&b, "kills by way and phase; a handler was left %d times\n%-36s", k.left, "")
	for _, phase := range phases {
		fmt.Fprintf(&b, " %9s", phase)
	}
	total := 0
	for _, name := range slices.Sorted(maps.Keys(k.count)) {
		fmt.Fprintf(&b, "\n%-36s", name)
		for _, phase := range phases {
			fmt.Fprintf(&b, " %9d", k.count[name][phase])
			total += k.count[name][phase]
		}
	}
	t.Logf("%d %s", total, &b)
}
