package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// Limits of the client that [NewHTTPClient] makes. The times are those after
// which a working server on a bad line has long answered.
const (
	maxRedirects    = 10
	maxHeaderBytes  = 256 << 10
	dialTimeout     = 15 * time.Second
	tlsTimeout      = 15 * time.Second
	headerTimeout   = 30 * time.Second
	idleTimeout     = 30 * time.Second
	keepAlive       = 30 * time.Second
	maxIdlePerHost  = 4
	unusedProxyAddr = "http://proxy.invalid:9"
)

var (
	errRedirects = fmt.Errorf("more than %d redirects", maxRedirects)
	errDowngrade = errors.New("redirect from https to http for a file whose hash is not known")
	errScheme    = errors.New("not an http or https URL")
)

// Proxies are the addresses of forward proxies, URLs (http, https, socks5) or
// HOST:PORT, empty for none. No lists hosts, domains, networks and ports to
// reach directly, separated by commas, as in no_proxy. Loopback addresses are
// always reached directly. Printing it shows no credentials.
type Proxies struct {
	HTTP, HTTPS, No string
}

// String returns the addresses without credentials.
func (p Proxies) String() string {
	return fmt.Sprintf("http=%s https=%s no=%s", redactLoose(p.HTTP), redactLoose(p.HTTPS), redactLoose(p.No))
}

// GoString is [Proxies.String] for %#v.
func (p Proxies) GoString() string { return fmt.Sprintf("fetch.Proxies{%s}", p.String()) }

// Validate returns an error that names the first address that is not one.
func (p Proxies) Validate() error {
	for _, s := range []string{p.HTTP, p.HTTPS} {
		if err := validProxy(s); err != nil {
			return err
		}
	}
	return nil
}

// proxyError is a proxy's address that is not one.
type proxyError struct{ addr string } // redacted

func (e *proxyError) Error() string { return fmt.Sprintf("invalid proxy address %q", e.addr) }

func validProxy(s string) error {
	if s == "" {
		return nil
	}
	full := s
	if !strings.Contains(s, "://") {
		full = "http://" + s
	}
	u, err := url.Parse(full)
	if err == nil && u.Hostname() != "" {
		switch u.Scheme {
		case "http", "https", "socks5", "socks5h":
			return nil
		}
	}
	return &proxyError{redactLoose(s)}
}

// chooser returns the function that names the proxy for a URL. An address that
// is not one fails the requests it was meant for; the package httpproxy would
// quietly go without.
func (p Proxies) chooser() func(*url.URL) (*url.URL, error) {
	cfg := httpproxy.Config{HTTPProxy: p.HTTP, HTTPSProxy: p.HTTPS, NoProxy: p.No}
	bad := map[string]error{"http": validProxy(p.HTTP), "https": validProxy(p.HTTPS)}
	if bad["http"] != nil {
		cfg.HTTPProxy = unusedProxyAddr
	}
	if bad["https"] != nil {
		cfg.HTTPSProxy = unusedProxyAddr
	}
	choose := cfg.ProxyFunc()
	return func(u *url.URL) (*url.URL, error) {
		proxy, err := choose(u)
		if proxy != nil && bad[u.Scheme] != nil {
			return nil, bad[u.Scheme]
		}
		return proxy, err
	}
}

// NewHTTPClient returns a client that goes through the given proxies, trusts the given
// authorities (nil means the system's), and reads nothing about proxies from the
// environment. It follows 10 redirects, asks for no
// compression, and has time limits on everything but the body, which is the
// job of [Client.StallTimeout].
func NewHTTPClient(p Proxies, roots *x509.CertPool) *http.Client {
	choose := p.chooser()
	dialer := &net.Dialer{Timeout: dialTimeout, KeepAlive: keepAlive}
	return &http.Client{
		CheckRedirect: redirects(false),
		Transport: &http.Transport{
			Proxy:                  func(r *http.Request) (*url.URL, error) { return choose(r.URL) },
			OnProxyConnectResponse: proxyAnswer,
			DialContext:            dialer.DialContext,
			ForceAttemptHTTP2:      true,
			TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    tlsTimeout,
			ResponseHeaderTimeout:  headerTimeout,
			IdleConnTimeout:        idleTimeout,
			MaxIdleConnsPerHost:    maxIdlePerHost,
			MaxResponseHeaderBytes: maxHeaderBytes,
			DisableCompression:     true,
		},
	}
}

// proxyAnswer keeps a proxy's refusal to CONNECT as an error with a type.
func proxyAnswer(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return &statusError{code: resp.StatusCode, proxy: true}
	}
	return nil
}

// redirects is the policy for redirects. A body whose hash is not known must
// not lose the protection of https on the way.
func redirects(secure bool) func(*http.Request, []*http.Request) error {
	return func(r *http.Request, via []*http.Request) error {
		switch {
		case len(via) >= maxRedirects:
			return errRedirects
		case r.URL.Scheme != "http" && r.URL.Scheme != "https":
			return errScheme
		case secure && r.URL.Scheme == "http" && via[len(via)-1].URL.Scheme == "https":
			return errDowngrade
		}
		return nil
	}
}
