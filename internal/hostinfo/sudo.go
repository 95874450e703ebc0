package hostinfo

import (
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// maxAncestors bounds the search for sudo among them: it may wait for a child of its own.
const maxAncestors = 4

// LostToSudo returns which of the named variables the sudo had that started a process,
// below a host's root folder. Their values are not looked at. Only root may ask.
func LostToSudo(root fs.FS, pid int, names []string) []string {
	for range maxAncestors {
		dir := fmt.Sprintf("proc/%d", pid)
		var name string
		for line := range strings.Lines(text(root, dir+"/status")) {
			key, value, _ := strings.Cut(line, ":")
			switch value = strings.TrimSpace(value); key {
			case "Name":
				name = value
			case "PPid":
				pid, _ = strconv.Atoi(value)
			}
		}
		if name == "sudo" {
			return variables(text(root, dir+"/environ"), names)
		}
	}
	return nil
}

// variables lists those of names that are set, and not empty, in an environment.
func variables(environ string, names []string) []string {
	var set []string
	for v := range strings.SplitSeq(environ, "\x00") {
		name, value, _ := strings.Cut(v, "=")
		if value != "" && slices.Contains(names, name) {
			set = append(set, name)
		}
	}
	return set
}
