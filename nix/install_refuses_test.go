package nix

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nixsd-native/internal/decompress"
	"nixsd-native/internal/untar"
)

// A badTarball is one that must be refused, and the reason, by a type of error and
// some of its words.
type badTarball struct {
	name string
	data []byte
	is   func(error) bool
	want string
}

func isTarball(err error) bool { e := (*TarballError)(nil); return errors.As(err, &e) }
func isFormat(err error) bool  { e := (*untar.FormatError)(nil); return errors.As(err, &e) }
func isDamage(err error) bool  { e := (*decompress.FormatError)(nil); return errors.As(err, &e) }

// hostile are what no tarball may hold below its folder top.
func hostile(top string) map[string][]entry {
	return map[string][]entry{
		"parent":                {reg(top+"/../../outside", "bad")},
		"absolute name":         {reg("/outside", "bad")},
		"device":                {device(top + "/null")},
		"hard link outside":     {hard(top+"/h", "../../../outside")},
		"hard link to a link":   {link(top+"/l", "../../../../outside"), hard(top+"/h", top+"/l")},
		"through a link":        {link(top+"/l", "../../../.."), reg(top+"/l/outside", "bad")},
		"through absolute link": {link(top+"/l", "/tmp"), reg(top+"/l/outside", "bad")},
		"over a link":           {link(top+"/l", "../../../../outside"), reg(top+"/l", "bad")},
	}
}

// badTarballs are refused for Nix and channels alike; good is a sound one.
func badTarballs(t *testing.T, top string, good []entry) []badTarball {
	packed := compress(t, "zstd", archive(t, good...))
	all := []badTarball{
		{"two folders", archive(t, append(good, folder("another/"))...), isTarball, "does not hold one folder"},
		{"file beside", archive(t, append(good, reg("README", ""))...), isTarball, "does not hold one folder"},
		{"a file", archive(t, reg("install", upstreamScript)), isTarball, "does not hold one folder"},
		{"a link", archive(t, link("nix", "store")), isTarball, "does not hold one folder"},
		{"empty archive", archive(t), isFormat, "is empty"},
		{"empty", nil, isFormat, "is empty"},
		{"a page", []byte(strings.Repeat("<html>moved</html>\n", 100)), isFormat, "is damaged"},
		{"truncated", packed[:len(packed)/2], isFormat, "zstd"},
		{"gzip's head only", []byte("\x1f\x8b\x08"), isDamage, "gzip"},
	}
	for name, entries := range hostile(top) {
		all = append(all, badTarball{name, archive(t, append(good, entries...)...), isFormat, "unpack: "})
	}
	return all
}

// TestInstallRefuses shows which tarballs are no Nix, and that they are recognised as
// the tarball's fault and leave nothing.
func TestInstallRefuses(t *testing.T) {
	store := nixTop + "/store/"
	lacks := func(prefix string, more ...entry) []byte {
		return archive(t, append(without(nixEntries(), prefix), more...)...)
	}
	tests := append(badTarballs(t, nixTop, nixEntries()),
		badTarball{"no install", lacks(nixTop + "/install"), isTarball, `no script "install"`},
		badTarball{"other install", lacks(nixTop+"/install", run(nixTop+"/install", "#!/bin/sh\n")), isTarball, `no line nix=`},
		badTarball{"install leads out", lacks(nixTop+"/install", link(nixTop+"/install", "../../../../outside")), isTarball, `no script "install"`},
		badTarball{"no reginfo", lacks(nixTop + "/.reginfo"), isTarball, "no .reginfo"},
		badTarball{"reginfo leads out", lacks(nixTop+"/.reginfo", link(nixTop+"/.reginfo", "../../../../outside")), isTarball, "no .reginfo"},
		badTarball{"no store", lacks(store), isTarball, `no folder "store"`},
		badTarball{"store is a file", lacks(store, reg(nixTop+"/store", "")), isTarball, `no folder "store"`},
		badTarball{"store is a link", lacks(store, link(nixTop+"/store", "store2"), folder(nixTop+"/store2/"+nixName)), isTarball, `no folder "store"`},
		badTarball{"reginfo is a folder", lacks(nixTop+"/.reginfo", folder(nixTop+"/.reginfo")), isTarball, "no .reginfo"},
		badTarball{"store leads out", lacks(store, link(nixTop+"/store", "../../../..")), isTarball, `no folder "store"`},
		badTarball{"foreign name", lacks("\x00", reg(store+"README", "")), isTarball, `"README" in its store`},
		badTarball{"hidden name", lacks("\x00", reg(store+".links/x", "")), isTarball, `".links" in its store`},
		badTarball{"bad hash", lacks("\x00", folder(store+strings.Repeat("e", 32)+"-x/")), isTarball, "is no store path"},
		badTarball{"no Nix", lacks(store + nixName), isTarball, nixName + "/bin/nix-store is not in it"},
		badTarball{"no certificates", lacks(store + cacertName), isTarball, "ca-bundle.crt is not in it"},
	)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t)
			err := install(t.Context(), s, test.data)
			if !test.is(err) || !strings.Contains(err.Error(), test.want) || !isTarballsFault(err) {
				t.Errorf("Install = %v; want …%s… of the right type", err, test.want)
			}
			if got := tree(t, s.Dir); got != "drwxr-xr-x nixsd \n" && got != "" {
				t.Errorf("it left\n%s", got)
			}
		})
	}
}

// TestInstallNowhere shows that trouble of the machine is told from a bad tarball.
func TestInstallNowhere(t *testing.T) {
	s := newStore(t)
	s.Dir = filepath.Join(s.Dir, "missing")
	if err := install(t.Context(), s, archive(t, nixEntries()...)); !errors.Is(err, os.ErrNotExist) || isTarballsFault(err) {
		t.Errorf("Install = %v; want that the folder does not exist", err)
	}
}

// TestInstallChannelRefuses is the same for channels.
func TestInstallChannelRefuses(t *testing.T) {
	tests := append(badTarballs(t, channelTop, channelEntries()),
		badTarball{"no nixos", archive(t, without(channelEntries(), channelTop+"/nixos")...), isTarball, "no nixos/default.nix"},
		badTarball{"nixos leads out", archive(t, append(without(channelEntries(), channelTop+"/nixos"), link(channelTop+"/nixos", "/etc"))...),
			isTarball, "no nixos/default.nix"},
	)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t)
			err := s.InstallChannel(t.Context(), bytes.NewReader(test.data), int64(len(test.data)), sampleHash)
			if !test.is(err) || !strings.Contains(err.Error(), test.want) || !isTarballsFault(err) {
				t.Errorf("InstallChannel = %v; want …%s… of the right type", err, test.want)
			}
			if got := tree(t, s.Dir); got != "drwxr-xr-x nixsd \n" && got != "" {
				t.Errorf("it left\n%s", got)
			}
		})
	}
}
