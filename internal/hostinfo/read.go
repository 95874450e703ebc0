package hostinfo

import (
	"io"
	"io/fs"
	"strings"
)

// maxSmall bounds the files below /proc and /sys that are read here, in bytes. The largest
// is the table of mounts, of a host with thousands of containers.
const maxSmall = 4 << 20

// text returns a file's content without blanks around it, or "" if it cannot be read.
func text(root fs.FS, name string) string {
	f, err := root.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSmall))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// exists reports whether there is something of this name.
func exists(root fs.FS, name string) bool {
	_, err := fs.Stat(root, name)
	return err == nil
}
