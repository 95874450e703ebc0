package debian

import (
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

const (
	osDebian = "NAME=\"Debian GNU/Linux\"\nID=debian\nID_LIKE=x\n"
	listPath = "etc/apt/sources.list"
	partsDir = "etc/apt/sources.list.d/"
)

func hostFS(osRelease string, files map[string]string) fstest.MapFS {
	root := fstest.MapFS{"etc/os-release": {Data: []byte(osRelease)}}
	for name, text := range files {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

func TestHostMirrorsSystems(t *testing.T) {
	files := map[string]string{listPath: "deb http://a.test/debian trixie main\n"}
	tests := []struct {
		osRelease string
		want      int
	}{
		{osDebian, 1},
		{"ID=\"debian\"\n", 1},
		{"ID='debian'", 1},
		{"ID=ubuntu\nID_LIKE=debian\n", 0},
		{"ID=raspbian\nID_LIKE=debian\n", 0},
		{"ID_LIKE=debian\n", 0},
		{"VERSION_ID=debian\n", 0},
		{"", 0},
	}
	for _, test := range tests {
		if got := HostMirrors(hostFS(test.osRelease, files)); len(got) != test.want {
			t.Errorf("HostMirrors(os-release %q) = %q; want %d", test.osRelease, got, test.want)
		}
	}
	elsewhere := hostFS(osDebian, files)
	elsewhere["usr/lib/os-release"] = elsewhere["etc/os-release"]
	delete(elsewhere, "etc/os-release")
	if got := HostMirrors(elsewhere); len(got) != 1 {
		t.Errorf("HostMirrors(usr/lib/os-release) = %q; want 1", got)
	}
	if got := HostMirrors(fstest.MapFS{}); got != nil {
		t.Errorf("HostMirrors(empty) = %q; want nil", got)
	}
}

func TestHostMirrorsOneLine(t *testing.T) {
	tests := []struct {
		line, want string
	}{
		{"deb http://a.test/debian trixie main", "http://a.test/debian"},
		{"deb\thttp://a.test/debian\ttrixie\tmain", "http://a.test/debian"},
		{"  deb https://a.test/debian/ sid contrib main # comment", "https://a.test/debian"},
		{"deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://a.test/x trixie-updates main", "http://a.test/x"},
		{"deb [ arch=amd64 ] http://a.test/debian// bookworm-backports main", "http://a.test/debian"},
		{"deb [arch=amd64]http://a.test/debian forky main", "http://a.test/debian"},
		{"deb http://a.test:3142/ftp.debian.org/debian stable main", "http://a.test:3142/ftp.debian.org/debian"},
		{"deb " + Snapshots + "/archive/debian/20260101T000000Z trixie main", Snapshots + "/archive/debian/20260101T000000Z"},
		{"# deb http://a.test/debian trixie main", ""},
		{"deb-src http://a.test/debian trixie main", ""},
		{"deb http://a.test/debian trixie contrib non-free", ""},
		{"deb http://a.test/debian trixie", ""},
		{"deb http://a.test/debian-security trixie-security main", ""},
		{"deb http://a.test/debian trixie-security main", ""},
		{"deb http://a.test/debian trixie-pgdg main", ""},
		{"deb http://a.test/debian jammy main", ""},
		{"deb https://packages.test/apt stable main", ""},
		{"deb [signed-by=/etc/apt/keyrings/other.gpg] https://a.test/debian trixie main", ""},
		{"deb [arch=amd64 http://a.test/debian trixie main", ""},
		{"deb http://archive.raspberry.test/debian/ trixie main", ""},
		{"deb cdrom:[Debian 13 trixie]/ trixie main", ""},
		{"deb file:/srv/debian trixie main", ""},
		{"deb mirror+file:/etc/apt/debian trixie main", ""},
		{"deb tor+http://a.test/debian trixie main", ""},
		{"deb ftp://a.test/debian trixie main", ""},
		{"deb http://user:secret@a.test/debian trixie main", ""},
		{"deb http:///debian trixie main", ""},
		{"deb http://a.test/debian?x trixie main", ""},
		{"deb http://a.test/$(ARCH)/debian trixie main", ""},
		{"deb http://%zz/debian trixie main", ""},
		{"deb", ""},
	}
	for _, test := range tests {
		got := strings.Join(HostMirrors(hostFS(osDebian, map[string]string{listPath: test.line})), " ")
		if got != test.want {
			t.Errorf("HostMirrors(%q) = %q; want %q", test.line, got, test.want)
		}
	}
}

func TestHostMirrorsDeb822(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"usual", "Types: deb deb-src\nURIs: http://a.test/debian\nSuites: trixie trixie-updates\nComponents: main\n" +
			"Signed-By: /usr/share/keyrings/debian-archive-keyring.pgp\n", []string{"http://a.test/debian"}},
		{"several", "Types: deb\nURIs: http://a.test/debian/ https://b.test/debian\n http://c.test/debian\nSuites:\n nodistro\n sid\nComponents: main\n",
			[]string{"http://a.test/debian", "https://b.test/debian", "http://c.test/debian"}},
		{"stanzas", "# c\nTypes: deb\n# c\nURIs: http://a.test/debian\nSuites: sid\nComponents: main\n\n\n" +
			"types: deb\nuris: http://b.test/debian\nsuites: sid\ncomponents: contrib main\nenabled: yes\n",
			[]string{"http://a.test/debian", "http://b.test/debian"}},
		{"comment between lines", "Types: deb\nURIs: http://a.test/debian\n# http://no.test/debian\n http://b.test/debian\nSuites: sid\nComponents: main\n",
			[]string{"http://a.test/debian", "http://b.test/debian"}},
		{"disabled", "Enabled: no\nTypes: deb\nURIs: http://a.test/debian\nSuites: sid\nComponents: main\n", nil},
		{"sources only", "Types: deb-src\nURIs: http://a.test/debian\nSuites: sid\nComponents: main\n", nil},
		{"security", "Types: deb\nURIs: http://a.test/debian-security\nSuites: trixie-security\nComponents: main\n", nil},
		{"exact path", "Types: deb\nURIs: http://a.test/debian\nSuites: ./\n", nil},
		{"other key", "Types: deb\nURIs: http://a.test/debian\nSuites: sid\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n xx\n", nil},
		{"windows line ends", "Types: deb\r\nURIs: http://a.test/debian\r\nSuites: sid\r\nComponents: main\r\n", []string{"http://a.test/debian"}},
		{"malformed after good", "Types: deb\nURIs: http://a.test/debian\nSuites: sid\nComponents: main\n\nnonsense\n", []string{"http://a.test/debian"}},
		{"NUL", "Types: deb\x00\nURIs: http://a.test/debian\nSuites: sid\nComponents: main\n", nil},
	}
	for _, test := range tests {
		got := HostMirrors(hostFS(osDebian, map[string]string{partsDir + "debian.sources": test.text}))
		if !slices.Equal(got, test.want) {
			t.Errorf("HostMirrors(%s) = %q; want %q", test.name, got, test.want)
		}
	}
}

func TestHostMirrorsFiles(t *testing.T) {
	line := func(host string) string { return "deb http://" + host + ".test/debian sid main\n" }
	root := hostFS(osDebian, map[string]string{
		listPath:                line("first") + line("second") + line("first"),
		partsDir + "b.list":     line("fourth") + line("second"),
		partsDir + "a.sources":  "Types: deb\nURIs: http://third.test/debian\nSuites: sid\nComponents: main\n",
		partsDir + "c.list.bak": line("backup"),
		partsDir + "d e.list":   line("space"),
		partsDir + "e.list":     strings.Repeat("#", maxSourceFile) + "\n" + line("huge"),
		partsDir + "g.list/x":   line("folder"),
	})
	root[partsDir+"f.list"] = &fstest.MapFile{Data: []byte(line("pipe")), Mode: fs.ModeNamedPipe}
	want := []string{"http://first.test/debian", "http://second.test/debian", "http://third.test/debian", "http://fourth.test/debian"}
	if got := HostMirrors(root); !slices.Equal(got, want) {
		t.Errorf("HostMirrors = %q; want %q", got, want)
	}
}

func FuzzHostMirrors(f *testing.F) {
	f.Add("deb [arch=amd64] http://a.test/debian trixie main", "Types: deb\nURIs: http://a.test/debian\nSuites: sid\nComponents: main\n")
	f.Fuzz(func(t *testing.T, list, sources string) {
		root := hostFS(osDebian, map[string]string{listPath: list, partsDir + "x.sources": sources})
		for _, m := range HostMirrors(root) {
			u, err := url.Parse(m)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.HasSuffix(m, "/") {
				t.Errorf("HostMirrors(%q, %q) has %q", list, sources, m)
			}
		}
	})
}
