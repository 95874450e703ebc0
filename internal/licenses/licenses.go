// Package licenses holds the licences of the modules that are compiled into the program,
// which ask for their notices to go with it.
package licenses

import (
	_ "embed"
	"regexp"
	"strings"
)

// thirdParty is made from the module cache by
//
//	go test ./internal/licenses -update
//
//go:embed third-party.txt
var thirdParty string

// Text returns all notices.
func Text() string { return thirdParty }

// heading begins a module's notices: its path, version and licences.
var heading = regexp.MustCompile(`(?m)^==== (\S+) \S+ \(([^)]+)\)$`)

// ByModule returns the SPDX identifiers of the licences of each module. Go's own library
// is the module std.
func ByModule() map[string][]string {
	all := map[string][]string{}
	for _, m := range heading.FindAllStringSubmatch(thirdParty, -1) {
		all[m[1]] = strings.Split(m[2], ", ")
	}
	return all
}
