package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// maxSkew is how far a clock may be off: half of it is what Debian and others tolerate.
const maxSkew = 5 * time.Minute

// clock compares this machine's with those of the sources, and with this program's age.
func (d *doctor) clock(context.Context) []finding {
	var there, here time.Time
	notValid := false
	var dated []askedSource
	for _, s := range d.asked {
		if !s.answer.Date.IsZero() {
			dated = append(dated, s)
		}
		notValid = notValid || s.err != nil && s.needed && strings.Contains(s.err.Error(), "certificate has expired or is not yet valid")
	}
	if len(dated) > 0 { // the one in the middle: a server, too, may be wrong
		slices.SortFunc(dated, func(a, b askedSource) int { return cmp.Compare(a.skew(), b.skew()) })
		middle := dated[len(dated)/2]
		there, here = middle.answer.Date, middle.at
	}
	return judgeClock(time.Now(), here, there, built(), notValid)
}

// built returns when this program's source was last changed, or, if it does not know, a
// day after which it was written.
func built() time.Time {
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, s := range info.Settings {
			if t, err := time.Parse(time.RFC3339, s.Value); s.Key == "vcs.time" && err == nil {
				return t
			}
		}
	}
	return time.Date(2026, time.May, 30, 0, 0, 0, 0, time.UTC) // NixOS 26.05, which it builds
}

// judgeClock takes the time now, when a source answered by its own clock and by this one,
// and whether a certificate was not valid by it.
func judgeClock(now, here, there, built time.Time, notValid bool) []finding {
	fix := []string{"sudo timedatectl set-ntp true"}
	if !there.IsZero() {
		fix = append(fix, "sudo date -u -s '"+there.Add(now.Sub(here)).UTC().Format("2006-01-02 15:04:05")+"'")
	}
	said := now.UTC().Format("2006-01-02 15:04:05") + " UTC"
	var err error
	switch skew := there.Sub(here).Round(time.Second); {
	case now.Before(built):
		err = fmt.Errorf("%s, which is before this program was made (%s)", said, built.UTC().Format("2006-01-02"))
	case !there.IsZero() && skew.Abs() > maxSkew:
		err = fmt.Errorf("%s, and servers say that it is off by %v", said, skew)
	case notValid:
		err = fmt.Errorf("%s, and a certificate is not valid at that time", said)
	case there.IsZero():
		return ok("%s; no server was asked for the time", said)
	default:
		return ok("%s, as servers say", said)
	}
	if notValid {
		return problem(err, fix...)
	}
	return warning(err, fix...)
}
