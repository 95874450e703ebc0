package main

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"nixsd-native/nix"
	"nixsd-native/qemu"
)

// commonFlags are those of every command that has folders and prints progress.
type commonFlags struct {
	state, cache string
	logFormat    string
	json         bool
	verbose      bool
	quiet        bool
}

func (f *commonFlags) register(fs *pflag.FlagSet) {
	f.plain(fs)
	fs.BoolVar(&f.json, "json", false, "print the result as one JSON object")
}

// plainFlags are those of a command without a result.
var plainFlags = []string{"state-dir", "cache-dir", "log-format", "verbose", "quiet"}

func (f *commonFlags) plain(fs *pflag.FlagSet) {
	f.folders(fs)
	fs.StringVar(&f.logFormat, "log-format", "auto", "`auto|plain|json|raw`: how progress is printed")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "also print what builders print")
	fs.BoolVarP(&f.quiet, "quiet", "q", false, "print warnings and errors only")
}

// common is how all commands that embed these flags have them.
func (f *commonFlags) common() *commonFlags { return f }

func (f *commonFlags) folders(fs *pflag.FlagSet) {
	state, cache := hostEnvironment().dirs(os.Geteuid() == 0)
	if runningAsWorker() {
		state, cache = "", "" // the monitor tells
	}
	fs.StringVar(&f.state, "state-dir", state, "`folder` of the Nix store and of locks")
	fs.StringVar(&f.cache, "cache-dir", cache, "`folder` of downloads")
}

func (f *commonFlags) check() error {
	if (f.state == "" || f.cache == "") && !runningAsWorker() {
		return usageErrorf("name folders with --state-dir DIR and --cache-dir DIR, or set HOME", "there is no folder for the state or for the cache")
	}
	for _, dir := range []*string{&f.state, &f.cache} {
		if abs, err := filepath.Abs(*dir); err == nil && *dir != "" {
			*dir = abs
		}
	}
	if err := f.checkLogFormat(); err != nil {
		return err
	}
	if f.quiet && f.verbose {
		return usageErrorf("", "-q and -v exclude each other")
	}
	return nil
}

func (f *commonFlags) checkLogFormat() error {
	if !slices.Contains([]string{"auto", "plain", "json", "raw"}, f.logFormat) {
		return usageErrorf("", "--log-format must be auto, plain, json or raw, not %q", f.logFormat)
	}
	if f.quiet && f.logFormat == "raw" {
		return usageErrorf("", "-q and --log-format raw exclude each other")
	}
	return nil
}

// sourceFlags say where the build's inputs come from.
type sourceFlags struct {
	offline bool
	mirrors []string
	qemu    qemu.Want
	bundle  string // file with all that is needed, instead of the network
}

func (f *sourceFlags) register(fs *pflag.FlagSet) {
	f.emulator(fs)
	f.offlineFlag(fs)
}

// emulatorFlags say where the emulator comes from.
var emulatorFlags = []string{"qemu-deb", "qemu-sha256", "qemu-suite", "debian-mirror"}

func (f *sourceFlags) emulator(fs *pflag.FlagSet) {
	fs.StringVar(&f.qemu.Deb, "qemu-deb", "", "take the emulator from this .deb, a `file or URL`")
	fs.StringVar(&f.qemu.SHA256, "qemu-sha256", "", "the .deb's expected `hash`: of --qemu-deb, or to choose another pinned one")
	fs.StringVar(&f.qemu.Suite, "qemu-suite", "", "take the emulator that a Debian `suite` has now, by its signed index")
	f.debianMirror(fs)
}

// network registers the flags that are not about the emulator.
func (f *sourceFlags) network(fs *pflag.FlagSet) {
	f.debianMirror(fs)
	f.offlineFlag(fs)
}

func (f *sourceFlags) debianMirror(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.mirrors, "debian-mirror", nil, "`URL` of a Debian mirror, before all others; repeatable")
}

func (f *sourceFlags) offlineFlag(fs *pflag.FlagSet) {
	fs.BoolVar(&f.offline, "offline", false, "use no network at all, neither here nor in the build")
}

// registerBundle is for commands that use a bundle.
func (f *sourceFlags) registerBundle(fs *pflag.FlagSet) {
	fs.StringVar(&f.bundle, "bundle", "", "take everything from the `file` that \"bundle create\" made; implies --offline")
}

var hexSHA256 = regexp.MustCompile(`^[0-9a-f]{64}$`)

// suiteName is a suite or codename of Debian's archive, such as trixie-backports.
var suiteName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

func (f *sourceFlags) check() error {
	w := &f.qemu
	w.SHA256 = strings.ToLower(w.SHA256)
	f.offline = f.offline || f.bundle != ""
	switch {
	case w.Deb != "" && w.Suite != "":
		return usageErrorf("", "--qemu-deb and --qemu-suite exclude each other")
	case w.Suite != "" && f.offline:
		return usageErrorf("leave it out, or name a package with --qemu-deb FILE", "only the network knows what a suite has now, so --qemu-suite %s does not go with --offline or --bundle", w.Suite)
	case strings.Contains(w.Deb, "://") && !isWebURL(w.Deb):
		return usageErrorf("", "--qemu-deb must be a file or an http or https URL, not %q", w.Deb)
	case w.SHA256 != "" && !hexSHA256.MatchString(w.SHA256):
		return usageErrorf("", "--qemu-sha256 must be 64 hexadecimal digits, not %q", w.SHA256)
	case w.Suite != "" && !suiteName.MatchString(w.Suite):
		return usageErrorf("name a suite such as trixie or trixie-backports", "--qemu-suite %q is no name of a Debian suite", w.Suite)
	case w.SHA256 != "" && w.Deb == "" && w.Suite == "":
		if _, ok := qemu.ByHash(w.SHA256); !ok {
			return usageErrorf("add --qemu-deb FILE|URL; the pinned ones are listed by \"nixsd-native version\"", "--qemu-sha256 is none of the pinned packages")
		}
	}
	for _, m := range f.mirrors {
		if !isWebURL(m) {
			return usageErrorf("", "--debian-mirror must be an http or https URL, not %q", m)
		}
	}
	return nil
}

func isWebURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// emulation modes, as --emulation takes them.
const (
	emulationAuto    = "auto"
	emulationHost    = "host"
	emulationPrivate = "private"
	emulationNone    = "none"
)

// emulationFlags say how aarch64 programs are run.
type emulationFlags struct {
	mode   string
	remote bool // a remote builder does the aarch64 work, so auto means none
}

func (f *emulationFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.mode, "emulation", emulationAuto, "`auto|host|private|none`: where the emulator is registered")
}

func (f *emulationFlags) check(w qemu.Want) error {
	if !slices.Contains([]string{emulationAuto, emulationHost, emulationPrivate, emulationNone}, f.mode) {
		return usageErrorf("", "--emulation must be auto, host, private or none, not %q", f.mode)
	}
	if f.mode == emulationNone && w != (qemu.Want{}) {
		return usageErrorf("", "--emulation none uses no emulator, so --qemu-… has no effect")
	}
	return nil
}

// emulates reports whether this host needs an emulator.
func (f *emulationFlags) emulates() bool { return f.emulatesOn(nativeSystem()) }

// emulatesOn reports whether a host of a system needs an emulator.
func (f *emulationFlags) emulatesOn(system string) bool {
	return f.mode == emulationHost || f.mode == emulationPrivate || f.mode == emulationAuto && system != nix.System && !f.remote
}

// namedFiles lists the files that these flags name.
func (f *sourceFlags) namedFiles() []string {
	var all []string
	if f.debIsFile() {
		all = append(all, f.qemu.Deb)
	}
	if f.bundle != "" {
		all = append(all, f.bundle)
	}
	return all
}

// debIsFile reports whether --qemu-deb names a file of this machine.
func (f *sourceFlags) debIsFile() bool {
	return f.qemu.Deb != "" && !strings.Contains(f.qemu.Deb, "://")
}
