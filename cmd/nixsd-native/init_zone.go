package main

import (
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // names of time zones, where the host has none
)

// zoneName keeps names that lead elsewhere from the search for a zone.
var zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+/-]*$`)

func isTimeZone(name string) bool {
	_, err := time.LoadLocation(name)
	return err == nil && zoneName.MatchString(name) && name != "Local"
}

func (j *initJob) setTimeZone(name string) error {
	if isTimeZone(name) {
		j.TimeZone = name
		return nil
	}
	if near := nearZone(os.DirFS("/usr/share/zoneinfo"), name); near != "" {
		return fmt.Errorf("%q is no time zone, but %s is", name, near)
	}
	return fmt.Errorf("%q is no time zone", name)
}

// nearZone is the time zone that is called like name, or whose last part is, but for
// capitals and blanks; "" if there is none. Zones are files, as in /usr/share/zoneinfo.
func nearZone(zones fs.FS, name string) (near string) {
	name = "/" + strings.ToLower(strings.ReplaceAll(name, " ", "_"))
	fs.WalkDir(zones, ".", func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil: // what cannot be read has none
			return nil
		case path == "posix" || path == "right": // all of them again
			return fs.SkipDir
		case !e.IsDir() && strings.HasSuffix("/"+strings.ToLower(path), name) && isTimeZone(path):
			near = path
			return fs.SkipAll
		}
		return nil
	})
	return near
}
