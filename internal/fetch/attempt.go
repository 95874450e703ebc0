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

// exchange is one request, and what has come of its answer.
type exchange struct {
	url    string
	from   int64 // bytes that were here when it was asked
	ctx    context.Context
	cancel context.CancelCauseFunc
	dog    *watchdog

	resp    *http.Response // nil if none came
	whole   bool           // it is the whole body, not the missing part
	total   int64          // bytes of the whole body as announced, -1 if not
	refused *failure       // why there is no answer, or why it is of no use

	early []byte   // of the body, read in a race
	broke *failure // how reading those ended, if not well
}

// open makes an exchange. Whoever calls it ends it.
func (t *transfer) open(ctx context.Context, rawURL string) *exchange {
	x := &exchange{url: rawURL, from: t.sink.n}
	x.ctx, x.cancel = context.WithCancelCause(ctx)
	x.dog = newWatchdog(t.stall, func(why stallError) { x.cancel(why) })
	return x
}

// end gives the connection up. A second call does nothing.
func (x *exchange) end() {
	x.dog.rest()
	x.cancel(nil)
	if x.resp != nil {
		x.resp.Body.Close()
	}
}

// attempt asks the source once, unless x is an answer that begins where the bytes that
// are here end, and takes in what comes. A nil result means that the body ended as the
// source had announced it.
func (t *transfer) attempt(ctx context.Context, rawURL string, x *exchange) *failure {
	if x == nil || x.from != t.sink.n {
		x = t.open(ctx, rawURL)
		t.ask(x)
	}
	defer x.end()
	t.answered = t.answered || x.resp != nil
	if f := t.accept(x); f != nil {
		return f
	}
	had := t.sink.n
	f := t.take(x)
	if f != nil && t.sink.n > had {
		f.mute = false
	}
	return f
}

// ask sends the request, for the part that is missing if that makes sense, and judges
// the head of the answer. It changes nothing but x.
func (t *transfer) ask(x *exchange) {
	req, f := t.request(x.ctx, x.url)
	if f != nil {
		x.refused = f
		return
	}
	x.dog.arm()
	resp, err := t.http.Do(req)
	x.dog.rest()
	x.dog.got(leastBytes) // the head is all of its kind
	if err != nil {
		x.refused = failed(x.ctx, err)
		return
	}
	x.resp = resp
	x.refused = t.judge(x, req.Header.Get("Range") != "")
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

// judge looks at the head of an answer.
func (t *transfer) judge(x *exchange, ranged bool) *failure {
	switch code := x.resp.StatusCode; {
	case code == http.StatusOK:
		x.whole, x.total = true, x.resp.ContentLength
		return t.fits(x.total)
	case code == http.StatusPartialContent && ranged:
		return t.judgePart(x)
	case code == http.StatusRequestedRangeNotSatisfiable && ranged:
		return &failure{verdict: restart, err: &statusError{code: code}}
	case code >= 500, code == http.StatusTooManyRequests,
		code == http.StatusRequestTimeout, code == http.StatusTooEarly:
		after := retryAfter(x.resp.Header.Get("Retry-After"), time.Now(), maxPause)
		return &failure{verdict: retry, err: &statusError{code: code}, after: after}
	default:
		return &failure{verdict: giveUp, err: &statusError{code: code, proxy: code == http.StatusProxyAuthRequired}}
	}
}

func (t *transfer) judgePart(x *exchange) *failure {
	part, err := parseContentRange(x.resp.Header.Get("Content-Range"))
	if err == nil && part.first != t.sink.n {
		err = fmt.Errorf("the source sent from byte %d on instead of %d", part.first, t.sink.n)
	}
	if err == nil && part.total < 0 && t.want == "" {
		err = errors.New("the source does not say how long the whole is")
	}
	if err != nil {
		return &failure{verdict: restart, err: err}
	}
	x.total = part.total
	return t.fits(x.total)
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

// accept gets the sink ready for the body.
func (t *transfer) accept(x *exchange) *failure {
	if x.refused != nil {
		return x.refused
	}
	t.resumed = !x.whole
	if x.whole {
		if t.want == "" {
			t.etag = strongETag(x.resp.Header)
		}
		if err := t.sink.reset(); err != nil {
			return &failure{verdict: stop, err: err}
		}
	}
	t.expecting = x.total
	t.finalURL = x.resp.Request.URL.String()
	if !t.sink.exact {
		t.meter.total = max(x.total, 0)
	}
	return nil
}

// take moves the body into the sink.
func (t *transfer) take(x *exchange) *failure {
	if err := t.sink.write(x.early); err != nil {
		return t.refused(err)
	}
	x.early = nil
	if x.broke != nil {
		return x.broke
	}
	buf := make([]byte, copyBuffer)
	for {
		x.dog.arm()
		n, err := x.resp.Body.Read(buf)
		x.dog.rest()
		x.dog.got(n)
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
			return failed(x.ctx, err)
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

// failed judges an error of the connection. ctx is the attempt's.
func failed(ctx context.Context, err error) *failure {
	if cause := context.Cause(ctx); cause != nil {
		if _, ok := errors.AsType[stallError](cause); ok {
			return &failure{verdict: retry, err: cause, mute: true}
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
	return &failure{verdict: retry, err: err, mute: unreached(err)}
}

// unreached reports whether no connection was made, or nothing came over it in time.
func unreached(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	late, timed := errors.AsType[net.Error](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect") || timed && late.Timeout()
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
