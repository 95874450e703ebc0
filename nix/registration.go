package nix

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nix-community/go-nix/pkg/nar"
)

// A registration is what nix-store --dump-db prints of a valid path.
type registration struct {
	path       string
	sha256     string // of its NAR, hex
	size       int64  // of its NAR, bytes
	references []string
}

// parseRegistrations reads, for each path, lines with path, hash, size, deriver (which
// may be empty), the number of references, and these (decodeValidPathInfo in Nix's
// src/libstore/store-api.cc).
func parseRegistrations(dump []byte) ([]registration, error) {
	var all []registration
	lines := bufio.NewScanner(bytes.NewReader(dump))
	next := func() string { lines.Scan(); return lines.Text() }
	for lines.Scan() {
		r := registration{path: lines.Text(), sha256: next()}
		size, err1 := strconv.ParseInt(next(), 10, 64)
		next() // the deriver
		count, err2 := strconv.Atoi(next())
		if !storePath.MatchString(r.path) || len(r.sha256) != 2*sha256.Size || err1 != nil || err2 != nil || count < 0 {
			return nil, fmt.Errorf("nix-store --dump-db: %.200q is followed by what is no registration", r.path)
		}
		r.size = size
		for range count {
			ref := next()
			if !storePath.MatchString(ref) {
				return nil, fmt.Errorf("nix-store --dump-db: %.200q refers to %.200q", r.path, ref)
			}
			r.references = append(r.references, ref)
		}
		all = append(all, r)
	}
	return all, lines.Err()
}

// damaged lists the paths that are missing or differ from what is registered.
func (s Store) damaged(ctx context.Context, paths []registration) ([]string, error) {
	var mu sync.Mutex
	var bad []string
	var done atomic.Int64
	todo := make(chan registration)
	var work sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		work.Go(func() {
			for r := range todo {
				if ctx.Err() == nil && !s.isWhole(r) {
					mu.Lock()
					bad = append(bad, r.path)
					mu.Unlock()
				}
				if now := done.Add(r.size); s.Progress != nil {
					mu.Lock()
					s.Progress(now)
					mu.Unlock()
				}
			}
		})
	}
	for _, r := range paths {
		todo <- r
	}
	close(todo)
	work.Wait()
	slices.Sort(bad)
	return bad, ctx.Err()
}

// isWhole compares a path with what is registered. What cannot be read is damaged.
func (s Store) isWhole(r registration) bool {
	hash := sha256.New()
	size := &counted{w: hash}
	err := nar.DumpPath(size, filepath.Join(s.Dir, strings.TrimPrefix(r.path, "/nix/")))
	return err == nil && size.n == r.size && hex.EncodeToString(hash.Sum(nil)) == r.sha256
}

// counted counts what is written.
type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// withReferrers adds to some paths all that refer to them, directly or not.
func withReferrers(paths []registration, some []string) []string {
	referrers := map[string][]string{}
	for _, r := range paths {
		for _, ref := range r.references {
			referrers[ref] = append(referrers[ref], r.path)
		}
	}
	seen := map[string]bool{}
	todo := slices.Clone(some)
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if !seen[p] {
			seen[p] = true
			todo = append(todo, referrers[p]...)
		}
	}
	all := make([]string, 0, len(seen))
	for p := range seen {
		all = append(all, p)
	}
	slices.Sort(all)
	return all
}
