package main

import (
	"fmt"
	"time"
)

// A phaseTime is how long a phase took.
type phaseTime struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"` // to the millisecond
}

// times returns the phases so far.
func (p *progress) times() []phaseTime {
	times := []phaseTime{}
	for _, s := range p.withRunning() {
		times = append(times, phaseTime{s.name, seconds(s.d)})
	}
	return times
}

// total returns the sum of all phases.
func (p *progress) total() time.Duration {
	var sum time.Duration
	for _, s := range p.withRunning() {
		sum += s.d
	}
	return sum
}

func seconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

// phaseTable returns the closing table, nothing if there was no phase.
func phaseTable(phases []phaseTime, total time.Duration) []string {
	if len(phases) == 0 {
		return nil
	}
	width := len("clean-up")
	for _, ph := range phases {
		width = max(width, len(ph.Name))
	}
	row := func(name, value string) string { return fmt.Sprintf("%-*s  %11s", width, name, value) }
	lines := []string{row("phase", "seconds")}
	for _, ph := range append(phases, phaseTime{"total", seconds(total)}) {
		lines = append(lines, row(ph.Name, fmt.Sprintf("%.1f", ph.Seconds)))
	}
	return lines
}
