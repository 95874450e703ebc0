package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"nixsd-native/internal/shell"
)

// A located is what an image is made of: a configuration or a flake, on the host and
// as the sandbox sees it. The zero value is the built-in configuration.
type located struct {
	Name  string   // as the command line has it
	File  string   // of the configuration, inside the sandbox; "" for a flake
	Flake flakeRef // --flake
	Dir   string   // folder on the host that the sandbox must see, or ""
	Mount string   // where it sees that
}

// A placer gives every folder its place inside the sandbox.
type placer map[string]string

func (p placer) place(dir string) string {
	if at, ok := p[dir]; ok || dir == "" {
		return at
	}
	at := insideConfig
	if len(p) > 0 {
		at = fmt.Sprintf("%s-%d", insideConfig, len(p)+1)
	}
	p[dir] = at
	return at
}

// locate finds all that is to be built; without a name that is the built-in
// configuration.
func (n needs) locate() ([]located, error) {
	var all []located
	places := placer{}
	for _, name := range n.configs {
		files, err := configsOf(name)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			if file != name || name == ownConfig { // nobody named it, but what it is found in
				folder := name
				if file == name {
					folder = "."
				}
				if err := staysIn(folder, file); err != nil {
					return nil, err
				}
			}
			l, err := locateConfig(file, places)
			if err != nil {
				return nil, err
			}
			all = append(all, l)
		}
	}
	for _, ref := range n.flakes {
		f, err := parseFlake(ref, places)
		if err != nil {
			return nil, err
		}
		all = append(all, located{Name: ref, Flake: f, Dir: f.Dir, Mount: places[f.Dir]})
	}
	if len(all) == 0 {
		all = []located{{}}
	}
	return all, nil
}

// ownConfig is the configuration of a folder that has but one.
const ownConfig = "sd-card.nix"

// configsOf lists the configurations that a name stands for: a file for itself, a
// folder for its sd-card.nix or else for all *.nix files in it and the sd-card.nix of
// each folder in it.
func configsOf(name string) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil || !info.IsDir() {
		return []string{name}, nil
	}
	if own := filepath.Join(name, ownConfig); isFile(own) {
		return []string{own}, nil
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, usageErrorf("name a folder that you may read", "configurations %s: %v", name, bare(err))
	}
	var all []string
	for _, e := range entries {
		file := filepath.Join(name, e.Name())
		if e.IsDir() {
			file = filepath.Join(file, ownConfig)
		}
		if filepath.Ext(file) == ".nix" && e.Name() != "flake.nix" && !strings.HasPrefix(e.Name(), ".") && isFile(file) {
			all = append(all, file)
		}
	}
	if len(all) == 0 {
		return nil, usageErrorf("name a file, or a folder with *.nix files or with folders that have an "+ownConfig+"; for a flake: --flake "+shell.Word(name), "%s holds no configuration", name)
	}
	return all, nil
}

// staysIn refuses a configuration that is a link out of the folder it was found in: who
// wrote what is in the folder would choose which other folder the build sees.
func staysIn(folder, file string) error {
	to, err := filepath.EvalSymlinks(file)
	if err != nil {
		return nil // locateConfig says so
	}
	if folder, err = filepath.EvalSymlinks(folder); err == nil {
		folder, err = filepath.Abs(folder)
	}
	if err == nil {
		to, err = filepath.Abs(to)
	}
	if rel, relErr := filepath.Rel(folder, to); err == nil && relErr == nil && filepath.IsLocal(rel) {
		return nil
	}
	name := file
	if !filepath.IsAbs(name) {
		name = "./" + name
	}
	return usageErrorf("if that is as you want it, name the file itself: "+shell.Path(name), "configuration %s is a link out of its folder, to %s", file, to)
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// locateConfig finds a configuration's file. A link is followed: what a configuration
// imports lies beside the real file.
func locateConfig(name string, places placer) (located, error) {
	file, err := filepath.EvalSymlinks(name)
	if err == nil {
		file, err = filepath.Abs(file)
	}
	if err != nil {
		return located{}, usageErrorf("name an existing file, or leave it out to use ./sd-card.nix or else the built-in one", "configuration %s: %v", name, bare(err))
	}
	info, err := os.Stat(file)
	if err != nil {
		return located{}, usageErrorf("", "configuration %s: %v", name, bare(err))
	}
	if !info.Mode().IsRegular() {
		return located{}, usageErrorf("name the file itself, such as "+filepath.Join(name, ownConfig), "configuration %s is no file", name)
	}
	dir := filepath.Dir(file)
	at := places.place(dir)
	return located{Name: name, File: at + "/" + filepath.Base(file), Dir: dir, Mount: at}, nil
}

// folders lists the folders of all, each once, in the order of their places.
func folders(all []located) []located {
	var once []located
	for _, l := range all {
		if l.Dir != "" && !slices.ContainsFunc(once, func(o located) bool { return o.Mount == l.Mount }) {
			once = append(once, l)
		}
	}
	return once
}

// plainNames are file names that say nothing: the folder's takes their place.
var plainNames = []string{"sd-card", "default", "configuration"}

// stem is what an image is called, when several are built, without its end.
func (l located) stem() string {
	if l.Name != "" && l.File == "" {
		name := l.Flake.Name
		if name == "" {
			name = "flake"
		}
		return strings.ReplaceAll(name, "/", "-")
	}
	if l.Name == "" {
		return "sd-card"
	}
	stem := strings.TrimSuffix(filepath.Base(l.Name), ".nix")
	if slices.Contains(plainNames, stem) {
		stem = filepath.Base(l.Dir)
	}
	return strings.TrimLeft(stem, ".")
}

// stems names the images of several targets; two of one name are an error.
func stems(all []located) ([]string, error) {
	var names []string
	for i, l := range all {
		name := l.stem()
		if len(all) > 1 && strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return nil, usageErrorf("rename it", "an image cannot be called after %q", l.Name)
		}
		if j := slices.Index(names, name); j >= 0 {
			if all[j].File == l.File && all[j].Flake == l.Flake {
				return nil, usageErrorf("name it once; a folder names all that are in it", "%s stands twice among what is to be built, the first time as %s", l.Name, all[j].Name)
			}
			return nil, usageErrorf("rename one, or build them one by one", "the images of %s and %s would both be called %s.img", all[j].Name, all[i].Name, name)
		}
		names = append(names, name)
	}
	return names, nil
}
