package bundle

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Progress is told how many bytes of members' content are done, of how many.
type Progress func(done, total int64)

// Write writes a bundle of files, sorted by their paths, to w. Version and Members of
// the index are set by it, and the whole index is returned. The same files make the same
// bytes. It fails if a file is not what its Member says, with the errors of Open, of
// what it opens and of w, and with ctx.Err().
func Write(ctx context.Context, w io.Writer, x Index, files []File, progress Progress) (Index, error) {
	files = slices.SortedFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	x.Version, x.Members = Version, make([]Member, len(files))
	for i, f := range files {
		x.Members[i] = f.Member
	}
	if member, reason := x.check(); reason != "" {
		return x, fmt.Errorf("cannot be bundled: %q %s", member, reason)
	}
	text, err := json.Marshal(x)
	if err != nil {
		return x, err
	}
	// One encoder at a time, as how work is shared out would show in the output.
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault),
		zstd.WithWindowSize(window), zstd.WithEncoderCRC(true))
	if err != nil {
		return x, err
	}
	b := &writer{ctx: ctx, w: w, z: z, buf: make([]byte, chunk), total: x.total(), progress: progress}
	if err := b.member(indexName, int64(len(text)), bytes.NewReader(text), false, func(int) {}); err != nil {
		return x, err
	}
	for i, f := range files {
		if err := b.file(f, i == len(files)-1); err != nil {
			return x, err
		}
	}
	return x, nil
}

type writer struct {
	ctx         context.Context
	w           io.Writer
	z           *zstd.Encoder
	buf         []byte
	done, total int64
	progress    Progress
}

func (b *writer) file(f File, last bool) error {
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	content := &hashed{r: r, sum: sha256.New()}
	if err := b.member(f.Path, f.Size, io.LimitReader(content, f.Size+1), last, b.count); err != nil {
		return err
	}
	if got := hex.EncodeToString(content.sum.Sum(nil)); got != f.SHA256 {
		return fmt.Errorf("%s changed while it was bundled: its sha256 is %s, not %s", f.Path, got, f.SHA256)
	}
	return nil
}

// member writes a frame and its check.
func (b *writer) member(path string, size int64, content io.Reader, last bool, count func(int)) error {
	header, err := tarHeader(path, size)
	if err != nil {
		return err
	}
	tail, sum := tarTail(size, last), sha256.New()
	b.z.ResetContentSize(io.MultiWriter(b.w, sum), int64(len(header))+size+int64(len(tail)))
	if _, err := b.z.Write(header); err != nil {
		return err
	}
	n, err := copyContent(b.ctx, b.z, content, b.buf, count)
	switch {
	case err != nil:
		return err
	case n != size:
		return fmt.Errorf("%s changed while it was bundled: it has not %d bytes any more", path, size)
	}
	if _, err := b.z.Write(tail); err != nil {
		return err
	}
	if err := b.z.Close(); err != nil {
		return err
	}
	_, err = b.w.Write(check(sum))
	return err
}

func (b *writer) count(n int) {
	b.done += int64(n)
	if b.progress != nil {
		b.progress(b.done, b.total)
	}
}

// hashed hashes what is read.
type hashed struct {
	r   io.Reader
	sum hash.Hash
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.sum.Write(p[:n])
	return n, err
}

// chunk is how many bytes are copied between looks at the context: half of zstd's blocks.
const chunk = 64 << 10

// copyContent is io.CopyBuffer that ends with ctx and counts.
func copyContent(ctx context.Context, w io.Writer, r io.Reader, buf []byte, count func(n int)) (total int64, err error) {
	for {
		n, readErr := r.Read(buf)
		if _, err := w.Write(buf[:n]); err != nil {
			return total, err
		}
		total += int64(n)
		count(n)
		if readErr == io.EOF {
			return total, nil
		}
		if err := cmp.Or(readErr, ctx.Err()); err != nil {
			return total, err
		}
	}
}
