package main

// A lane is who does a step.
type lane int

const (
	monitor lane = iota
	worker
	sandbox
)

// lanes are drawn from left to right, each with what it may do.
var lanes = []struct{ name, who, class string }{
	{"monitor", "root", "root"},
	{"worker", "you", "you"},
	{"sandbox", "nobody on the host", "nobody"},
}

// steps are a build, from top to bottom.
var steps = []struct {
	lane
	name, about string
}{
	{worker, "flags", "checked before anything starts"},
	{worker, "inputs", "QEMU, Nix, nixpkgs: verified"},
	{monitor, "handler", "registers QEMU for aarch64"},
	{monitor, "sandbox", "namespaces, a root of its own"},
	{sandbox, "bootstrap", "Nix, the first time"},
	{sandbox, "evaluate", "your configuration, read-only"},
	{worker, "forecast", "downloads, builds, disk, memory"},
	{sandbox, "build", "aarch64 programs run by QEMU"},
	{worker, "deliver", "image, sha256, manifest, SBOM"},
	{monitor, "handler gone", "the host is as it was"},
}

// Measures of the flow in pixels.
const (
	laneWidth, laneGap = 250, 15
	laneTop, firstStep = 15, 80
	boxWidth, boxSize  = 222, 46
	pitch              = 68
	flowWidth          = 3*laneWidth + 4*laneGap
)

// middle is the middle of a lane.
func (l lane) middle() int { return laneGap + laneWidth/2 + int(l)*(laneWidth+laneGap) }

// flow draws the steps of a build in the lanes of who does them.
func flow() []byte {
	bottom := firstStep + len(steps)*pitch
	s := newSVG(flowWidth, bottom+45, "How nixsd-native builds an image: what the monitor, the worker and the sandbox do")
	for i, l := range lanes {
		x := lane(i).middle()
		s.rect("lane", x-laneWidth/2, laneTop, laneWidth, bottom-laneTop)
		s.words("sans b", x, laneTop+27, 17, l.name)
		s.words("sans dim", x, laneTop+47, 13, l.who)
	}
	for i, step := range steps {
		x, y := step.middle(), firstStep+i*pitch
		if i > 0 {
			arrow(s, steps[i-1].middle(), y-pitch+boxSize, x, y)
		}
		s.rect("box "+lanes[step.lane].class, x-boxWidth/2, y, boxWidth, boxSize)
		s.words("sans b", x, y+19, 14, step.name)
		s.words("sans dim", x, y+37, 12, step.about)
	}
	s.words("sans dim", flowWidth/2, bottom+26, 13, "Without root there is no monitor: the worker makes the namespaces itself, with a handler that only they see.")
	return s.end()
}

// arrowHead is the length of an arrow's head.
const arrowHead = 7

// arrow goes down from one point to another, with a bend between if it must.
func arrow(s *svg, x1, y1, x2, y2 int) {
	bend := (y1 + y2 - arrowHead) / 2
	s.add(`<path class="line" d="M%d %dV%dH%dV%d"/>`+"\n", x1, y1, bend, x2, y2-arrowHead)
	s.add(`<path class="head" d="M%d %dl-5 -%dh10z"/>`+"\n", x2, y2, arrowHead)
}
