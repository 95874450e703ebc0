package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"nixsd-native/internal/shell"
	"nixsd-native/internal/wifi"
)

// A place is where a configuration and its Wi-Fi's key are written.
type place struct{ config, secret string }

// secretSuffix ends the name of the file with a configuration's Wi-Fi key.
const secretSuffix = ".wifi"

// locate finds out where to write, and refuses what is there already.
func (j *initJob) locate() (place, error) {
	name := j.output
	if info, err := os.Stat(name); err == nil && info.IsDir() || strings.HasSuffix(name, "/") {
		name = filepath.Join(name, ownConfig)
	}
	if filepath.Ext(name) != ".nix" {
		return place{}, usageErrorf("name it like board.nix, or like "+shell.Word(j.output+"/")+" if it is to be a folder", "--output %s is no name of a configuration", j.output)
	}
	p := place{name, strings.TrimSuffix(name, ".nix") + secretSuffix}
	for _, file := range []string{p.config, p.secret} {
		if _, err := os.Lstat(file); err == nil {
			return p, exists(file)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return p, cannotWrite(file, err)
		}
	}
	return p, nil
}

func exists(file string) error {
	return usageErrorf("name another with -o, or move it away", "%s is there already, and is not overwritten", file)
}

// write makes the configuration and, if its Wi-Fi's passphrase is known, the file with
// the key, or neither; a folder made for them stays.
func (p place) write(j *initJob) error {
	text, err := j.Text()
	if err != nil {
		return err
	}
	folder := filepath.Dir(p.config)
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return cannotWrite(folder, err)
	}
	if j.passphrase != "" {
		key, err := wifi.Key(j.WiFi, j.passphrase)
		if err != nil {
			return err
		}
		if err := writeNew(p.secret, key+"\n", wifi.Mode); err != nil {
			return err
		}
	}
	if err = writeNew(p.config, text, 0o666); err != nil && j.passphrase != "" {
		os.Remove(p.secret)
	}
	return err
}

// writeNew makes a file that was not there, whole or not at all.
func writeNew(name, text string, mode os.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return exists(name)
	}
	if err != nil {
		return cannotWrite(name, err)
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		os.Remove(name)
		return cannotWrite(name, err)
	}
	return nil
}

// cannotWrite says that a file or folder could not be made.
func cannotWrite(name string, err error) error {
	return &codedError{exitOutput, fmt.Sprintf("%s cannot be written: %v", name, bare(err)), []string{"name another place, with room and that you may write to: -o FOLDER"}}
}

// tellMore says what is to be done with what was written.
func (j *initJob) tellMore(a *app, p place) {
	say := func(format string, args ...any) { fmt.Fprintf(a.errs, format+"\n", args...) }
	build := "nixsd-native build"
	if p.config != ownConfig {
		build += " " + shell.Path(p.config)
	}
	say("Look it over, then build the image: %s", build)
	if j.Board.NeedsPi5 {
		say("A Raspberry Pi 5 needs a nixpkgs from mid-2026 or later. If the build says that it is older, add --nixos-release unstable.")
	}
	if j.Board.NoEthernet && j.WiFi == "" {
		say("warning: this board has no Ethernet, and no Wi-Fi was named: it will be alone without an adapter")
	}
	if j.HasStatic() && !j.Static.Gateway.IsValid() {
		say("warning: without a gateway the board reaches its own network only; to name one, and a DNS server if it is another: --static-ip %s,GATEWAY[,DNS]", j.Static.Address)
	}
	if j.WiFi == "" {
		return
	}
	inject := "nixsd-native inject IMAGE --wifi " + shell.Word(j.WiFi)
	if j.passphrase != "" {
		inject += " --wifi-passphrase-file " + shell.Word(p.secret)
	}
	say("Put the Wi-Fi's key into the image then: %s", inject)
	if j.passphrase != "" {
		say("The key is in %s, for you alone: keep it out of version control.", p.secret)
	}
}
