package nix

import (
	"archive/tar"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"nixsd-native/internal/decompress"
)

// storePath is a store path as Nix prints it: 32 characters of its own base 32 and
// a name.
var storePath = regexp.MustCompile(`^/nix/store/[0-9abcdfghijklmnpqrsvwxyz]{32}-[0-9A-Za-z+._?=-]+$`)

// shellPath is the path of a shell as an Installation has it.
var shellPath = regexp.MustCompile(strings.TrimSuffix(storePath.String(), "$") + `/bin/busybox$`)

var (
	nixLine    = regexp.MustCompile(`(?m)^nix="([^"]*)"$`)
	cacertLine = regexp.MustCompile(`(?m)^cacert="([^"]*)"$`)
)

// parseInstall reads the store paths of Nix and of the CA certificates from the
// script "install" of upstream's tarball.
func parseInstall(script []byte) (nix, cacert string, err error) {
	for _, line := range []struct {
		name string
		re   *regexp.Regexp
		to   *string
	}{{"nix", nixLine, &nix}, {"cacert", cacertLine, &cacert}} {
		m := line.re.FindSubmatch(script)
		if m == nil || !storePath.Match(m[1]) {
			return "", "", &TarballError{fmt.Sprintf("its script \"install\" has no line %s=\"/nix/store/…\"", line.name)}
		}
		*line.to = string(m[1])
	}
	return nix, cacert, nil
}

// A TarballError says that a file is not the Nix or channel tarball that it should
// be.
type TarballError struct{ Reason string }

func (e *TarballError) Error() string { return "not a sound tarball: " + e.Reason }

// CheckTarball looks whether a file begins as a tarball with one folder does, which
// costs nothing; installing it looks at the rest. Errors are *TarballError.
func CheckTarball(r io.ReaderAt, size int64) error {
	plain, err := decompress.New(r, size)
	if err != nil {
		return &TarballError{err.Error()}
	}
	defer plain.Close()
	for archive := tar.NewReader(plain); ; {
		h, err := archive.Next()
		if err != nil {
			return &TarballError{"it is no tar archive: " + err.Error()}
		}
		if h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		if name := path.Clean(h.Name); h.Typeflag != tar.TypeDir && !strings.Contains(name, "/") {
			return &TarballError{"it does not begin with a folder"}
		}
		return nil
	}
}
