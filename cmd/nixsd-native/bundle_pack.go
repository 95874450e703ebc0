package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"nixsd-native/internal/bundle"
	"nixsd-native/nix"
)

// pack writes the bundle.
func (b *bundling) pack(ctx context.Context) error {
	files, err := b.members(ctx)
	if err != nil {
		return err
	}
	header := bundle.Index{System: nativeSystem(), Demo: b.demo}
	if header.Lock, err = b.lockText(); err != nil {
		return err
	}
	out, err := b.privileges.Create(b.fileName)
	if err != nil {
		return err
	}
	to := newSummed(out)
	index, err := bundle.Write(ctx, to, header, files, func(done, total int64) { b.rep.Bytes(b.fileName, done, total) })
	if err != nil {
		return b.outputError(err)
	}
	paths, err := b.privileges.Commit(b.fileName)
	if err != nil {
		return err
	}
	text, err := json.Marshal(index)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	b.result = bundleResult{paths[0], to.sum(), to.n, index.System, index.Demo, len(index.Members), hex.EncodeToString(sum[:])}
	return nil
}

func (b *bundling) printBundle() error {
	if b.job.json {
		return json.NewEncoder(b.out).Encode(b.result)
	}
	_, err := fmt.Fprintln(b.out, b.result.Path)
	return err
}

// lockText is what the bundle pins; the demo has a plan instead.
func (b *bundling) lockText() (json.RawMessage, error) {
	if b.demo {
		return nil, nil
	}
	l := b.lock
	if l == nil { // bootstrapAndLock has written one
		var err error
		if l, err = b.readLock(); err != nil || l == nil {
			return nil, fmt.Errorf("the lock that was written is gone: %v", err)
		}
	}
	return l.Text()
}

// members lists everything that goes into the bundle.
func (b *bundling) members(ctx context.Context) ([]bundle.File, error) {
	inputs := []input{b.inputs.nix}
	if b.inputs.nixpkgs.SHA256 != "" {
		inputs = append(inputs, b.inputs.nixpkgs)
	}
	if e := b.inputs.emulator; e != nil {
		inputs = append(inputs, input{Name: e.Name, SHA256: e.SHA256, path: e.File})
	}
	var files []bundle.File
	if b.demo {
		packages, plan, err := b.demoMembers(ctx)
		if err != nil {
			return nil, err
		}
		inputs, files = append(inputs, packages...), append(files, plan)
	}
	seen := map[string]bool{}
	for _, in := range inputs {
		if seen[in.SHA256] { // of both architectures
			continue
		}
		seen[in.SHA256] = true
		f, err := inputMember(in)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	cache, err := b.cacheMembers()
	return append(files, cache...), err
}

// inputMember is a file of the cache of downloads, under the name that it has there:
// the demo's channel knows packages by their names.
func inputMember(in input) (bundle.File, error) {
	info, err := os.Stat(in.path)
	if err != nil {
		return bundle.File{}, err
	}
	name := filepath.Base(in.path)
	if !strings.HasPrefix(name, in.SHA256+"-") {
		name = in.SHA256 + "-" + in.Name
	}
	return bundle.File{
		Member: bundle.Member{Path: inputsPrefix + name, Size: info.Size(), SHA256: in.SHA256},
		Open:   func() (io.ReadCloser, error) { return os.Open(in.path) },
	}, nil
}

// demoMembers are the demo's packages and its plan.
func (b *bundling) demoMembers(ctx context.Context) (packages []input, plan bundle.File, err error) {
	p, err := b.readDemoPlan()
	if err != nil {
		return nil, plan, err
	}
	for _, r := range b.demoRequests(p) {
		file, err := b.client.Cache.Find(ctx, r.SHA256, r.Size)
		if err != nil {
			return nil, plan, err
		}
		packages = append(packages, input{Name: r.Name, SHA256: r.SHA256, path: file})
	}
	text, err := readBounded(b.demoPlanFile(), maxDemoPlan)
	return packages, inMemory(inputsPrefix+"demo/"+filepath.Base(b.demoPlanFile()), text), err
}

// inMemory is a member with this content.
func inMemory(name string, text []byte) bundle.File {
	sum := sha256.Sum256(text)
	return bundle.File{
		Member: bundle.Member{Path: name, Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])},
		Open:   func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil },
	}
}

// Prefixes of members' paths.
const (
	inputsPrefix = "inputs/"
	cachePrefix  = "cache/"
)

// cacheMembers are the files of the binary cache, which the sandbox opens. What would
// not be trusted on the other machine is refused here.
func (b *bundling) cacheMembers() ([]bundle.File, error) {
	var files []bundle.File
	for _, c := range b.cache {
		if path.Ext(c.Name) == ".narinfo" {
			text, err := b.trustedNarinfo(c.Name)
			if err != nil {
				return nil, err
			}
			files = append(files, inMemory(cachePrefix+c.Name, text))
			continue
		}
		files = append(files, bundle.File{
			Member: bundle.Member{Path: cachePrefix + c.Name, Size: c.Size, SHA256: c.SHA256},
			Open:   func() (io.ReadCloser, error) { return b.session.Open(nix.BundleFile(c.Name)) },
		})
	}
	return files, nil
}

func (b *bundling) trustedNarinfo(name string) ([]byte, error) {
	f, err := b.session.Open(nix.BundleFile(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := readAllBounded(f, name, nix.MaxNarinfo)
	if err != nil {
		return nil, err
	}
	n, err := nix.ParseNarinfo(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %v", name, err)
	}
	trusted, err := n.Trusted(b.trusted)
	if err != nil {
		return nil, err
	}
	if !trusted {
		return nil, &codedError{exitVerify, n.StorePath + " is neither content-addressed nor signed by a trusted key, so no build would use it", []string{
			"name the key of the cache that it came from: --trusted-public-key KEY",
		}}
	}
	return n.Text(), nil
}

// summed hashes and counts what is read from a file, or written to it.
type summed struct {
	file *os.File
	hash hash.Hash
	n    int64
}

func newSummed(f *os.File) *summed { return &summed{file: f, hash: sha256.New()} }

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.file.Read(p)
	s.add(p[:n])
	return n, err
}

func (s *summed) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	s.add(p[:n])
	return n, err
}

func (s *summed) add(p []byte) {
	s.hash.Write(p)
	s.n += int64(len(p))
}

func (s *summed) sum() string { return hex.EncodeToString(s.hash.Sum(nil)) }
