package nix

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
)

// OwnFolder holds, in the sandbox, what is ours beside the store.
const OwnFolder = "/nix/" + ownDir + "/"

// maxKept bounds a file that Keep takes, in bytes.
const maxKept = 4 << 20

// Keep replaces a small file in OwnFolder. It does not sync: a file that is lost, or
// half there, is one that its reader makes anew.
func (s Store) Keep(name string, content io.Reader) error {
	if name != filepath.Base(name) || !filepath.IsLocal(name) {
		return fmt.Errorf("%q is no name of a file", name)
	}
	root, err := os.OpenRoot(s.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	data, err := readKept(name, content)
	if err != nil {
		return err
	}
	if err := root.MkdirAll(ownDir, 0o755); err != nil {
		return err
	}
	file := path.Join(ownDir, name)
	if err := root.WriteFile(file+".new", data, 0o644); err != nil {
		return err
	}
	return root.Rename(file+".new", file)
}

func readKept(name string, content io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(content, maxKept+1))
	if err == nil && len(data) > maxKept {
		err = fmt.Errorf("%s has more than %d bytes", name, maxKept)
	}
	return data, err
}

// keepSecret makes a file that its owner alone can read. It must not be there yet.
func keepSecret(name string, content io.Reader) error {
	data, err := readKept(name, content)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o400)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Close())
}
