package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// filesT makes a folder with files, whose content is their name, and enters it.
func filesT(t *testing.T, names ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range names {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A folder stands for its own sd-card.nix, or else for what lies in it.
func TestConfigsOf(t *testing.T) {
	filesT(t, "one/sd-card.nix", "one/users.nix", "many/b.nix", "many/a.nix", "many/flake.nix", "many/.hidden.nix",
		"many/notes.txt", "many/pi4/sd-card.nix", "many/modules/common.nix", "none/modules/common.nix", "file")
	for name, want := range map[string][]string{
		"one":             {"one/sd-card.nix"},
		"one/":            {"one/sd-card.nix"},
		"many":            {"many/a.nix", "many/b.nix", "many/pi4/sd-card.nix"},
		"one/sd-card.nix": {"one/sd-card.nix"},
		"file":            {"file"},
		"missing":         {"missing"},
	} {
		if got, err := configsOf(name); err != nil || !slices.Equal(got, want) {
			t.Errorf("configsOf(%q) = %q, %v; want %q", name, got, err, want)
		}
	}
	if got, err := configsOf("none"); exitCode(err) != exitUsage || err.Error() != "none holds no configuration" {
		t.Errorf("configsOf(none) = %q, %v; want a usage error", got, err)
	}
}

// Every folder is seen once, in a place of its own; images are called after what they
// are made of.
func TestLocateSeveral(t *testing.T) {
	filesT(t, "b.nix", "a.nix", "pi4/sd-card.nix", "pi4/kiosk.nix", "more/default.nix")
	all, err := needs{configs: []string{"b.nix", "a.nix", "pi4/sd-card.nix", "pi4/kiosk.nix", "more/default.nix"}}.locate()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range all {
		got = append(got, l.File)
	}
	if want := []string{"/config/b.nix", "/config/a.nix", "/config-2/sd-card.nix", "/config-2/kiosk.nix", "/config-3/default.nix"}; !slices.Equal(got, want) {
		t.Errorf("locate = %q; want %q", got, want)
	}
	if got := len(folders(all)); got != 3 {
		t.Errorf("%d folders; want 3", got)
	}
	names, err := stems(all)
	if want := []string{"b", "a", "pi4", "kiosk", "more"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("stems = %q, %v; want %q", names, err, want)
	}
}

// Two flakes' systems are called after their names, also if both are of one folder.
func TestLocateFlakes(t *testing.T) {
	filesT(t, "flake.nix", "other/flake.nix")
	all, err := needs{flakes: []string{".#rpi", "path:.#cm4", "./other#zero", "github:owner/repo#far"}}.locate()
	if err != nil {
		t.Fatal(err)
	}
	names, err := stems(all)
	if want := []string{"rpi", "cm4", "zero", "far"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("stems = %q, %v; want %q", names, err, want)
	}
	for i, want := range []string{"path:/config", "path:/config", "path:/config-2", "github:owner/repo"} {
		if all[i].Flake.Ref != want {
			t.Errorf("flake %d is %q; want %q", i, all[i].Flake.Ref, want)
		}
	}
}

// Two images of one name would take each other's place.
func TestSameStem(t *testing.T) {
	filesT(t, "x/board.nix", "y/board.nix")
	all, err := needs{configs: []string{"x/board.nix", "y/board.nix"}}.locate()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newTargets(all); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "would both be called board.img") {
		t.Errorf("newTargets = %v; want a usage error", err)
	}
}

// The lock lies beside what is built, or else in the current folder.
func TestLockPath(t *testing.T) {
	filesT(t, "boards/a.nix", "boards/b.nix", "other/c.nix", "flake/flake.nix")
	for _, tt := range []struct {
		flags   nixosFlags
		configs []string
		want    string
	}{
		{nixosFlags{}, nil, "nixsd.lock"},
		{nixosFlags{}, []string{"boards"}, "boards/nixsd.lock"},
		{nixosFlags{}, []string{"boards/a.nix", "boards/b.nix"}, "boards/nixsd.lock"},
		{nixosFlags{}, []string{"boards/a.nix", "other/c.nix"}, "nixsd.lock"},
		{nixosFlags{flakes: []string{"./flake#a", "./flake#b"}}, nil, "flake/nixsd.lock"},
		{nixosFlags{lockFile: "x.lock"}, []string{"boards"}, "x.lock"},
	} {
		if got := tt.flags.lockPath(tt.configs); got != tt.want {
			t.Errorf("lockPath(%q, %q) = %q; want %q", tt.configs, tt.flags.flakes, got, tt.want)
		}
	}
}

// What Nix says of folders inside the sandbox is said of the host's.
func TestHostPath(t *testing.T) {
	w := workspace{places: []located{{Dir: "/home/me/a", Mount: "/config"}, {Dir: "/home/me/b", Mount: "/config-2"}}}
	for text, want := range map[string]string{
		"at /config/x.nix:1:2":              "at /home/me/a/x.nix:1:2",
		"'/config-2/y.nix' and /config/z":   "'/home/me/b/y.nix' and /home/me/a/z",
		"/nix/store/abc/config/x":           "/nix/store/abc/config/x",
		"/config-3/x of nobody, /config-2":  "/config-3/x of nobody, /config-2",
		"/etc/nixsd/configuration.nix:3:20": "/etc/nixsd/configuration.nix:3:20",
	} {
		if got := w.hostPath(text); got != want {
			t.Errorf("hostPath(%q) = %q; want %q", text, got, want)
		}
	}
}

// A configuration that nobody named must not be a link that lets the build see another
// folder; one that is named may.
func TestLinksOut(t *testing.T) {
	filesT(t, "many/a.nix", "elsewhere/b.nix", "within/a.nix", "one/a.nix")
	for link, to := range map[string]string{
		"many/b.nix": "../elsewhere/b.nix", "within/b.nix": "a.nix", "one/sd-card.nix": "../elsewhere/b.nix", "sd-card.nix": "elsewhere/b.nix",
		"elsewhere/sd-card.nix": "/etc/passwd",
	} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	for name, bad := range map[string]string{
		"many": "many/b.nix", "within": "", "one": "one/sd-card.nix", "elsewhere": "elsewhere/sd-card.nix",
		"many/b.nix": "", "one/sd-card.nix": "", "sd-card.nix": "", "./elsewhere/sd-card.nix": "",
	} {
		_, err := needs{configs: []string{name}}.locate()
		switch {
		case bad == "" && err != nil:
			t.Errorf("locate(%q) = %v", name, err)
		case bad != "" && (exitCode(err) != exitUsage || !strings.Contains(err.Error(), bad) || !strings.Contains(hints(err)[0], "./"+bad)):
			t.Errorf("locate(%q) = %v, hints %q; want a usage error with %s", name, err, hints(err), bad)
		}
	}
	if err := os.Remove("sd-card.nix"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", "sd-card.nix"); err != nil {
		t.Fatal(err)
	}
	if _, err := (needs{configs: []string{"sd-card.nix"}}).locate(); exitCode(err) != exitUsage {
		t.Errorf("the default configuration, a link to /etc/passwd: %v; want a usage error", err)
	}
}

// Names that are more than text to a terminal become no names of images.
func TestUnprintableStems(t *testing.T) {
	for _, name := range []string{"a\nb.nix", "a\x1b[2Jb.nix", "a\u202eb.nix"} {
		_, err := stems([]located{{Name: "b.nix", File: "b.nix"}, {Name: name, File: name}})
		if exitCode(err) != exitUsage || strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("stems with %q = %v; want a usage error in print", name, err)
		}
	}
}
