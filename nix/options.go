package nix

import (
	"fmt"
	"regexp"
	"strings"
)

// reserved are settings that somebody's --option may not change, and why. What begins
// with "extra-" is the same setting.
var reserved = map[string]string{
	"sandbox": keepsApart, "sandbox-fallback": keepsApart, "sandbox-paths": keepsApart, "sandbox-build-dir": keepsApart,
	"build-users-group": keepsApart, "require-drop-supplementary-groups": keepsApart, "filter-syscalls": keepsApart,
	"allow-new-privileges": keepsApart, "allowed-impure-host-deps": keepsApart, "build-dir": keepsApart,
	"allow-unsafe-native-code-during-evaluation": keepsApart, "plugin-files": keepsApart, "use-cgroups": keepsApart,
	"auto-allocate-uids": keepsApart, "id-count": keepsApart, "start-id": keepsApart,
	"build-hook": keepsApart, "pre-build-hook": keepsApart, "post-build-hook": keepsApart, "diff-hook": keepsApart,
	"require-sigs": onlySigned, "trusted-substituters": onlySigned, "trusted-users": onlySigned, "allowed-users": onlySigned,
	"accept-flake-config": onlySigned, "secret-key-files": onlySigned, "netrc-file": onlySigned, "ssl-cert-file": onlySigned,
	"substituters": "use --substituter", "trusted-public-keys": "use --trusted-public-key",
	"builders": "use --builder or --builders", "builders-use-substitutes": "remote builders always do",
	"cores": "use --cores", "max-jobs": "use --max-jobs", "keep-going": "use --keep-going",
	"system": "the machine decides it", "extra-platforms": "use --emulation", "store": "use --state-dir",
	"experimental-features": "use extra-experimental-features, which adds to those that are needed",
	"include":               "it reads another file",
	"eval-system":           "the machine decides it",
	"external-builders":     keepsApart,
}

// oldNames are aliases of settings (src/libstore/globals.hh). Of the two names in a
// nix.conf the last wins, by its place and not by who wrote it.
var oldNames = map[string]string{
	"build-use-chroot": "sandbox", "build-use-sandbox": "sandbox", "build-chroot-dirs": "sandbox-paths", "build-sandbox-paths": "sandbox-paths",
	"binary-caches": "substituters", "trusted-binary-caches": "trusted-substituters", "binary-cache-public-keys": "trusted-public-keys",
	"build-cores": "cores", "build-max-jobs": "max-jobs", "build-fallback": "fallback", "binary-caches-parallel-connections": "http-connections",
	"build-timeout": "timeout", "build-max-silent-time": "max-silent-time", "build-max-log-size": "max-build-log-size", "build-repeat": "repeat",
	"build-compress-log": "compress-build-log", "build-keep-log": "keep-build-log", "build-use-substitutes": "substitute",
	"build-impersonate-linux-26": "impersonate-linux-26", "gc-keep-derivations": "keep-derivations", "gc-keep-outputs": "keep-outputs",
	"env-keep-derivations": "keep-env-derivations",
}

const (
	keepsApart = "it is part of what keeps builds apart from this machine and from each other"
	onlySigned = "it is part of what keeps out results that nobody trusted has signed"
)

var settingName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// CheckOption reports why a setting may not be chosen freely.
func CheckOption(name, value string) error {
	if !settingName.MatchString(name) {
		return fmt.Errorf("%q is no name of a setting", name)
	}
	base := strings.TrimPrefix(name, "extra-")
	if now, old := oldNames[base]; old {
		return fmt.Errorf("%s is an old name: say %s", name, strings.TrimSuffix(name, base)+now)
	}
	reason, found := reserved[name]
	if !found && name != "extra-experimental-features" {
		reason, found = reserved[base]
	}
	if found {
		return fmt.Errorf("%s cannot be set: %s", name, reason)
	}
	_, err := format(map[string]string{name: value})
	return err
}
