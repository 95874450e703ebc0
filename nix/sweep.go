package nix

import (
	"context"
	"errors"
	"io/fs"
	"os"
)

// unfinished are what a Nix that was killed leaves of builds: their folders for temporary
// files, and their roots with what they wrote. One that ends by itself removes them.
var unfinished = []string{buildDir + "/*", "store/*.drv.chroot"}

// Sweep removes from the folder /nix what is left of builds, none of which may run.
func Sweep(ctx context.Context, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, pattern := range unfinished {
		all, err := fs.Glob(root.FS(), pattern)
		if err != nil {
			return err
		}
		for _, name := range all {
			if err := errors.Join(ctx.Err(), removeTree(root, name)); err != nil {
				return err
			}
		}
	}
	return nil
}
