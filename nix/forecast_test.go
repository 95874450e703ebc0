package nix

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Store paths of testdata/golden.
const (
	partDrv       = "/nix/store/pisdghl27p4ixvn7146m43zw7phvaq02-part-1.0.drv"
	wholeDrv      = "/nix/store/pnimii6fxwacix5830ngl02z4sra6hmr-whole-1.0.drv"
	brokenDrv     = "/nix/store/q2xbhd3a85zk7nnr8qmhmsr2kn757k8r-broken-1.0.drv"
	alsoBrokenDrv = "/nix/store/y4jrx2iz1mzdx8pj0nk57xv9cc4jns9n-also-broken-1.0.drv"
	needsBothDrv  = "/nix/store/b9xc1p3xhn9gp4w8vjdq33d5zpl9ijxm-needs-both-1.0.drv"
	needsDrv      = "/nix/store/0slalz8ask1n456x7i0w5vc8590mg8ls-needs-broken-1.0.drv"
	part          = "/nix/store/1x1amsh7w3006xckvy9x9035qs7bif64-part-1.0"
	whole         = "/nix/store/i4yiv717xngv7x191lkmwy6afndxf4i0-whole-1.0"
	nowhere       = "/nix/store/00000000000000000000000000000000-nowhere-1.0"
)

func TestParseForecastGolden(t *testing.T) {
	for name, want := range map[string]Forecast{
		"dry-build-one":     {Build: []string{partDrv}},
		"dry-build-several": {Build: []string{brokenDrv, alsoBrokenDrv, needsBothDrv, partDrv, wholeDrv}},
		"dry-fetch-one":     {Fetch: []string{part}},
		"dry-fetch-several": {Fetch: []string{part, whole}},
		"dry-both":          {Build: []string{brokenDrv, needsDrv}, Fetch: []string{part, whole}},
		"dry-unknown":       {Unknown: []string{nowhere}},
	} {
		got, err := ParseForecast(bytes.NewReader(golden(t, name+".txt")))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("ParseForecast(%s) = %+v, %v; want %+v", name, got, err, want)
		}
	}
}

func TestParseForecast(t *testing.T) {
	fetch := func(sizes string) string { return "this path will be fetched (" + sizes + "):\n  " + part + "\n" }
	fetched := func(download, unpacked int64) Forecast {
		return Forecast{Fetch: []string{part}, Download: download, Unpacked: unpacked}
	}
	tests := []struct {
		text string
		want Forecast
	}{
		{"", Forecast{}}, // all is there
		{fetch("0.50 MiB download, 2.25 MiB unpacked"), fetched(512<<10, 2304<<10)},
		{fetch("1.5 KiB download, 3.0 GiB unpacked"), fetched(1536, 3<<30)}, // newer versions
		{fetch("512.5 TiB download, 1.0 EiB unpacked"), fetched(1025<<39, 1<<60)},
		{"\x1b[35;1mwarning:\x1b[0m something\nthis derivation will be built:\n  " + partDrv + "\n", Forecast{Build: []string{partDrv}}},
		{"these 2 derivations will be built:\n  " + partDrv + "\nwarning: x\n  " + wholeDrv + "\n", Forecast{Build: []string{partDrv}}},
		{"this derivation will be built:\n  not a path\n  " + partDrv + "\r\n", Forecast{Build: []string{partDrv}}},
		{"don't know how to build these paths (may be caused by read-only store access):\n  " + nowhere, Forecast{Unknown: []string{nowhere}}},
		{"  " + partDrv + "\nwould be built\n  " + partDrv, Forecast{}},
	}
	for _, test := range tests {
		got, err := ParseForecast(strings.NewReader(test.text))
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("ParseForecast(%q) = %+v, %v; want %+v", test.text, got, err, test.want)
		}
	}
	for _, text := range []string{
		fetch("1.5 QiB download, 1.0 MiB unpacked"), fetch("1.5 MiB download, 1.2.3 MiB unpacked"), fetch("9999999999 MiB download, 1.0 MiB unpacked"), fetch("8.0 EiB download, 1.0 MiB unpacked"),
		strings.Repeat("x", MaxLine+1),
	} {
		if got, err := ParseForecast(strings.NewReader(text)); err == nil {
			t.Errorf("ParseForecast(%.80q) = %+v; want an error", text, got)
		}
	}
}

// FuzzParseForecast shows that nothing but store paths gets into the lists.
func FuzzParseForecast(f *testing.F) {
	f.Add(golden(f, "dry-both.txt"))
	f.Add(golden(f, "dry-unknown.txt"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := ParseForecast(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, p := range slices.Concat(got.Build, got.Fetch, got.Unknown) {
			if !storePath.MatchString(p) {
				t.Errorf("ParseForecast(%q) lists %q", data, p)
			}
		}
		if got.Download < 0 || got.Unpacked < 0 {
			t.Errorf("ParseForecast(%q) = %d and %d bytes", data, got.Download, got.Unpacked)
		}
		got.Heavy()
	})
}

// TestHeavy uses names as nixpkgs has them.
func TestHeavy(t *testing.T) {
	for name, want := range map[string]string{
		"linux-6.6.31": "kernel", "linux-6.9-rc5": "kernel", "linux-6.12.34-rt10": "kernel", "linux-rpi-6.6.31-stable_20240529": "kernel",
		"linux-hardened-6.6.30-hardened1": "kernel", "linux-zen-6.9.1-zen1": "kernel",
		"gcc-13.3.0": "compiler", "llvm-18.1.8": "LLVM", "clang-17.0.6": "LLVM", "compiler-rt-libc-17.0.6": "",
		"rustc-1.78.0": "Rust", "cargo-1.78.0": "Rust", "ghc-9.6.5": "Haskell compiler", "go-1.22.3": "Go compiler",
		"openjdk-headless-21.0.3+9": "Java", "openjdk-17.0.11+9": "Java", "qtbase-6.7.1": "Qt", "qtwebengine-5.15.16": "Qt",
		"chromium-unwrapped-125.0.6422.76": "browser", "firefox-unwrapped-126.0": "browser", "webkitgtk-2.44.2+abi=4.1": "browser",
		"nodejs-20.12.2": "JavaScript engine", "nodejs-slim-20.12.2": "JavaScript engine",
		"python3-3.11.9": "interpreter", "perl-5.38.2": "interpreter",
		"systemd-255.6": "large package", "glibc-2.39-52": "large package", "openssl-3.0.13": "large package",
		"zfs-kernel-2.2.4-6.6.31": "ZFS for a kernel of its own",
		"stdenv-linux":            "the whole tool chain", "bootstrap-stage2-gcc-wrapper-13.2.0": "the whole tool chain",

		// Quick ones whose names are alike.
		"linux-6.6.31-modules-shrunk": "", "linux-firmware-20240513": "", "linux-pam-1.6.1": "", "linux-headers-static-6.7": "", "linux-config-6.6.31": "",
		"util-linux-2.39.4": "", "gcc-wrapper-13.3.0": "", "gcc-13.3.0-lib": "", "clang-wrapper-17.0.6": "", "llvm-src-18.1.8": "",
		"binutils-wrapper-2.41": "", "cargo-auditable-0.6.3": "", "rustfmt-1.78.0": "", "go-modules-1.0": "", "go-1.22.3-linux-amd64-bootstrap": "",
		"ghc-9.6.5-with-packages": "", "python3-3.11.9-env": "", "python3.11-requests-2.31.0": "", "perl5.38.2-XML-Parser-2.46": "", "perl-5.38.2-env": "",
		"nodejs-to-nix-1": "", "systemd-minimal-255.6": "", "unit-systemd-timesyncd.service": "", "glibc-locales-2.39-52": "", "boost-build-4.4.1": "",
		"linux-6.6.31-modules": "", "linux-6.6.31.tar.xz": "", "glibc-2.39.tar.xz": "", "firefox-126.0.source.tar.xz": "", "openssl-3.0.13.tar.gz": "",
		"rustc-1.78.0-src.tar.gz": "", "rustc-wrapper-1.78.0": "", "rustc-bootstrap-1.77.0": "", "firefox-126.0": "", "chromium-125.0.6422.76": "",
		"linux-xanmod-6.8.10-xanmod1": "kernel",
		"zfs-user-2.2.4":              "", "nixos-system-pi-24.05": "", "nixos-sd-image-24.05-aarch64-linux.img": "", "ext4-fs.img.zst": "", "stdenv-linux-2": "", "": "",
	} {
		drv := "/nix/store/" + strings.Repeat("0", 32) + "-" + name + ".drv"
		got := Forecast{Build: []string{partDrv, drv}}.Heavy()
		var expected []Heavy
		if want != "" {
			expected = []Heavy{{Derivation: drv, Name: name, What: want}}
		}
		if !slices.Equal(got, expected) {
			t.Errorf("Heavy of %q = %q; want %q", name, got, expected)
		}
	}
}
