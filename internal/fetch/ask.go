package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// headBytes is how much of a body Ask reads: enough to tell a file from a login page.
const headBytes = 512

// An Answer is what a source said to a question for the beginning of a file.
type Answer struct {
	Took time.Duration // until the first bytes were here
	Date time.Time     // by the source's clock, zero if it did not say
	Host string        // that answered in the end, after redirects
	Head []byte        // the file's first 512 bytes, less if it is shorter
}

// Ask asks a source for the beginning of a file, once. What it gets is kept nowhere. An
// error is one that [Client.Document] would have among its attempts; the Answer has the
// Date in spite of it, if there is one.
func (c *Client) Ask(ctx context.Context, rawURL string) (Answer, error) {
	if c.Offline {
		return Answer{}, &OfflineError{Missing: []Missing{{Name: redactURL(rawURL)}}}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return Answer{}, errors.New("not a URL") // the parser's text quotes it
	}
	req.Header.Set("User-Agent", cmp.Or(c.UserAgent, defaultAgent))
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("Range", fmt.Sprintf("bytes=0-%d", headBytes-1))
	client := *c.transfer(Request{}, newSink(headBytes, false)).http
	begun := time.Now()
	resp, err := client.Do(req)
	if err != nil {
		return Answer{}, redacted{failed(ctx, err).err}
	}
	defer resp.Body.Close()
	a := Answer{Host: resp.Request.URL.Host}
	a.Date, _ = http.ParseTime(resp.Header.Get("Date"))
	switch resp.StatusCode {
	case http.StatusOK, http.StatusPartialContent:
	default:
		return a, &statusError{code: resp.StatusCode, proxy: resp.StatusCode == http.StatusProxyAuthRequired}
	}
	a.Head, err = io.ReadAll(io.LimitReader(resp.Body, headBytes))
	a.Took = time.Since(begun)
	if err != nil {
		return a, redacted{failed(ctx, err).err}
	}
	return a, nil
}

// For returns the proxy for a URL as it may be shown to people, and its host's name; both
// are empty if the URL's host is reached directly.
func (p Proxies) For(rawURL string) (shown, host string, err error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "", "", errors.New("not a URL")
	}
	proxy, err := p.chooser()(u)
	if proxy == nil || err != nil {
		return "", "", err
	}
	return redactURL(proxy.String()), proxy.Hostname(), nil
}
