package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

const copyBuffer = 64 << 10

// attempt asks the source once, for the part that is missing if that makes
// sense, and takes in what comes. A nil result means that the body ended as
// the source had announced it.
func (t *transfer) attempt(ctx context.Context, rawURL string) *failure {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	dog := newWatchdog(t.stall, func() { cancel(stallError(t.stall)) })
	defer dog.rest()

	req, f := t.request(ctx, rawURL)
	if f != nil {
		return f
	}
	dog.arm()
	resp, err := t.http.Do(req)
	dog.rest()
	if err != nil {
		return failed(ctx, err)
	}
	defer resp.Body.Close()
	t.answered = true
	if f := t.accept(resp, req.Header.Get("Range") != ""); f != nil {
		return f
	}
	return t.take(ctx, resp.Body, dog)
}

// request makes the request for the whole body or, if the bytes so far are
// worth keeping, for the rest of it.
func (t *transfer) request(ctx context.Context, rawURL string) (*http.Request, *failure) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, failf(giveUp, "not a URL") // the parser's text quotes it
	}
	if s := req.URL.Scheme; s != "http" && s != "https" || req.URL.Host == "" {
		return nil, &failure{verdict: giveUp, err: errScheme}
	}
	req.Header.Set("User-Agent", t.agent)
	req.Header.Set("Accept-Encoding", "identity")
	if t.sink.n > 0 && !t.noRange && (t.want != "" || t.etag != "") {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", t.sink.n))
		if t.etag != "" {
			req.Header.Set("If-Range", t.etag)
		}
	}
	return req, nil
}

// accept looks at the head of an answer and gets the sink ready for the body.
func (t *transfer) accept(resp *http.Response, ranged bool) *failure {
	switch code := resp.StatusCode; {
	case code == http.StatusOK:
		return t.acceptWhole(resp)
	case code == http.StatusPartialContent && ranged:
		return t.acceptPart(resp)
	case code == http.StatusRequestedRangeNotSatisfiable && ranged:
		return &failure{verdict: restart, err: &statusError{code: code}}
	case code >= 500, code == http.StatusTooManyRequests,
		code == http.StatusRequestTimeout, code == http.StatusTooEarly:
		after := retryAfter(resp.Header.Get("Retry-After"), time.Now(), maxPause)
		return &failure{verdict: retry, err: &statusError{code: code}, after: after}
	default:
		return &failure{verdict: giveUp, err: &statusError{code: code, proxy: code == http.StatusProxyAuthRequired}}
	}
}

func (t *transfer) acceptWhole(resp *http.Response) *failure {
	if f := t.fits(resp.ContentLength); f != nil {
		return f
	}
	if t.want == "" {
		t.etag = strongETag(resp.Header)
	}
	t.resumed = false
	if err := t.sink.reset(); err != nil {
		return &failure{verdict: stop, err: err}
	}
	t.begin(resp, resp.ContentLength)
	return nil
}

func (t *transfer) acceptPart(resp *http.Response) *failure {
	part, err := parseContentRange(resp.Header.Get("Content-Range"))
	if err == nil && part.first != t.sink.n {
		err = fmt.Errorf("the source sent from byte %d on instead of %d", part.first, t.sink.n)
	}
	if err == nil && part.total < 0 && t.want == "" {
		err = errors.New("the source does not say how long the whole is")
	}
	if err != nil {
		return &failure{verdict: restart, err: err}
	}
	if f := t.fits(part.total); f != nil {
		return f
	}
	t.resumed = true
	t.begin(resp, part.total)
	return nil
}

// fits judges the announced length of the whole body, -1 for none.
func (t *transfer) fits(total int64) *failure {
	limit := t.sink.limit
	switch {
	case t.sink.exact && total >= 0 && total != limit:
		return failf(wrong, "it is %d bytes, not %d", total, limit)
	case total > limit:
		return failf(giveUp, "it is %d bytes: %w (%d)", total, ErrTooLarge, limit)
	}
	return nil
}

func (t *transfer) begin(resp *http.Response, total int64) {
	t.expecting = total
	t.finalURL = resp.Request.URL.String()
	if !t.sink.exact {
		t.meter.total = max(total, 0)
	}
}

// take moves the body into the sink.
func (t *transfer) take(ctx context.Context, body io.Reader, dog *watchdog) *failure {
	buf := make([]byte, copyBuffer)
	for {
		dog.arm()
		n, err := body.Read(buf)
		dog.rest()
		if n > 0 {
			if err := t.sink.write(buf[:n]); err != nil {
				return t.refused(err)
			}
			t.meter.at(t.sink.n)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return failed(ctx, err)
		}
	}
}

// refused judges an error of the sink.
func (t *transfer) refused(err error) *failure {
	if !errors.Is(err, ErrTooLarge) {
		return &failure{verdict: stop, err: err}
	}
	limit := t.sink.limit
	if err := t.sink.reset(); err != nil {
		return &failure{verdict: stop, err: err}
	}
	if t.sink.exact {
		return failf(wrong, "the body goes on after %d bytes", limit)
	}
	return failf(giveUp, "endless body: %w (%d bytes)", ErrTooLarge, limit)
}

// stallError is a source that has sent nothing for so long.
type stallError time.Duration

func (e stallError) Error() string { return fmt.Sprintf("no byte for %v", time.Duration(e)) }

// failed judges an error of the connection. ctx is the attempt's.
func failed(ctx context.Context, err error) *failure {
	if cause := context.Cause(ctx); cause != nil {
		if _, ok := errors.AsType[stallError](cause); ok {
			return &failure{verdict: retry, err: cause}
		}
		return &failure{verdict: stop, err: ctx.Err()}
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the URL, which may be a redirect's with a token in it
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return failf(retry, "the connection broke off: %w", err)
	}
	if hopeless(err) {
		return &failure{verdict: giveUp, err: err}
	}
	return &failure{verdict: retry, err: err}
}

// hopeless reports whether the same request would fail the same way again.
func hopeless(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound
	}
	_, cert := errors.AsType[*tls.CertificateVerificationError](err)
	_, host := errors.AsType[x509.HostnameError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	_, proxy := errors.AsType[*proxyError](err)
	status, ok := errors.AsType[*statusError](err)
	return cert || host || record || proxy || ok && status.code < 500 ||
		errors.Is(err, errRedirects) || errors.Is(err, errDowngrade) || errors.Is(err, errScheme)
}
