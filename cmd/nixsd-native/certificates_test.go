package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"nixsd-native/internal/upstream"
)

// newCA makes a file with a CA certificate.
func newCA(t *testing.T) (file string, pem []byte) {
	t.Helper()
	pem, err := upstream.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem, 0o644); err != nil {
		t.Fatal(err)
	}
	return file, pem
}

// The first variable that is set decides, and what it names is all that is trusted, but
// for the files of SSL_CERT_DIR.
func TestReadCertificates(t *testing.T) {
	one, onePEM := newCA(t)
	two, twoPEM := newCA(t)
	for _, tt := range []struct {
		name string
		env  environment
		want string // "" for the system's
	}{
		{"none", environment{}, ""},
		{"empty", environment{"SSL_CERT_FILE": ""}, ""},
		{"OpenSSL", environment{"SSL_CERT_FILE": one, "NIX_SSL_CERT_FILE": two, "CURL_CA_BUNDLE": "/none"}, string(onePEM)},
		{"Nix", environment{"NIX_SSL_CERT_FILE": two, "CURL_CA_BUNDLE": one}, string(twoPEM)},
		{"curl", environment{"CURL_CA_BUNDLE": one, "REQUESTS_CA_BUNDLE": two}, string(onePEM)},
		{"requests", environment{"REQUESTS_CA_BUNDLE": two}, string(twoPEM)},
		{"folder", environment{"SSL_CERT_FILE": one, "SSL_CERT_DIR": filepath.Dir(two)}, string(onePEM) + "\n" + string(twoPEM) + "\n"},
	} {
		c, err := tt.env.readCertificates()
		if err != nil || (c.pool != nil) != (tt.want != "") || tt.want != "" && string(c.pem) != tt.want {
			t.Errorf("%s: %q, pool %v, error %v; want %q", tt.name, c.pem, c.pool != nil, err, tt.want)
		}
	}
}

// What is named and cannot be used is told with its variable.
func TestReadCertificatesErrors(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, []byte("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ variable, value, says string }{
		{"SSL_CERT_FILE", filepath.Join(dir, "none.pem"), "no such file"},
		{"CURL_CA_BUNDLE", empty, "no certificate in PEM form"},
		{"NIX_SSL_CERT_FILE", dir, "is a directory"},
		{"SSL_CERT_DIR", filepath.Join(dir, "none"), "no such file"},
	} {
		_, err := environment{tt.variable: tt.value}.readCertificates()
		ue := (*usageError)(nil)
		if !errors.As(err, &ue) || !strings.Contains(err.Error(), tt.variable+"="+tt.value) || !strings.Contains(err.Error(), tt.says) || ue.hint == "" {
			t.Errorf("%s=%s: %v; want a usage error with %q and a hint", tt.variable, tt.value, err, tt.says)
		}
	}
}
