package nix

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// A Forecast is what Nix says, in a dry run, that it would do.
type Forecast struct {
	Build    []string // store paths of derivations
	Fetch    []string // store paths
	Download int64    // bytes, compressed
	Unpacked int64    // bytes
	Unknown  []string // store paths that nobody can build or has
}

// DryRunArgs returns the arguments of a dry run of RealiseArgs.
func DryRunArgs(i Installation, derivations ...string) []string {
	return append([]string{i.Program("nix-store"), "--realise", "--dry-run"}, derivations...)
}

// Headings of a dry run, from src/libmain/shared.cc.
var (
	buildHeading   = regexp.MustCompile(`^(these \d+ derivations|this derivation) will be built:$`)
	fetchHeading   = regexp.MustCompile(`^(these \d+ paths|this path) will be fetched \(([0-9.]+) (.)iB download, ([0-9.]+) (.)iB unpacked\):$`)
	unknownHeading = regexp.MustCompile(`^don't know how to build these paths`)
)

// maxForecast bounds a dry run's text in bytes; 10,000 paths take 1 MB.
const maxForecast = 64 << 20

// ParseForecast reads what a dry run printed on standard error. Lines that are part
// of no list are passed over: warnings, and messages of newer versions.
func ParseForecast(r io.Reader) (Forecast, error) {
	var f Forecast
	var list *[]string
	scan := bufio.NewScanner(io.LimitReader(r, maxForecast))
	scan.Buffer(nil, MaxLine)
	for scan.Scan() {
		line := clean(scan.Text())
		if path, ok := strings.CutPrefix(line, "  "); ok {
			if list != nil && storePath.MatchString(path) {
				*list = append(*list, path)
			}
			continue
		}
		list = nil
		if m := fetchHeading.FindStringSubmatch(line); m != nil {
			var err1, err2 error
			f.Download, err1 = parseSize(m[2], m[3])
			f.Unpacked, err2 = parseSize(m[4], m[5])
			if err1 != nil || err2 != nil {
				return f, fmt.Errorf("forecast: %q", line)
			}
			list = &f.Fetch
		} else if buildHeading.MatchString(line) {
			list = &f.Build
		} else if unknownHeading.MatchString(line) {
			list = &f.Unknown
		}
	}
	return f, scan.Err()
}

// parseSize reads a number with one digit behind the point and the letter of a
// binary unit.
func parseSize(number, unit string) (int64, error) {
	n, err := strconv.ParseFloat(number, 64)
	power := strings.Index("KMGTPE", unit)
	bytes := n * float64(int64(1)<<(10*(power+1)))
	if err != nil || power < 0 || n > 1<<20 || bytes > 1<<62 {
		return 0, fmt.Errorf("%s %siB is no size", number, unit)
	}
	return int64(bytes), nil
}

// heavy are names of derivations whose build takes an hour or more under emulation,
// and what they are. A name ends at a version, or goes on with the given text.
var heavy = []struct {
	pattern *regexp.Regexp
	what    string
}{
	{regexp.MustCompile(`^linux-(rpi-|hardened-|zen-|xanmod-|lqx-|libre-|lts-|vendor-)?[0-9]+\.[0-9]+[^-]*(-[^-]*)?$`), "kernel"},
	{regexp.MustCompile(`^gcc-[0-9.]+$`), "compiler"},
	{regexp.MustCompile(`^(llvm|clang|lld|mlir|flang|compiler-rt)-[0-9.]+`), "LLVM"},
	{regexp.MustCompile(`^(rustc|cargo)-[0-9.]+$`), "Rust"},
	{regexp.MustCompile(`^ghc-[0-9.]+$`), "Haskell compiler"},
	{regexp.MustCompile(`^go-[0-9.]+$`), "Go compiler"},
	{regexp.MustCompile(`^(openjdk|zulu|graalvm)[a-z-]*-[0-9]`), "Java"},
	{regexp.MustCompile(`^(qtbase|qtdeclarative|qtwebengine|qt-full|pyqt)[a-z0-9]*-[0-9]`), "Qt"},
	{regexp.MustCompile(`^((chromium|firefox|thunderbird|electron)-unwrapped|webkitgtk)-[0-9]`), "browser"},
	{regexp.MustCompile(`^(nodejs|nodejs-slim|v8|deno|bun)-[0-9]`), "JavaScript engine"},
	{regexp.MustCompile(`^(python3|perl)-[0-9.]+$`), "interpreter"},
	{regexp.MustCompile(`^(systemd|glibc|binutils|mesa|openssl|boost|opencv|libreoffice|blender)-[0-9]`), "large package"},
	{regexp.MustCompile(`^(zfs-kernel|zfs)-[0-9]`), "ZFS for a kernel of its own"},
	{regexp.MustCompile(`^stdenv-linux$|^bootstrap-stage[0-9]`), "the whole tool chain"},
}

// light are names like those, of downloads and of NixOS's tree of links to a kernel's
// modules, which every image has.
var light = regexp.MustCompile(`\.(tar(\.[a-z0-9]+)?|tgz|zip|patch|diff)$|-modules$`)

// A Heavy is a derivation that would take long to build under emulation.
type Heavy struct{ Derivation, Name, What string }

// Heavy returns the derivations of a forecast that take an hour or more under
// emulation, by a list that is kept by hand.
func (f Forecast) Heavy() []Heavy {
	var all []Heavy
	for _, drv := range f.Build {
		name := DerivationName(drv)
		for _, h := range heavy {
			if h.pattern.MatchString(name) && !light.MatchString(name) {
				all = append(all, Heavy{drv, name, h.what})
				break
			}
		}
	}
	return all
}
