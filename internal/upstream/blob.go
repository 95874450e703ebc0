package upstream

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// A generated is a file in the server's folder.
type generated struct {
	path   string
	sha256 string // hex
}

// A blob makes a file when it is called first.
type blob func() (generated, error)

// blob returns one whose file has such a name, as in os.CreateTemp.
func (s *Server) blob(name string, write func(io.Writer) error) blob {
	return sync.OnceValues(func() (generated, error) {
		hash := sha256.New()
		path, err := s.create(name, func(w io.Writer) error {
			return write(io.MultiWriter(w, hash))
		})
		return generated{path, hex.EncodeToString(hash.Sum(nil))}, err
	})
}

// create writes a file that everybody may read.
func (s *Server) create(name string, write func(io.Writer) error) (path string, err error) {
	f, err := os.CreateTemp(s.dir, name)
	if err != nil {
		return "", err
	}
	err = write(f)
	if cerr := f.Chmod(0o644); err == nil {
		err = cerr
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return f.Name(), err
}

// sum returns a blob's hash for a test.
func (s *Server) sum(b blob) string {
	s.t.Helper()
	g, err := b()
	if err != nil {
		s.t.Fatal(err)
	}
	return g.sha256
}

// serveBlob answers with a file, or a part of it, as S3 does.
func (s *Server) serveBlob(w http.ResponseWriter, r *http.Request, b blob, modified time.Time) {
	g, err := b()
	if err != nil {
		s.fail(w, err)
		return
	}
	f, err := os.Open(g.path)
	if err != nil {
		s.fail(w, err)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"`+g.sha256[:32]+`"`)
	http.ServeContent(w, r, "", modified, f)
}

// xzBlock is the size in bytes of the blocks in upstream's tarballs, which come from
// xz -T0.
const xzBlock = 24 << 20

// writeXZ compresses what write writes: by the program xz where there is one, which
// takes all processors.
func writeXZ(w io.Writer, write func(io.Writer) error) error {
	program, err := exec.LookPath("xz")
	if err != nil {
		return writeXZAlone(w, write)
	}
	var stderr strings.Builder
	cmd := exec.Command(program, "-T0", "-1", "--block-size="+strconv.Itoa(xzBlock), "--stdout")
	cmd.Stdout, cmd.Stderr = w, &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	werr := write(in)
	in.Close()
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("xz: %v: %s", err, stderr.String())
	}
	return werr
}

// writeXZAlone is writeXZ without the program, at some 10 MB/s thanks to a dictionary
// of 64 KiB.
func writeXZAlone(w io.Writer, write func(io.Writer) error) error {
	zw, err := xz.WriterConfig{DictCap: 64 << 10, BlockSize: xzBlock, Matcher: lzma.HashTable4}.NewWriter(w)
	if err != nil {
		return err
	}
	if err := write(zw); err != nil {
		return err
	}
	return zw.Close()
}
