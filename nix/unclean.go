package nix

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"nixsd-native/internal/durable"
)

// Nix registers store paths without waiting until they are on disk, and its settings
// that would change that cost a flush for each path, of which evaluation alone makes
// thousands. So the store is flushed once, when a run ends, and a file says until then
// that it is not: a run that finds it looks at what a power cut may have left half.
const uncleanName = ownDir + "/unclean"

// database is Nix's record of valid paths.
const database = "var/nix/db/db.sqlite"

// Begin makes sure that the store is whole, whatever became of the last run, and notes
// on disk that it is about to change. What a killed build left is removed; so is what is
// damaged, with all that refers to it, and so made again when it is needed.
func (s Store) Begin(ctx context.Context) error {
	root, err := os.OpenRoot(s.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := Sweep(ctx, s.Dir); err != nil {
		return err
	}
	_, unclean := root.Lstat(uncleanName)
	inst, lack := installation(root)
	switch {
	case lack != "":
		err = s.anew(ctx, root, lack)
	case unclean == nil:
		err = s.heal(ctx, root, inst)
	case !errors.Is(unclean, fs.ErrNotExist):
		err = unclean
	}
	if err != nil {
		return err
	}
	return s.markUnclean(root)
}

// End flushes the store and takes back what Begin noted.
func (s Store) End() error {
	root, err := os.OpenRoot(s.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := s.Sync(s.Dir); err != nil {
		return err
	}
	err = root.Remove(uncleanName) // if this is not on disk, a look too many is the price
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// markUnclean makes the file, and waits until it is on disk.
func (s Store) markUnclean(root *os.Root) error {
	if err := root.MkdirAll(ownDir, 0o755); err != nil {
		return err
	}
	f, err := root.OpenFile(uncleanName, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return durable.Folder(root.Open(ownDir))
}

// installation finds any Nix that is installed. If there is none that works, lack says
// what is missing.
func installation(root *os.Root) (inst Installation, lack string) {
	records, err := fs.Glob(root.FS(), ownDir+"/nix-*.json")
	if err != nil || len(records) == 0 {
		return inst, "record of an installed Nix"
	}
	for _, name := range records {
		if inst, err = readRecordFile(root, name); err != nil {
			return inst, "readable record of the installed Nix"
		}
		for _, file := range append([]string{inst.Program("nix-store"), inst.CABundle()}, inst.shells()...) {
			if info, err := root.Lstat(strings.TrimPrefix(file, "/nix/")); err != nil || info.Size() == 0 {
				return inst, file
			}
		}
	}
	if info, err := root.Lstat(database); err != nil || info.Size() == 0 {
		return inst, "/nix/" + database
	}
	return inst, ""
}

// shells is the shell, or none.
func (i Installation) shells() []string {
	if i.Shell == "" {
		return nil
	}
	return []string{i.Shell}
}

func readRecordFile(root *os.Root, name string) (Installation, error) {
	f, err := root.Open(name)
	if err != nil {
		return Installation{}, err
	}
	defer f.Close()
	return ReadRecord(f)
}

// anew empties the store if there is anything in it. That nothing was installed yet, but
// begun, is not worth a word.
func (s Store) anew(ctx context.Context, root *os.Root, lack string) error {
	records, err := fs.Glob(root.FS(), ownDir+"/nix-*.json")
	if err != nil {
		return err
	}
	if len(records) > 0 {
		s.note(fmt.Sprintf("the store was damaged (it has no %s), and is made anew", lack))
	}
	_, err = Wipe(ctx, s.Dir)
	return err
}

// maxDamaged bounds the paths that are removed one by one: so many fit on a command line
// (execve(2): 2 MiB), and with more a store anew is the better way.
const maxDamaged = 5000

// heal removes what is damaged.
func (s Store) heal(ctx context.Context, root *os.Root, inst Installation) error {
	s.note("an earlier run did not come to its end; looking at what it may have left half")
	dump, err := s.DumpDB(ctx, inst.Program("nix-store"))
	if err != nil {
		return s.anew(ctx, root, "readable database")
	}
	paths, err := parseRegistrations(dump)
	if err != nil {
		return err
	}
	damaged, err := s.damaged(ctx, paths)
	if err != nil || len(damaged) == 0 {
		return err
	}
	gone := withReferrers(paths, damaged)
	isOfNix := func(p string) bool { return p == inst.Nix || p == inst.CACert }
	if len(gone) > maxDamaged || slices.ContainsFunc(gone, isOfNix) {
		return s.anew(ctx, root, "whole Nix")
	}
	if err := s.Delete(ctx, inst.Program("nix-store"), gone); err != nil {
		return s.anew(ctx, root, "way to remove what is damaged")
	}
	s.note(fmt.Sprintf("%d store paths were damaged, %s among them; they are removed, with what refers to them, and made again when they are needed", len(damaged), path.Base(damaged[0])))
	return nil
}
