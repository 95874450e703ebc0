package inject

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
)

func TestParseSpec(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Spec
	}{
		{"a:/b", Spec{"a", File{Dest: "/b", Mode: 0o600}}},
		{"a:b:/c d:0644", Spec{"a:b", File{Dest: "/c d", Mode: 0o644}}},
		{"/src:/etc/x:640:1000:100", Spec{"/src", File{Dest: "/etc/x", Mode: 0o640, UID: 1000, GID: 100}}},
	} {
		got, err := ParseSpec(tt.in)
		if err != nil || got.Source != tt.want.Source || got.Dest != tt.want.Dest || got.Mode != tt.want.Mode || got.UID != tt.want.UID || got.GID != tt.want.GID {
			t.Errorf("ParseSpec(%q) = %+v, %v; want %+v", tt.in, got, err, tt.want)
		}
	}
	for in, want := range map[string]string{
		"":                                     "not SRC:DEST",
		"a":                                    "not SRC:DEST",
		":/b":                                  "not SRC:DEST",
		"a:b":                                  "not SRC:DEST",
		"a:/b:rw":                              "must be octal",
		"a:/b:4755":                            "must be octal",
		"a:/b:600:0":                           "MODE:UID:GID",
		"a:/b:600:root:root":                   "no id",
		"a:/b:600:0:4294967295":                "no id",
		"a:/":                                  "no absolute path",
		"a:/b/../c":                            "no absolute path",
		"a:/b/":                                "no absolute path",
		"a:/b\nc":                              "no text",
		"a:/b\xff":                             "no text",
		"a:/nix/store/x":                       "belongs to Nix",
		"a:/boot/firmware/x":                   "another partition",
		"a:/run/secrets/x":                     "at every boot",
		"a:/" + strings.Repeat("x", 256):       "more than 255 bytes",
		"a:" + strings.Repeat("/xxxxxxx", 200): "too long",
	} {
		if got, err := ParseSpec(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseSpec(%q) = %+v, %v; want an error with %q", in, got, err, want)
		}
	}
	if err := CheckDest("/nixos"); err != nil {
		t.Errorf("CheckDest(/nixos) = %v; want nil", err)
	}
}

// sample is a file system.
func sample(path string) (Node, error) {
	n, ok := map[string]Node{
		"/etc": {Mode: fs.ModeDir | 0o755}, "/etc/old": {Mode: 0o644}, "/etc/dir": {Mode: fs.ModeDir | 0o755},
		"/etc/link": {Mode: fs.ModeSymlink | 0o777}, "/home": {Mode: fs.ModeDir | 0o755},
	}[path]
	if !ok {
		return n, fs.ErrNotExist
	}
	return n, nil
}

func TestPlan(t *testing.T) {
	p, err := NewPlan([]File{
		{Dest: "/etc/old", Mode: 0o600}, {Dest: `/etc/a "b"/c/d`, Mode: 0o640, UID: 70000, GID: 2}, {Dest: "/home/me/x", UID: 1000, GID: 100}, {Dest: "/root/.ssh/y", UID: 5},
	}, sample)
	if err != nil {
		t.Fatal(err)
	}
	want := `mkdir "/etc/a ""b"""
set_inode_field "/etc/a ""b""" mode 040755
set_inode_field "/etc/a ""b""" uid 0
set_inode_field "/etc/a ""b""" gid 0
mkdir "/etc/a ""b""/c"
set_inode_field "/etc/a ""b""/c" mode 040755
set_inode_field "/etc/a ""b""/c" uid 0
set_inode_field "/etc/a ""b""/c" gid 0
mkdir "/home/me"
set_inode_field "/home/me" mode 040700
set_inode_field "/home/me" uid 1000
set_inode_field "/home/me" gid 100
mkdir "/root"
set_inode_field "/root" mode 040700
set_inode_field "/root" uid 0
set_inode_field "/root" gid 0
mkdir "/root/.ssh"
set_inode_field "/root/.ssh" mode 040700
set_inode_field "/root/.ssh" uid 0
set_inode_field "/root/.ssh" gid 0
rm "/etc/old"
cd "/etc"
write "/1" "old"
set_inode_field "/etc/old" mode 0100600
set_inode_field "/etc/old" uid 0
set_inode_field "/etc/old" gid 0
cd "/etc/a ""b""/c"
write "/2" "d"
set_inode_field "/etc/a ""b""/c/d" mode 0100640
set_inode_field "/etc/a ""b""/c/d" uid 70000
set_inode_field "/etc/a ""b""/c/d" gid 2
cd "/home/me"
write "/3" "x"
set_inode_field "/home/me/x" mode 0100000
set_inode_field "/home/me/x" uid 1000
set_inode_field "/home/me/x" gid 100
cd "/root/.ssh"
write "/4" "y"
set_inode_field "/root/.ssh/y" mode 0100000
set_inode_field "/root/.ssh/y" uid 5
set_inode_field "/root/.ssh/y" gid 0
`
	if got := p.Script([]string{"/1", "/2", "/3", "/4"}); got != want {
		t.Errorf("script:\n%s\nwant:\n%s", got, want)
	}
	if got := p.Replaced(); !slices.Equal(got, []string{"/etc/old"}) {
		t.Errorf("replaced: %q; want /etc/old", got)
	}
}

func TestPlanRefuses(t *testing.T) {
	for dest, want := range map[string]string{
		"/etc/dir":    "a folder already",
		"/etc/link":   "a link already",
		"/etc/link/x": "/etc/link is a link",
		"/etc/old/x":  "/etc/old is a file",
		"/new":        "named twice",
	} {
		files := []File{{Dest: dest}}
		if dest == "/new" {
			files = append(files, files[0])
		}
		if _, err := NewPlan(files, sample); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("NewPlan(%s) = %v; want an error with %q", dest, err, want)
		}
	}
}

func TestFailed(t *testing.T) {
	for in, want := range map[string]string{
		"debugfs 1.47.0 (5-Feb-2023)\n":                          "",
		"debugfs 1.47.2 (1-Jan-2025)\nrm: no such\n\nwrite: x\n": "rm: no such; write: x",
		"": "",
	} {
		if got := Failed(in); got != want {
			t.Errorf("Failed(%q) = %q; want %q", in, got, want)
		}
	}
}

// What is not as the plan has it is noticed.
func TestVerify(t *testing.T) {
	p, err := NewPlan([]File{{Dest: "/new/x", Mode: 0o600, UID: 1, Data: []byte("data")}}, sample)
	if err != nil {
		t.Fatal(err)
	}
	good := map[string]Node{"/new": {Mode: fs.ModeDir | 0o755}, "/new/x": {Mode: 0o600, UID: 1}}
	check := func(nodes map[string]Node, data string) error {
		return p.Verify(func(path string) (Node, error) {
			n, ok := nodes[path]
			if !ok {
				return n, fs.ErrNotExist
			}
			return n, nil
		}, func(string) ([]byte, error) { return []byte(data), nil })
	}
	if err := check(good, "data"); err != nil {
		t.Errorf("as it should be: %v", err)
	}
	for _, bad := range []map[string]Node{
		{"/new": good["/new"]}, {"/new": {Mode: 0o755}, "/new/x": good["/new/x"]},
		{"/new": good["/new"], "/new/x": {Mode: 0o644, UID: 1}}, {"/new": good["/new"], "/new/x": {Mode: 0o600}},
	} {
		if check(bad, "data") == nil {
			t.Errorf("%v passes", bad)
		}
	}
	if check(good, "dato") == nil {
		t.Error("other content passes")
	}
}

func FuzzParseSpec(f *testing.F) {
	for _, in := range []string{"a:/b", "a:b:/c:0644:1:2", "x:/nix/y", "a:/b:9"} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s, err := ParseSpec(in)
		if err != nil {
			return
		}
		if s.Source == "" || !strings.HasPrefix(s.Dest, "/") || strings.ContainsAny(s.Dest, "\n\x00") || s.Mode > 0o777 {
			t.Errorf("ParseSpec(%q) = %+v", in, s)
		}
		p, err := NewPlan([]File{s.File}, func(string) (Node, error) { return Node{}, fs.ErrNotExist })
		if err != nil {
			t.Fatalf("NewPlan(%q): %v", s.Dest, err)
		}
		for line := range strings.Lines(p.Script([]string{"/src"})) {
			if strings.Count(line, `"`)%2 != 0 || len(line) > 8191 {
				t.Errorf("of %q comes the line %q", in, line)
			}
		}
	})
}
