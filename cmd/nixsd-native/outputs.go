package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"unicode"

	"nixsd-native/internal/image"
)

// outputs are the results of one run, none of them in place until commit.
type outputs struct {
	target  string // as the user named it
	file    string // the name that the user gave the image, or ""
	place   *image.Place
	lost    error // why there is no place
	folder  *image.Folder
	pending map[string]*image.Pending
}

// locateOutputs finds out where a target is. Nothing is made, and errors wait for open.
func locateOutputs(target string) *outputs {
	o := &outputs{target: target}
	if target == "" {
		return o
	}
	var dir string
	dir, o.file = image.Target(target)
	o.place, o.lost = image.Locate(dir)
	return o
}

// notImages are ends of names that no image has, lest one take a configuration's place.
var notImages = []string{".json", ".nix", ".lock", ".pub", ".sha256", ".patch", ".deb"}

// open opens the folder, tries to write to it, and returns the name that the user
// gave the image, or "".
func (o *outputs) open(owner image.Owner) (file string, err error) {
	if o.target == "" {
		return "", errors.New("this command has no outputs")
	}
	if file = o.file; strings.HasPrefix(file, ".") || slices.Contains(notImages, path.Ext(file)) || strings.ContainsFunc(file, unicode.IsControl) {
		return "", usageErrorf("name it like sd-card.img", "--output %s: an image's name neither begins with a dot, nor has line breaks or other control characters, nor ends as those of other files (%s)", o.target, strings.Join(notImages, " "))
	}
	if o.lost != nil {
		return "", o.lost
	}
	if o.folder, err = o.place.Open(owner); err != nil {
		return "", err
	}
	o.pending = map[string]*image.Pending{}
	probe, err := o.folder.Create(cmp.Or(file, "probe"))
	if err != nil {
		return "", err
	}
	probe.Discard()
	return file, nil
}

func (o *outputs) create(name string) (*os.File, error) {
	if o.folder == nil || o.pending[name] != nil {
		return nil, fmt.Errorf("output %s was begun twice or too early", name)
	}
	p, err := o.folder.Create(name)
	if err != nil {
		return nil, err
	}
	o.pending[name] = p
	return p.File, nil
}

// lend lets somebody else change an output until it is committed.
func (o *outputs) lend(name string, to image.Owner) error {
	p := o.pending[name]
	if p == nil {
		return fmt.Errorf("output %s was not begun", name)
	}
	return p.Lend(to)
}

// commit puts outputs in place, in order, and returns their paths.
func (o *outputs) commit(names []string) (paths []string, err error) {
	for _, name := range names {
		p := o.pending[name]
		if p == nil {
			return nil, fmt.Errorf("output %s was not begun", name)
		}
		delete(o.pending, name)
		if err := p.Commit(); err != nil {
			return nil, err
		}
		paths = append(paths, o.folder.Path(name))
	}
	return paths, nil
}

// discard forgets what was not committed, and leaves no folder that was made for nothing.
func (o *outputs) discard() {
	for _, p := range o.pending {
		p.Discard()
	}
	if o.folder != nil {
		o.folder.Close()
	}
	if o.place != nil {
		o.place.RemoveEmpty()
		o.place.Close()
	}
}
