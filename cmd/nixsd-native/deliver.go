package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"nixsd-native/internal/image"
)

// deliver copies the image out of the store and writes checksum and manifest. The
// image comes into place last.
func (b *build) deliver(ctx context.Context) error {
	src, err := b.session.Open(b.imagePath)
	if err != nil {
		return err
	}
	defer src.Close()
	name := b.fileName
	if name == "" {
		name = strings.TrimSuffix(path.Base(b.imagePath), ".zst")
		if b.job.compress == compressZstd {
			name += ".zst"
		}
	}
	dst, err := b.privileges.Create(name)
	if err != nil {
		return err
	}
	sum, plain, err := b.copyImage(ctx, name, dst, src)
	if err != nil {
		return outputError(name, err)
	}
	m := b.manifest(name, sum)
	m.Uncompressed = plain
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	stem := strings.TrimSuffix(name, ".zst")
	stem = strings.TrimSuffix(stem, path.Ext(stem))
	small := map[string]string{name + ".sha256": image.ChecksumLine(sum, name), stem + ".json": string(data) + "\n"}
	for file, text := range small {
		f, err := b.privileges.Create(file)
		if err != nil {
			return err
		}
		if _, err := f.WriteString(text); err != nil {
			return outputError(file, err)
		}
	}
	paths, err := b.privileges.Commit(name+".sha256", stem+".json", name)
	if err != nil {
		return err
	}
	b.printed = func() error { return b.printResult(paths[len(paths)-1], data) }
	return nil
}

// compression modes, as --compress takes them.
const (
	compressNone = "none"
	compressZstd = "zstd"
)

// copyImage copies, compresses or decompresses the image: what is delivered is flashed
// as it is, unless somebody asks for a compressed one. Of a compressed one, plain tells what it
// holds.
func (b *build) copyImage(ctx context.Context, name string, dst, src *os.File) (sum image.Sum, plain *plainRecord, err error) {
	progress := func(done, total int64) { b.rep.Bytes(name, done, total) }
	packed := strings.HasSuffix(b.imagePath, ".zst") // by sdImage.compressImage
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

// outputError tells a failure to write from others.
func outputError(name string, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if isDiskFull(err) || is[*os.PathError](err) {
		return &image.OutputError{Path: name, Err: err}
	}
	return err
}

func (b *build) printResult(file string, manifest []byte) error {
	if b.job.json {
		var m map[string]any
		if err := json.Unmarshal(manifest, &m); err != nil {
			return err
		}
		m["path"] = file
		return json.NewEncoder(b.out).Encode(m)
	}
	_, err := fmt.Fprintln(b.out, file)
	return err
}
