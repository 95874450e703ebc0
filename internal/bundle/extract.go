package bundle

import (
	"context"
	"errors"
	"io"
	"os"
	"path"
)

// TempPattern is that of the names of Extract's folders, for os.MkdirTemp and path.Match.
const TempPattern = ".bundle-*"

// Extract unpacks all members below a new folder in dir and returns its path, once all of
// them are verified. After an error, damage as an *Error, nothing is left. Folders are
// made with mode 0755, files with 0644, less the umask.
func (b *Reader) Extract(ctx context.Context, dir string, progress Progress) (folder string, err error) {
	folder, err = os.MkdirTemp(dir, TempPattern)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(folder))
			folder = ""
		}
	}()
	if err := os.Chmod(folder, 0o755); err != nil {
		return folder, err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return folder, err
	}
	defer root.Close()
	return folder, b.each(ctx, func(m Member) (io.WriteCloser, error) { return createIn(root, m.Path) }, progress)
}

// createIn makes a file that is not there yet, and its folders.
func createIn(root *os.Root, name string) (*os.File, error) {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return nil, err
	}
	return root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
}
