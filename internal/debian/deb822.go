package debian

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of deb822 text. The longest line in Debian 13 has 76 kB (a Provides
// field), and so has the longest stanza of an index; the one stanza of sid's
// InRelease has 190 kB.
const (
	maxLine   = 1 << 20
	maxStanza = 4 << 20
)

// kind is what a line of deb822 text is.
type kind int

const (
	field        kind = iota // "Key: value"
	continuation             // " value", belongs to the field before
	separator                // an empty line
)

// scanner splits deb822 text into lines. Keys and values it hands out are valid
// until the next call.
type scanner struct {
	what   string
	r      *bufio.Reader
	max    int64 // bytes of text
	total  int64
	stanza int
	line   int
	opened bool // a field of this stanza was seen
}

// newScanner reads text of at most max bytes.
func newScanner(what string, r io.Reader, max int64) *scanner {
	return &scanner{what: what, r: bufio.NewReaderSize(r, int(min(maxLine, max+1))), max: max}
}

func (s *scanner) errorf(format string, args ...any) error {
	return &FormatError{What: s.what, Line: s.line, Reason: fmt.Sprintf(format, args...)}
}

// next returns the next line, its key if it is a field, and its value without
// surrounding blanks. The error is io.EOF at the end, a *FormatError, or that
// of the reader, wrapped.
func (s *scanner) next() (kind, []byte, []byte, error) {
	line, err := s.readLine()
	if err != nil {
		return 0, nil, nil, err
	}
	value := bytes.TrimRight(line, " \t\r\n")
	if len(value) == 0 {
		s.stanza, s.opened = 0, false
		return separator, nil, nil, nil
	}
	if value[0] == ' ' || value[0] == '\t' {
		if !s.opened {
			return 0, nil, nil, s.errorf("a continuation line without a field")
		}
		return continuation, nil, bytes.TrimLeft(value, " \t"), nil
	}
	key, value, ok := bytes.Cut(value, []byte(":"))
	if !ok || len(key) == 0 || bytes.ContainsAny(key, " \t\r") {
		return 0, nil, nil, s.errorf("not of the form key: value")
	}
	s.opened = true
	return field, key, bytes.TrimLeft(value, " \t"), nil
}

func (s *scanner) readLine() ([]byte, error) {
	line, err := s.r.ReadSlice('\n')
	if len(line) > 0 {
		s.line++
	}
	s.total += int64(len(line))
	s.stanza += len(line)
	switch {
	case s.total > s.max:
		return nil, s.errorf("more than %d bytes", s.max)
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, s.errorf("a line of more than %d bytes", maxLine)
	case s.stanza > maxStanza:
		return nil, s.errorf("a stanza of more than %d bytes", maxStanza)
	case err == io.EOF && len(line) == 0:
		return nil, io.EOF
	case err != nil && err != io.EOF:
		return nil, fmt.Errorf("read %s: %w", s.what, err)
	case bytes.IndexByte(line, 0) >= 0:
		return nil, s.errorf("a NUL byte")
	}
	return line, nil
}

// stanzas reads small deb822 text whole: one map per stanza, keys in lower
// case, continuation lines joined with "\n".
func stanzas(what string, text []byte) ([]map[string]string, error) {
	s := newScanner(what, bytes.NewReader(text), int64(len(text)))
	var all []map[string]string
	var one map[string]*strings.Builder
	var last *strings.Builder
	flush := func() {
		if len(one) > 0 {
			all = append(all, built(one))
		}
		one, last = map[string]*strings.Builder{}, nil
	}
	flush()
	for {
		kind, key, value, err := s.next()
		if err == io.EOF {
			flush()
			return all, nil
		}
		if err != nil {
			return all, err
		}
		switch kind {
		case separator:
			flush()
		case continuation:
			last.WriteByte('\n')
			last.Write(value)
		case field:
			name := strings.ToLower(string(key))
			if one[name] != nil {
				return all, s.errorf("field %q twice", key)
			}
			last = new(strings.Builder)
			last.Write(value)
			one[name] = last
		}
	}
}

func built(fields map[string]*strings.Builder) map[string]string {
	m := make(map[string]string, len(fields))
	for name, b := range fields {
		m[name] = b.String()
	}
	return m
}
