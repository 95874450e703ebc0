package fetch

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTLSUnknownAuthority(t *testing.T) {
	s := httptest.NewUnstartedServer(serve(good))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	c, rec := newClient(t)
	r := Request{Name: "f.deb", SHA256: sumOf(good), URLs: []string{s.URL}}
	_, err := c.File(t.Context(), r)
	checkError(t, err, "unknown authority", false)
	if hint := err.(*NetworkError).Hints()[0]; !strings.Contains(hint, "SSL_CERT_FILE") {
		t.Errorf("first hint %q; want SSL_CERT_FILE", hint)
	}
	if want := []EventKind{EventSourceFailed}; !slices.Equal(rec.kinds(), want) {
		t.Errorf("events %v; want no retry", rec.events)
	}
	c.HTTP = s.Client()
	path, err := c.File(t.Context(), r)
	wantFile(t, path, err, good)
}

func TestHTTP2(t *testing.T) {
	s := unstarted([]http.HandlerFunc{cut(good, 1000), serve(good)})
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	c, rec := newClient(t)
	c.HTTP = s.Client()
	path, err := c.File(t.Context(), Request{SHA256: sumOf(good), Size: 3000, URLs: []string{s.URL}})
	wantFile(t, path, err, good)
	if want := []string{"", "bytes=1000-"}; !slices.Equal(s.asked(), want) {
		t.Errorf("asked for %q, events %v; want %q", s.asked(), rec.events, want)
	}
}

func TestTLSExpired(t *testing.T) {
	cert := certificate(t, time.Now().Add(-time.Hour))
	s := httptest.NewUnstartedServer(serve(good))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: cert.key}}}
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(cert.Certificate)
	c, _ := newClient(t)
	c.HTTP.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: roots}
	_, err := c.File(t.Context(), Request{Name: "f.deb", SHA256: sumOf(good), URLs: []string{s.URL}})
	checkError(t, err, "expired", false)
	if hint := err.(*NetworkError).Hints()[0]; !strings.Contains(hint, "clock: date") {
		t.Errorf("first hint %q; want the clock", hint)
	}
}

type keyed struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

// certificate returns a self-signed one for 127.0.0.1 that ends at the given
// time.
func certificate(t *testing.T, end time.Time) keyed {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: end.Add(-time.Hour), NotAfter: end,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return keyed{cert, key}
}

// A hash makes up for plain http; a body without one must not get there from
// https.
func TestDowngrade(t *testing.T) {
	clear := newSource(t, serve(good))
	s := httptest.NewTLSServer(http.RedirectHandler(clear.URL, http.StatusFound))
	defer s.Close()
	c, _ := newClient(t)
	c.HTTP = s.Client()
	if _, _, err := c.Document(t.Context(), []string{s.URL}, 0); !errors.Is(err, errDowngrade) {
		t.Errorf("Document = %v; want %v", err, errDowngrade)
	}
	if _, err := c.Learn(t.Context(), Request{URLs: []string{s.URL}}); !errors.Is(err, errDowngrade) {
		t.Errorf("Learn = %v; want %v", err, errDowngrade)
	}
	if n := len(clear.asked()); n != 0 {
		t.Errorf("%d requests in the clear; want none", n)
	}
	path, err := c.File(t.Context(), Request{SHA256: sumOf(good), URLs: []string{s.URL}})
	wantFile(t, path, err, good)
}
