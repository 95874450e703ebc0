package fetch

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestParseContentRange(t *testing.T) {
	tests := []struct {
		in   string
		want contentRange
		ok   bool
	}{
		{"bytes 0-0/1", contentRange{0, 0, 1}, true},
		{"bytes 100-199/200", contentRange{100, 199, 200}, true},
		{"Bytes 100-199/*", contentRange{100, 199, -1}, true},
		{"bytes 0-9223372036854775806/9223372036854775807", contentRange{0, 1<<63 - 2, 1<<63 - 1}, true},
		{in: ""},
		{in: "bytes"},
		{in: "bytes */200"},
		{in: "bytes 100-99/200"},
		{in: "bytes 100-200/200"},
		{in: "bytes 100-199"},
		{in: "bytes -1-5/10"},
		{in: "bytes +1-5/10"},
		{in: "bytes 1-5/"},
		{in: "bytes 1-5/-1"},
		{in: "bytes 1-5/99999999999999999999"},
		{in: "lines 1-5/10"},
	}
	for _, tt := range tests {
		got, err := parseContentRange(tt.in)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("parseContentRange(%q) = %v, %v; want %v, ok %t", tt.in, got, err, tt.want, tt.ok)
		}
	}
}

func FuzzContentRange(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		cr, err := parseContentRange(s)
		if err != nil {
			if cr != (contentRange{}) || len(err.Error()) > 400 {
				t.Errorf("parseContentRange(%q) = %v, %v; want a zero value and a short error", s, cr, err)
			}
			return
		}
		if cr.first < 0 || cr.last < cr.first || cr.total != -1 && cr.total <= cr.last {
			t.Errorf("parseContentRange(%q) = %v; want a range inside the whole", s, cr)
		}
		total := "*"
		if cr.total >= 0 {
			total = fmt.Sprint(cr.total)
		}
		again, err := parseContentRange(fmt.Sprintf("bytes %d-%d/%s", cr.first, cr.last, total))
		if err != nil || again != cr {
			t.Errorf("parseContentRange of %v = %v, %v; want the same", cr, again, err)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	tests := []struct {
		in   string
		want time.Duration
	}{
		{"", 0},
		{"0", 0},
		{"7", 7 * time.Second},
		{" 7 ", 7 * time.Second},
		{"30", 30 * time.Second},
		{"86400", 30 * time.Second},
		{"99999999999999999999999", 30 * time.Second},
		{"-5", 0},
		{"1.5", 0},
		{"soon", 0},
		{"Fri, 20 Nov 2026 12:00:09 GMT", 9 * time.Second},
		{"Fri, 20 Nov 2026 11:00:00 GMT", 0},
		{"Fri, 20 Nov 2126 12:00:00 GMT", 30 * time.Second},
		{"Friday, 20-Nov-26 12:00:02 GMT", 2 * time.Second},
	}
	for _, tt := range tests {
		if got := retryAfter(tt.in, now, maxPause); got != tt.want {
			t.Errorf("retryAfter(%q) = %v; want %v", tt.in, got, tt.want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if d := retryAfter(s, now, maxPause); d < 0 || d > maxPause {
			t.Errorf("retryAfter(%q) = %v; want 0 to %v", s, d, maxPause)
		}
	})
}

func TestStrongETag(t *testing.T) {
	for in, want := range map[string]string{
		`"abc"`: `"abc"`, `""`: `""`, `W/"abc"`: "", `abc`: "", `"`: "", ``: "", `"` + strings.Repeat("x", 300) + `"`: "",
	} {
		if got := strongETag(http.Header{"Etag": {in}}); got != want {
			t.Errorf("strongETag(%q) = %q; want %q", in, got, want)
		}
	}
}

func TestFileName(t *testing.T) {
	for in, want := range map[string]string{
		"qemu-user_10.0.13+ds-0+deb13u1_amd64.deb": "qemu-user_10.0.13+ds-0+deb13u1_amd64.deb",
		"a/b/c.deb":                      "c.deb",
		"dir/":                           "dir",
		"":                               "file",
		".":                              "file",
		"..":                             "file",
		"../../etc/passwd":               "passwd",
		".hidden":                        "hidden",
		"\x1b[31mred\n":                  "__31mred_",
		"nä me":                          "n__me",
		strings.Repeat("x", 300) + ".xz": strings.Repeat("x", maxName-3) + ".xz",
	} {
		if got := fileName(in); got != want {
			t.Errorf("fileName(%q) = %q; want %q", in, got, want)
		}
	}
}

func FuzzFileName(f *testing.F) {
	f.Fuzz(func(t *testing.T, s string) {
		got := fileName(s)
		if got == "" || got[0] == '.' || len(got) > maxName || strings.ContainsAny(got, "/\x00\x1b\n ") {
			t.Errorf("fileName(%q) = %q; want a safe name", s, got)
		}
		if again := fileName(got); again != got {
			t.Errorf("fileName(%q) = %q; want it unchanged", got, again)
		}
		if hashPrefix(entryName(sumOf(nil), s)) != sumOf(nil) {
			t.Errorf("entryName(%q) = %q; want it to start with the sum", s, entryName(sumOf(nil), s))
		}
	})
}

func TestRedactURL(t *testing.T) {
	for in, want := range map[string]string{
		"http://host/a@1.2/x":         "http://host/a@1.2/x",
		"http://u:p@host/a@1.2?q=1":   "http://***@host/a@1.2?q=1",
		"https://token@host/":         "https://***@host/",
		"http://u:p@ss@host/":         "http://***@host/",
		"http://u:p/w@host:80/":       "http://***@host:80/",
		"u:p@host:80":                 "***@host:80",
		"//u:p@host/x":                "//***@host/x",
		"http://u:p@host.test:port/x": "http://***@host.test:port/x",
		"":                            "",
	} {
		if got := redactURL(in); got != want {
			t.Errorf("redactURL(%q) = %q; want %q", in, got, want)
		}
	}
	err := redacted{fmt.Errorf(`Get "http://u:***@host/": proxy http://u:p@two:1: refused; a@b`)}
	want := `Get "http://***@host/": proxy http://***@two:1: refused; a@b`
	if err.Error() != want {
		t.Errorf("redacted error = %q; want %q", err.Error(), want)
	}
}

// Whatever surrounds it, a password in a proxy's address is not shown.
func FuzzProxiesString(f *testing.F) {
	f.Fuzz(func(t *testing.T, before, after string) {
		p := Proxies{HTTP: before + secret + after + "@host:1"}
		got := p.String() + p.GoString()
		if err := p.Validate(); err != nil {
			got += err.Error()
		}
		if strings.Contains(got, secret) {
			t.Errorf("Proxies{HTTP: %q} shows the password: %q", p.HTTP, got)
		}
	})
}
