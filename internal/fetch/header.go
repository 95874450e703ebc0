package fetch

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxETag bounds the entity tag that is sent back to a source, in bytes.
const maxETag = 256

// contentRange is what a 206 answer says it holds: the bytes first to last,
// both included, of total.
type contentRange struct {
	first, last, total int64 // total is -1 if the source does not know
}

// parseContentRange parses "bytes FIRST-LAST/TOTAL" (RFC 9110, section 14.4),
// where TOTAL may be "*".
func parseContentRange(s string) (contentRange, error) {
	fail := func() (contentRange, error) {
		return contentRange{}, fmt.Errorf("odd Content-Range %.64q", s)
	}
	unit, rest, ok := strings.Cut(s, " ")
	if !ok || !strings.EqualFold(unit, "bytes") {
		return fail()
	}
	span, size, ok1 := strings.Cut(rest, "/")
	from, to, ok2 := strings.Cut(span, "-")
	first, ok3 := digits(from)
	last, ok4 := digits(to)
	if !ok1 || !ok2 || !ok3 || !ok4 || last < first {
		return fail()
	}
	cr := contentRange{first, last, -1}
	if size != "*" {
		if cr.total, ok = digits(size); !ok || last >= cr.total {
			return fail()
		}
	}
	return cr, nil
}

// digits parses a decimal number without a sign.
func digits(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// retryAfter parses a Retry-After header, seconds or a date (RFC 9110, section
// 10.2.3), and returns a time between 0 and limit. An odd one counts as 0.
func retryAfter(s string, now time.Time, limit time.Duration) time.Duration {
	s = strings.TrimSpace(s)
	if s != "" && strings.Trim(s, "0123456789") == "" {
		if n, ok := digits(s); ok && n < int64(limit/time.Second) {
			return time.Duration(n) * time.Second
		}
		return limit
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), limit)
}

// strongETag returns the entity tag if it vouches for equal bytes.
func strongETag(h http.Header) string {
	tag := h.Get("Etag")
	if len(tag) < 2 || len(tag) > maxETag || tag[0] != '"' || tag[len(tag)-1] != '"' {
		return ""
	}
	return tag
}
