package bundle

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// A Reader reads a bundle from its beginning to its end, once.
type Reader struct {
	Index Index
	ID    string // sha256 of index.json, lower-case hex: who has it has the whole content's

	name string
	src  *source
	r    *bufio.Reader
	z    *zstd.Decoder
	buf  []byte
}

// source remembers why nothing could be read: such an error is not the bundle's.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// NewReader reads and verifies the index of the bundle r, which messages call name.
// Damage is an *Error; other errors are those of r. Close must be called.
func NewReader(r io.Reader, name string) (*Reader, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(window), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, err
	}
	b := &Reader{name: name, src: &source{r: r}, z: z, buf: make([]byte, chunk)}
	b.r = bufio.NewReader(b.src)
	if err := b.readIndex(); err != nil {
		z.Close()
		return nil, err
	}
	return b, nil
}

// Close frees memory; it leaves r open.
func (b *Reader) Close() { b.z.Close() }

// fail makes an *Error, unless r is to blame.
func (b *Reader) fail(member, reason string) error {
	if b.src.err != nil {
		return b.src.err
	}
	return &Error{b.name, member, reason}
}

// damaged is fail for an error of reading.
func (b *Reader) damaged(member string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return b.fail(member, "breaks off")
	}
	return b.fail(member, "is damaged: "+err.Error())
}

func (b *Reader) readIndex() error {
	text, err := b.indexText()
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	b.ID = hex.EncodeToString(sum[:])
	if b.Index, err = parseIndex(text); err != nil {
		return b.fail(indexName, "is no index: "+err.Error())
	}
	if member, reason := b.Index.check(); reason != "" {
		return b.fail(member, reason)
	}
	return nil
}

// parseIndex takes fields that it does not know in the index of another version only,
// whose version is then told.
func parseIndex(text []byte) (x Index, err error) {
	var any struct{ Version int }
	if err := json.Unmarshal(text, &any); err != nil || any.Version != Version {
		return Index{Version: any.Version}, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return x, d.Decode(&x)
}

// frameMagic begins zstd's frames (RFC 8878, 3.1.1).
const frameMagic = "\x28\xb5\x2f\xfd"

const notBegun = "does not begin as one, so this is no bundle"

// indexText reads the first frame. Its size is known from its own header only.
func (b *Reader) indexText() ([]byte, error) {
	if magic, err := b.r.Peek(len(frameMagic)); err == nil && string(magic) != frameMagic {
		return nil, b.fail(indexName, notBegun)
	}
	f := newFrame(b.r)
	if err := b.z.Reset(f); err != nil {
		return nil, b.damaged(indexName, err)
	}
	header := make([]byte, block)
	if _, err := io.ReadFull(b.z, header); err != nil {
		return nil, b.damaged(indexName, err)
	}
	size, err := indexSize(header)
	if err != nil {
		return nil, b.fail(indexName, err.Error())
	}
	if want, err := tarHeader(indexName, size); err != nil || !bytes.Equal(header, want) {
		return nil, b.fail(indexName, notBegun)
	}
	var text bytes.Buffer
	if _, err := io.CopyN(&text, b.z, size); err != nil {
		return nil, b.damaged(indexName, err)
	}
	if err := b.frameEnd(f, tarTail(size, false)); err != nil {
		return nil, b.damaged(indexName, err)
	}
	return text.Bytes(), nil
}

// frameEnd reads the rest of a frame, which must be as wanted, and the frame's check.
func (b *Reader) frameEnd(f *frame, want []byte) error {
	got := make([]byte, len(want)+1)
	n, err := io.ReadFull(b.z, got)
	switch {
	case err == nil:
		return errors.New("more follows than the index says")
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		return err
	case !bytes.Equal(got[:n], want):
		return errors.New("what follows its content is not what belongs there")
	}
	return f.verify()
}

// Verify reads all members and compares them with the index. Damage is an *Error.
func (b *Reader) Verify(ctx context.Context, progress Progress) error {
	return b.each(ctx, func(Member) (io.WriteCloser, error) { return discard{io.Discard}, nil }, progress)
}

type discard struct{ io.Writer }

func (discard) Close() error { return nil }

// each hands every member's content to what create returns for it, before it is known
// to be as it should: only when each returns no error, all of it was.
func (b *Reader) each(ctx context.Context, create func(Member) (io.WriteCloser, error), progress Progress) error {
	var done int64
	total := b.Index.total()
	count := func(n int) {
		done += int64(n)
		if progress != nil {
			progress(done, total)
		}
	}
	for i, m := range b.Index.Members {
		w, err := create(m)
		if err != nil {
			return err
		}
		if err := b.member(ctx, m, w, i == len(b.Index.Members)-1, count); err != nil {
			w.Close()
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
	}
	if _, err := b.r.ReadByte(); err != io.EOF {
		return b.fail("", "something follows its end")
	}
	return nil
}

// member reads a frame and its check.
func (b *Reader) member(ctx context.Context, m Member, w io.Writer, last bool, count func(int)) error {
	header, err := tarHeader(m.Path, m.Size)
	if err != nil {
		return err
	}
	f := newFrame(b.r)
	if err := b.z.Reset(f); err != nil {
		return b.damaged(m.Path, err)
	}
	got := make([]byte, len(header))
	if _, err := io.ReadFull(b.z, got); err != nil {
		return b.damaged(m.Path, err)
	}
	if !bytes.Equal(got, header) {
		return b.fail(m.Path, "is not where the index says: another header of the archive is there")
	}
	if err := b.content(ctx, m, w, count); err != nil {
		return err
	}
	if err := b.frameEnd(f, tarTail(m.Size, last)); err != nil {
		return b.damaged(m.Path, err)
	}
	return nil
}

// content copies a member's content and compares it with the index.
func (b *Reader) content(ctx context.Context, m Member, w io.Writer, count func(int)) error {
	content := &hashed{r: io.LimitReader(b.z, m.Size), sum: sha256.New()}
	to := &sink{w: w}
	n, err := copyContent(ctx, to, content, b.buf, count)
	switch {
	case to.err != nil:
		return to.err
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return b.damaged(m.Path, err)
	case n != m.Size:
		return b.fail(m.Path, "breaks off")
	}
	if got := hex.EncodeToString(content.sum.Sum(nil)); got != m.SHA256 {
		return b.fail(m.Path, fmt.Sprintf("has the sha256 %s; the index says %s", got, m.SHA256))
	}
	return nil
}

// sink remembers why nothing could be written: such an error is not the bundle's.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if err != nil {
		s.err = err
	}
	return n, err
}
