package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path"
	"path/filepath"
	"strings"

	"nixsd-native/internal/image"
	"nixsd-native/nix"
)

// deliver puts the images into the folder for results.
func (b *build) deliver(ctx context.Context) error {
	closure, err := b.closure(ctx)
	if err != nil {
		return err
	}
	err = b.each(func(t *target) error { return b.deliverImage(ctx, t, closure) })
	b.delivered = err == nil
	return err
}

// imageName is what a target's image is called: as the user says, after the target if
// there are several, or as NixOS has it.
func (b *build) imageName(t *target) string {
	if b.fileName != "" {
		return b.fileName
	}
	name := strings.TrimSuffix(path.Base(t.imagePath), ".zst")
	if t.stem != "" {
		name = t.stem + path.Ext(name)
	}
	if b.job.compress == compressZstd {
		name += ".zst"
	}
	return name
}

// deliverImage copies an image out of the store and writes checksum, manifest and bill of
// materials. The image comes into place last.
func (b *build) deliverImage(ctx context.Context, t *target, closure map[string]nix.ClosurePath) error {
	src, err := b.session.Open(t.imagePath)
	if err != nil {
		return err
	}
	defer src.Close()
	name := b.imageName(t)
	dst, err := b.privileges.Create(name)
	if err != nil {
		return err
	}
	sum, plain, err := b.copyImage(ctx, t, name, dst, src)
	if err != nil {
		return b.outputError(err)
	}
	stem := strings.TrimSuffix(name, ".zst")
	stem = strings.TrimSuffix(stem, path.Ext(stem))
	m := b.manifest(t, name, sum)
	m.Uncompressed, m.SBOM = plain, stem+".cdx.json"
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	bill, err := b.billOf(t, closure, name, sum.SHA256)
	if err != nil {
		return err
	}
	small := [][2]string{{name + ".sha256", image.ChecksumLine(sum, name)}, {m.SBOM, bill}, {stem + ".json", string(data) + "\n"}}
	paths, err := b.place(small, name)
	if err != nil {
		return err
	}
	t.path, t.manifest = paths[len(paths)-1], &m
	return nil
}

// place writes small files, given by name and text, and puts them into place, then the
// last one, which is written.
func (b *build) place(small [][2]string, last string) (paths []string, err error) {
	var names []string
	for _, file := range small {
		f, err := b.privileges.Create(file[0])
		if err != nil {
			return nil, err
		}
		if _, err := f.WriteString(file[1]); err != nil {
			return nil, b.outputError(err)
		}
		names = append(names, file[0])
	}
	return b.privileges.Commit(append(names, last)...)
}

// compression modes, as --compress takes them.
const (
	compressNone = "none"
	compressZstd = "zstd"
)

// copyImage copies, compresses or decompresses the image: what is delivered is flashed
// as it is, unless somebody asks for a compressed one. Of a compressed one, plain tells what it
// holds.
func (b *build) copyImage(ctx context.Context, t *target, name string, dst, src *os.File) (sum image.Sum, plain *plainRecord, err error) {
	progress := func(done, total int64) { b.rep.Bytes(name, done, total) }
	if len(b.secrets) > 0 {
		return b.copyInjected(ctx, t, name, dst, src)
	}
	packed := strings.HasSuffix(t.imagePath, ".zst") // by sdImage.compressImage
	switch {
	case b.job.compress == compressZstd && !packed:
		sum, whole, err := image.Compress(ctx, dst, src, progress)
		return sum, &plainRecord{whole.SHA256, whole.Size}, err
	case b.job.compress == compressNone && packed:
		sum, err = image.Decompress(ctx, dst, src, progress)
	default:
		sum, err = image.Copy(ctx, dst, src, progress)
	}
	return sum, nil, err
}

// outputError tells a failure to write to the folder for results from others.
func (b *build) outputError(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if isDiskFull(err) || is[*os.PathError](err) {
		dir := absolute(b.job.output)
		if b.fileName != "" {
			dir = filepath.Dir(dir)
		}
		return &image.OutputError{Path: dir, Err: err}
	}
	return err
}
