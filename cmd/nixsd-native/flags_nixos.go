package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"nixsd-native/nix"
)

// nixosFlags say which NixOS and which Nix are used. Those in locked are recorded in
// the lock file.
type nixosFlags struct {
	release, nixpkgs, nixpkgsSHA256 string
	tarball, tarballSHA256          string // of Nix
	lockFile                        string
	channelMirrors, nixMirrors      []string
	patches                         []string
	resize2fs                       bool
	withoutZFS                      bool
	flakes                          []string
	attr                            string
}

// inputs registers the flags about what is downloaded.
func (f *nixosFlags) inputs(fs *pflag.FlagSet) {
	fs.StringVar(&f.release, "nixos-release", "", "`release` of NixOS, such as "+nix.DefaultRelease+" or unstable (default "+nix.DefaultRelease+")")
	fs.StringVar(&f.nixpkgs, "nixpkgs", "", "another nixpkgs: the `URL` of a tarball, a revision, or a folder")
	fs.StringVar(&f.nixpkgsSHA256, "nixpkgs-sha256", "", "the expected `hash` of --nixpkgs, a tarball")
	fs.StringVar(&f.tarball, "nix", "", "another Nix: its binary tarball, a `file or URL`")
	fs.StringVar(&f.tarballSHA256, "nix-sha256", "", "the expected `hash` of --nix")
	fs.StringVar(&f.lockFile, "lock-file", "", "`file` that pins the inputs (default "+nix.LockName+" beside CONFIG)")
	fs.StringArrayVar(&f.channelMirrors, "channel-mirror", nil, "`URL` of a mirror of NixOS channels, to resolve them at instead of "+nix.ChannelsURL+"; repeatable")
	fs.StringArrayVar(&f.nixMirrors, "nix-mirror", nil, "`URL` of a mirror of "+nix.ReleasesURL+", asked before it; repeatable")
}

// changes registers the flags about what is made of it.
func (f *nixosFlags) changes(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.flakes, "flake", nil, "build `REF#NAME` of a flake's nixosConfigurations instead of CONFIG; repeatable")
	fs.StringVar(&f.attr, "attr", nix.DefaultAttr, "build another `attribute` of the system")
	fs.StringArrayVar(&f.patches, "patch", nil, "apply the patch in `file` to nixpkgs first; repeatable")
	fs.BoolVar(&f.resize2fs, "apply-resize2fs-patch", false, "let the image builder of NixOS 20.03 and older check the file system before it shrinks it")
	fs.BoolVar(&f.withoutZFS, "disable-zfs", false, "leave ZFS out of the image")
}

// asked are the flags that choose inputs, as they were given, by name.
func (f *nixosFlags) asked(s *sourceFlags) map[string]string {
	all := map[string]string{
		"nixos-release": f.release, "nixpkgs": f.nixpkgs, "nixpkgs-sha256": f.nixpkgsSHA256,
		"nix": f.tarball, "nix-sha256": f.tarballSHA256,
		"qemu-deb": s.qemu.Deb, "qemu-sha256": s.qemu.SHA256, "qemu-suite": s.qemu.Suite,
	}
	for name, value := range all {
		switch {
		case value == "":
			delete(all, name)
		case (name == "nix" || name == "qemu-deb") && !strings.Contains(value, "://"):
			all[name] = filepath.Base(value) // a file, wherever it lies
		default:
			all[name] = withoutLogin(value)
		}
	}
	return all
}

// setAsked is the reverse of asked, for what no flag that was given is about.
func (f *nixosFlags) setAsked(s *sourceFlags, flags map[string]string) {
	for _, about := range []map[string]*string{
		{"nixos-release": &f.release, "nixpkgs": &f.nixpkgs, "nixpkgs-sha256": &f.nixpkgsSHA256},
		{"nix": &f.tarball, "nix-sha256": &f.tarballSHA256},
		{"qemu-deb": &s.qemu.Deb, "qemu-sha256": &s.qemu.SHA256, "qemu-suite": &s.qemu.Suite},
	} {
		given := false
		for _, to := range about {
			given = given || *to != ""
		}
		for name, to := range about {
			if !given {
				*to = flags[name]
			}
		}
	}
}

func (f *nixosFlags) check(demo bool) error {
	f.nixpkgsSHA256, f.tarballSHA256 = strings.ToLower(f.nixpkgsSHA256), strings.ToLower(f.tarballSHA256)
	if f.release != "" {
		if _, err := nix.Channel(f.release); err != nil {
			return usageErrorf("", "--nixos-release: %v", err)
		}
	}
	switch {
	case f.release != "" && f.nixpkgs != "":
		return usageErrorf("", "--nixos-release and --nixpkgs exclude each other")
	case f.nixpkgsSHA256 != "" && (f.nixpkgs == "" || f.nixpkgsIsFolder()):
		return usageErrorf("", "--nixpkgs-sha256 is about --nixpkgs URL or REVISION")
	case f.nixpkgsSHA256 != "" && !hexSHA256.MatchString(f.nixpkgsSHA256):
		return usageErrorf("", "--nixpkgs-sha256 must be 64 hexadecimal digits, not %q", f.nixpkgsSHA256)
	case f.tarballSHA256 != "" && f.tarball == "":
		return usageErrorf("", "--nix-sha256 is about --nix FILE|URL")
	case f.tarballSHA256 != "" && !hexSHA256.MatchString(f.tarballSHA256):
		return usageErrorf("", "--nix-sha256 must be 64 hexadecimal digits, not %q", f.tarballSHA256)
	case strings.Contains(f.tarball, "://") && !isWebURL(f.tarball):
		return usageErrorf("", "--nix must be a file or an http or https URL, not %q", f.tarball)
	case strings.Contains(f.tarball, "://") && f.tarballSHA256 == "":
		return usageErrorf("add --nix-sha256 HASH; upstream has it in a file .sha256 beside the tarball", "a Nix from a URL needs its hash")
	}
	for _, m := range slices.Concat(f.channelMirrors, f.nixMirrors) {
		if !isWebURL(m) {
			return usageErrorf("", "--channel-mirror and --nix-mirror must be http or https URLs, not %q", m)
		}
	}
	if demo {
		return f.refusedForDemo()
	}
	return f.checkChanges()
}

// refusedForDemo names a flag that the demo, whose inputs are Debian's, has no use for.
func (f *nixosFlags) refusedForDemo() error {
	for name, given := range map[string]bool{
		"--nixos-release": f.release != "", "--nixpkgs": f.nixpkgs != "", "--nix": f.tarball != "", "--lock-file": f.lockFile != "",
		"--flake": f.ofFlake(), "--patch": len(f.patches) > 0, "--apply-resize2fs-patch": f.resize2fs,
		"--channel-mirror": len(f.channelMirrors) > 0, "--nix-mirror": len(f.nixMirrors) > 0,
		"--disable-zfs": f.withoutZFS,
	} {
		if given {
			return usageErrorf("", "--demo is not made of NixOS, so %s has no effect", name)
		}
	}
	return nil
}

func (f *nixosFlags) checkChanges() error {
	if f.ofFlake() {
		for name, given := range map[string]bool{
			"--nixos-release": f.release != "", "--nixpkgs": f.nixpkgs != "",
			"--patch": len(f.patches) > 0, "--apply-resize2fs-patch": f.resize2fs,
		} {
			if given {
				return usageErrorf("change the flake's input nixpkgs", "a flake brings its own nixpkgs, so --flake and %s exclude each other", name)
			}
		}
	}
	if f.attr != "" && !attrPath.MatchString(f.attr) {
		return usageErrorf("name one such as "+nix.DefaultAttr, "--attr %q is no attribute path", f.attr)
	}
	return nil
}

// attrPath is a dotted path of attributes.
var attrPath = regexp.MustCompile(`^[A-Za-z_][\w'-]*(\.("[^"\\$]+"|[A-Za-z_][\w'-]*))*$`)

// orDefault are the configurations that a command names, or else the default, if any.
func (f *nixosFlags) orDefault(args []string) []string {
	if len(args) > 0 || f.ofFlake() || !isFile(ownConfig) {
		return args
	}
	return []string{ownConfig}
}

// mustExist refuses configurations that are not there, for commands that only want the
// lock beside them.
func mustExist(configs []string) error {
	for _, name := range configs {
		if _, err := os.Stat(name); err != nil && !runningAsWorker() { // who may be kept out
			return usageErrorf("", "configuration %s: %v", name, bare(err))
		}
	}
	return nil
}

// ofFlake reports whether flakes are built, which bring their nixpkgs.
func (f *nixosFlags) ofFlake() bool { return len(f.flakes) > 0 }

// nixpkgsIsFolder reports whether --nixpkgs names a folder of this machine.
func (f *nixosFlags) nixpkgsIsFolder() bool {
	return f.nixpkgs != "" && !nix.IsRevision(f.nixpkgs) && !isWebURL(f.nixpkgs)
}

// files lists the files that these flags name.
func (f *nixosFlags) files() []string {
	all := slices.Clone(f.patches)
	if f.tarball != "" && !strings.Contains(f.tarball, "://") {
		all = append(all, f.tarball)
	}
	return all
}

// lockPath is where the lock file lies: beside what is built or, if that lies in
// several folders, in the current one.
func (f *nixosFlags) lockPath(configs []string) string {
	if f.lockFile != "" {
		return f.lockFile
	}
	var all []string
	for _, name := range configs {
		all = append(all, besideConfig(name))
	}
	for _, ref := range f.flakes {
		all = append(all, besideConfig(folderOfFlake(ref)))
	}
	if slices.Sort(all); len(slices.Compact(all)) != 1 {
		return nix.LockName
	}
	return all[0]
}

// besideConfig is the lock's place for one configuration, or for a folder of them.
func besideConfig(config string) string {
	if info, err := os.Stat(config); err == nil && info.IsDir() {
		return filepath.Join(config, nix.LockName)
	}
	if config == "" {
		return nix.LockName
	}
	return filepath.Join(filepath.Dir(config), nix.LockName)
}

// nixosNeeds are the needs of a command that builds, or prepares to build, configs.
func (f *nixosFlags) nixosNeeds(configs []string, demo bool) needs {
	n := needs{configs: configs, flakes: f.flakes}
	if f.nixpkgsIsFolder() {
		n.nixpkgs = f.nixpkgs
	}
	if !demo {
		n.lockFile = f.lockPath(configs)
	}
	return n
}
