package nix

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// goldenDerivations are derivations as Nix wrote them.
func goldenDerivations(f *testing.F) [][]byte {
	names, err := filepath.Glob("testdata/golden/*.drv")
	if err != nil || len(names) == 0 {
		f.Fatal(names, err)
	}
	var all [][]byte
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, text)
	}
	return all
}

// What a derivation downloads are URLs, of no file, and it has a fixed output then.
func FuzzDerivation(f *testing.F) {
	for _, text := range goldenDerivations(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := readDerivation(bytes.NewReader(text))
		if err != nil {
			return
		}
		urls, ok, err := DerivationDownloads(bytes.NewReader(text))
		if err != nil || !ok && len(urls) > 0 {
			t.Fatalf("DerivationDownloads(%q) = %q, %v, %v", text, urls, ok, err)
		}
		for _, url := range urls {
			if !strings.Contains(url, "://") || strings.HasPrefix(url, "file://") {
				t.Errorf("DerivationDownloads(%q) has %q", text, url)
			}
		}
		if fixed, err := FixedOutput(bytes.NewReader(text)); err != nil || ok && len(d.Outputs) == 1 && !fixed {
			t.Errorf("FixedOutput(%q) = %v, %v, yet it downloads", text, fixed, err)
		}
	})
}

// What the URL that a channel leads to tells has the form that is promised.
func FuzzChannelURL(f *testing.F) {
	f.Add("https://releases.nixos.org/nixos/26.05/nixos-26.05.1234.0123456789ab/nixexprs.tar.xz")
	f.Add(ArchiveURL("0123456789012345678901234567890123456789"))
	f.Add("https://codeload.github.com/NixOS/nixpkgs/tar.gz/0123456789012345678901234567890123456789")
	f.Add("26.05-small")
	f.Fuzz(func(t *testing.T, url string) {
		version, rev, ok := ChannelVersion(url)
		if ok && (!strings.HasSuffix(version, "."+rev) || strings.ContainsAny(version, "/\n\x1b ") || !strings.HasSuffix(url, "/"+version+"/nixexprs.tar.xz")) {
			t.Errorf("ChannelVersion(%q) = %q, %q", url, version, rev)
		}
		if file := RevisionFile(url); !strings.HasSuffix(file, "git-revision") || !strings.HasPrefix(url, strings.TrimSuffix(file, "git-revision")) {
			t.Errorf("RevisionFile(%q) = %q", url, file)
		}
		if rev, ok := ArchiveRevision(url); ok && !IsRevision(rev) {
			t.Errorf("ArchiveRevision(%q) = %q", url, rev)
		}
		channel, err := Channel(url)
		if err == nil && (ReleaseOf(channel) != strings.TrimSuffix(url, "-small") || ChannelTarball("https://x/", channel) != "https://x/nixos-"+url+"/nixexprs.tar.xz") {
			t.Errorf("Channel(%q) = %q", url, channel)
		}
	})
}

// A cache that is taken says that it is for /nix/store; why another is not can be told on
// a terminal.
func FuzzCheckCacheInfo(f *testing.F) {
	f.Add([]byte("StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n"))
	f.Add([]byte("StoreDir: /gnu/store\n"))
	f.Add([]byte("StoreDir:\x1b[2J\n"))
	f.Fuzz(func(t *testing.T, info []byte) {
		err := CheckCacheInfo(info)
		if err == nil && !bytes.Contains(info, []byte("/nix/store")) {
			t.Errorf("CheckCacheInfo(%q) succeeded", info)
		}
		if err != nil && strings.ContainsFunc(err.Error(), unicode.IsControl) {
			t.Errorf("CheckCacheInfo(%q) = %q", info, err)
		}
	})
}

// A log is read to its end, line by line, and what is made of it can be told on a
// terminal.
func FuzzReadLog(f *testing.F) {
	for _, log := range logs(f) {
		f.Add(log[:min(len(log), 4000)])
	}
	f.Add([]byte(`@nix {"action":"start","id":1,"type":105,"fields":["/nix/store/x.drv"]}` + "\n" + `@nix {"action":"result","id":1,"type":101,"fields":["\u001b]0;x"]}`))
	f.Add([]byte(`@nix {"action":"msg","level":0,"msg":"error: builder for '/nix/store/x.drv' failed","raw_msg":"x"}`))
	f.Fuzz(func(t *testing.T, log []byte) {
		var tracker Tracker
		events := 0
		if err := ReadLog(bytes.NewReader(log), func(e Event) { events++; tracker.Apply(e) }); err != nil {
			t.Fatal(err)
		}
		want := 0
		for line := range bytes.Lines(log) {
			if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
				if _, ok := ParseEvent(line); ok {
					want++
				}
			}
		}
		if events != want {
			t.Errorf("%d events of %q; want %d", events, log, want)
		}
		failure := tracker.Failure(1)
		if s := tracker.Status(); len(s.Running) > events || strings.ContainsFunc(failure.Error()+strings.Join(s.Running, ""), func(r rune) bool { return unicode.IsControl(r) && r != '\t' }) {
			t.Errorf("of %q: %q, %+v", log, failure.Error(), s)
		}
		tracker.Failures()
	})
}

// What Nix prints where store paths are expected is such paths, as many as were asked
// for, or an error.
func FuzzParsePaths(f *testing.F) {
	const path = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-x"
	f.Add(path+"\n"+path+"-y.drv\n", 2)
	f.Add(path+"!out", 1)
	f.Add("", 0)
	f.Fuzz(func(t *testing.T, output string, n int) {
		paths, err := ParsePaths(output, n)
		if err == nil && (len(paths) != n || strings.Join(paths, " ") != strings.Join(strings.Fields(output), " ")) {
			t.Errorf("ParsePaths(%q, %d) = %q", output, n, paths)
		}
		for _, p := range slices.Concat(paths, WithoutDerivations(output)) {
			if !storePath.MatchString(p) || filepath.Clean(p) != p {
				t.Errorf("of %q there is %q", output, p)
			}
		}
	})
}

// The inputs of a flake are store paths, no more than the JSON has.
func FuzzParseFlakeInputs(f *testing.F) {
	const path = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-source"
	f.Add(`{"path":"` + path + `","inputs":{"nixpkgs":{"path":"` + path + `","inputs":{}}}}`)
	f.Add(`{"inputs":{"a":{"inputs":{"b":{"inputs":{"c":null}}}}}}`)
	f.Add(`{"path":"/nix/store/../../etc"}`)
	f.Fuzz(func(t *testing.T, output string) {
		paths, err := ParseFlakeInputs(output)
		if len(paths) > len(output)/len(path) {
			t.Errorf("ParseFlakeInputs(%q) = %q", output, paths)
		}
		for _, p := range paths {
			if err == nil && !storePath.MatchString(p) {
				t.Errorf("ParseFlakeInputs(%q) has %q", output, p)
			}
		}
	})
}

// A setting that may be chosen is one line of nix.conf, of that name.
func FuzzCheckOption(f *testing.F) {
	f.Add("cores", "4")
	f.Add("extra-sandbox-paths", "/etc")
	f.Add("build-use-chroot", "false")
	f.Add("a", "b\nsandbox = false")
	f.Fuzz(func(t *testing.T, name, value string) {
		if CheckOption(name, value) != nil {
			return
		}
		text, err := format(map[string]string{name: value})
		if err != nil || strings.Count(text, "\n") != 1 || text != name+" = "+value+"\n" {
			t.Errorf("%q = %q is %q, %v", name, value, text, err)
		}
		for reservedName := range reserved {
			if strings.TrimPrefix(name, "extra-") == reservedName && name != "extra-experimental-features" {
				t.Errorf("%q may be chosen", name)
			}
		}
		if strings.HasPrefix(name, "include") || strings.HasPrefix(name, "!include") {
			t.Errorf("%q reads another file", name)
		}
	})
}
