package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// certificateVariables name a file of CA certificates, the first that is set wins: that
// of OpenSSL and Go, of Nix, of curl, of Python's requests. The file takes the place of
// the system's.
var certificateVariables = []string{"SSL_CERT_FILE", "NIX_SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"}

// certificateFolders names folders, separated by colons, whose files are trusted, too.
const certificateFolders = "SSL_CERT_DIR"

// certificateFiles are where distributions keep their CA certificates, as Go's
// crypto/x509 knows them.
var certificateFiles = []string{
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem",
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", "/etc/ssl/cert.pem",
}

const insideCertificates = "/etc/ssl/certs/ca-certificates.crt"

// Bounds of what is trusted: Mozilla's bundle has 220 kB, and a folder of them, each
// under two names, 300 files.
const (
	maxCertificates     = 4 << 20
	maxCertificateFiles = 4096
)

// certificates are authorities, as PEM. They are the same for what is downloaded here
// and by Nix in the sandbox.
type certificates struct {
	pem  []byte         // nil if the host has none; then Nix's own are used in the sandbox
	pool *x509.CertPool // nil for the system's
}

// readCertificates returns what the environment names, or else the system's. What is
// named and cannot be used is a usage error.
func (e environment) readCertificates() (c certificates, err error) {
	named := ""
	for _, variable := range certificateVariables {
		if named = e[variable]; named != "" {
			if c.pem, err = namedCertificates(variable, named); err != nil {
				return certificates{}, err
			}
			break
		}
	}
	if named == "" {
		c.pem = systemCertificates()
	}
	folders := filepath.SplitList(e[certificateFolders])
	for _, dir := range folders {
		more, err := certificatesIn(dir)
		if err != nil {
			return certificates{}, usageErrorf("name folders of CA certificates, or: unset "+certificateFolders, "%s=%s: %v", certificateFolders, e[certificateFolders], err)
		}
		c.pem = slices.Concat(c.pem, []byte("\n"), more)
	}
	if named != "" || len(folders) > 0 {
		c.pool = x509.NewCertPool()
		c.pool.AppendCertsFromPEM(c.pem)
	}
	return c, nil
}

func namedCertificates(variable, name string) ([]byte, error) {
	data, err := readBounded(name, maxCertificates)
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(data) {
		err = errors.New("it has no certificate in PEM form")
	}
	if err == nil {
		return data, nil
	}
	hint := "name a file of CA certificates in PEM form, or: unset " + variable
	if errors.Is(err, fs.ErrPermission) {
		hint = fmt.Sprintf("downloads are made as user %d, who must be able to read it: put a copy where that user can, or chmod a+r %s", os.Geteuid(), name)
	}
	return nil, usageErrorf(hint, "%s=%s: %v", variable, name, bare(err))
}

// systemCertificates returns the host's, or nil.
func systemCertificates() []byte {
	for _, name := range certificateFiles {
		data, err := readBounded(name, maxCertificates)
		if err == nil && bytes.Contains(data, []byte("-----BEGIN CERTIFICATE-----")) {
			return data
		}
	}
	return nil
}

// certificatesIn returns those of a folder's files. Files without are none of our
// business, as they are none of Go's and OpenSSL's.
func certificatesIn(dir string) ([]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, bare(err)
	}
	var all []byte
	for _, e := range entries[:min(len(entries), maxCertificateFiles)] {
		name := filepath.Join(dir, e.Name())
		if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
			continue
		}
		data, err := readBounded(name, maxCertificates)
		if err == nil && x509.NewCertPool().AppendCertsFromPEM(data) {
			all = slices.Concat(all, data, []byte("\n"))
		}
		if len(all) > maxCertificates {
			return nil, fmt.Errorf("more than %d bytes of certificates", maxCertificates)
		}
	}
	return all, nil
}
