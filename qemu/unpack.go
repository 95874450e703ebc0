package qemu

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"nixsd-native/internal/deb"
	"nixsd-native/internal/durable"
)

// FileName is what the emulator is called on disk, whatever its package calls it.
const FileName = "qemu-aarch64-static"

// members are the emulator's names in Debian's packages: qemu-user since Debian
// 13, qemu-user-static before.
var members = map[string]bool{
	"usr/bin/qemu-aarch64":        true,
	"usr/bin/qemu-aarch64-static": true,
}

const (
	maxDeb      = 512 << 20 // bytes; the pinned ones have 72 MB
	maxEmulator = 128 << 20 // bytes; the pinned ones have 17 MB
)

// A Package is a choice: a .deb by its hash, and what it must contain.
type Package struct {
	Name     string // file name, for messages
	SHA256   string // of the .deb, hex
	Emulator string // sha256 of the emulator, hex; empty if not known beforehand
}

// An Emulator is an installed one.
type Emulator struct {
	Path   string
	SHA256 string // hex
}

// Installed returns the emulator of p that an earlier Install put into dir. ok is
// false if there is none, or not the one with the expected hash.
func Installed(p Package, dir string) (e Emulator, ok bool) {
	dest := filepath.Join(dir, p.SHA256, FileName)
	sum, err := hashFile(dest)
	return Emulator{dest, sum}, err == nil && sum == p.Emulator
}

// Install puts the emulator of the package in file into dir and returns its path,
// dir/<sha256 of the .deb>/qemu-aarch64-static. Not a byte of the package is decoded
// before all of it matched its hash, and the bytes that matched are those decoded.
//
// Errors: *HashError, *ContentError, *os.PathError.
func Install(ctx context.Context, p Package, file *os.File, dir string) (Emulator, error) {
	data, err := readVerified(p, file)
	if err != nil {
		return Emulator{}, err
	}
	if err := ctx.Err(); err != nil {
		return Emulator{}, err
	}
	dest := filepath.Join(dir, p.SHA256, FileName)
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return Emulator{}, err
	}
	sum, err := unpackTo(dest, data, p)
	return Emulator{dest, sum}, err
}

// unpackTo writes the emulator beside dest, checks it, and renames it.
func unpackTo(dest string, data []byte, p Package) (sum string, err error) {
	tmp, err := os.CreateTemp(filepath.Dir(dest), ".unpack-*")
	if err != nil {
		return "", err
	}
	defer func() {
		tmp.Close()
		if err != nil {
			os.Remove(tmp.Name())
		}
	}()
	sum, err = Unpack(bytes.NewReader(data), tmp)
	if err != nil {
		return "", err
	}
	if p.Emulator != "" && sum != p.Emulator {
		return "", &HashError{What: "the emulator in " + p.Name, Want: p.Emulator, Got: sum}
	}
	if err := checkStatic(tmp); err != nil {
		return "", err
	}
	if err := errors.Join(tmp.Chmod(0o755), tmp.Sync()); err != nil {
		return "", err
	}
	if err := os.Rename(tmp.Name(), dest); err != nil {
		return "", err
	}
	return sum, durable.Folder(os.Open(filepath.Dir(dest)))
}

// Unpack writes the emulator of the Debian package r to w and returns its sha256
// in hex. It reads the package no further than the emulator. Errors that the
// package causes are *ContentError.
func Unpack(r io.Reader, w io.Writer) (sum string, err error) {
	symlink := ""
	err = deb.Walk(r, func(h *tar.Header, content io.Reader) error {
		name := strings.TrimPrefix(path.Clean(h.Name), "/")
		if !members[name] {
			return nil
		}
		if h.Typeflag != tar.TypeReg {
			symlink = fmt.Sprintf("%s is no file but points to %q", name, h.Linkname)
			return nil
		}
		if h.Size > maxEmulator {
			return &ContentError{Reason: fmt.Sprintf("%s has %d bytes, more than %d", name, h.Size, maxEmulator)}
		}
		hash := sha256.New()
		if _, err := io.Copy(io.MultiWriter(w, hash), content); err != nil {
			return copyError(name, err)
		}
		sum = hex.EncodeToString(hash.Sum(nil))
		return deb.ErrStop
	})
	switch bad := (*deb.FormatError)(nil); {
	case errors.As(err, &bad):
		return "", &ContentError{Reason: bad.Reason}
	case err != nil:
		return "", err
	case sum == "" && symlink != "":
		return "", &ContentError{Reason: symlink, Transitional: true}
	case sum == "":
		return "", &ContentError{Reason: "no usr/bin/qemu-aarch64 in it"}
	}
	return sum, nil
}

// copyError tells a full disk from a damaged package.
func copyError(name string, err error) error {
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		return err
	}
	return &ContentError{Reason: fmt.Sprintf("%s: %v", name, err)}
}

// checkStatic refuses an emulator that needs a loader: inside the changed root
// there is none.
func checkStatic(f io.ReaderAt) error {
	file, err := elf.NewFile(f)
	if err != nil {
		return &ContentError{Reason: "the emulator is no ELF file"}
	}
	for _, prog := range file.Progs {
		if prog.Type == elf.PT_INTERP {
			return &ContentError{Reason: "the emulator is dynamically linked", Transitional: true}
		}
	}
	return nil
}

// readVerified reads the whole .deb and compares its hash.
func readVerified(p Package, f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxDeb {
		return nil, &ContentError{Reason: fmt.Sprintf("%s is no regular file below %d bytes", p.Name, maxDeb)}
	}
	data := make([]byte, info.Size())
	if _, err := f.ReadAt(data, 0); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != p.SHA256 {
		return nil, &HashError{What: p.Name, Want: p.SHA256, Got: got}
	}
	return data, nil
}

// hashFile returns the sha256 of a regular file in hex.
func hashFile(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, io.LimitReader(f, maxEmulator+1)); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
