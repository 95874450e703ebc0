package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// unbootableImage writes an image whose one partition lies behind its end.
func unbootableImage(t *testing.T) string {
	t.Helper()
	data := make([]byte, 1<<20)
	copy(data[446:], []byte{0x80, 0, 0, 0, 0x83, 0, 0, 0, 0, 0x40, 0, 0, 0, 0x40, 0, 0})
	copy(data[510:], "\x55\xaa")
	name := filepath.Join(t.TempDir(), "card.img")
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// runBoot boots an image with a QEMU that ends at once, and tells whether it ran.
func runBoot(t *testing.T, image string, args ...string) (errs string, ran bool, err error) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "ran")
	if err := os.WriteFile(filepath.Join(dir, "qemu-system-aarch64"), []byte("#!/bin/sh\n[ \"$1\" = -sandbox ] || >"+file+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	parsed, err := parse(append([]string{"boot", "--u-boot", image, image}, args...), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	j := parsed.(*bootJob)
	files, err := openFiles(j)
	if err != nil {
		t.Fatal(err)
	}
	j.take(files)
	var b bytes.Buffer
	err = j.run(t.Context(), &app{out: &b, errs: &b})
	return b.String(), isFile(file), err
}

// What inspect says that no board boots is not booted to check it, but may be looked at.
func TestBootUnbootable(t *testing.T) {
	image := unbootableImage(t)
	errs, _, err := runBoot(t, image, "--check")
	if exitCode(err) != exitVerify || !strings.Contains(err.Error(), image+" would not boot: partition 1 ends at ") || strings.Contains(errs, "booting") {
		t.Errorf("boot --check = %v, prints %s; want that it would not boot", err, errs)
	}
	errs, ran, err := runBoot(t, image)
	if err != nil || !ran || !strings.Contains(errs, "warning: partition 1 ends at ") {
		t.Errorf("boot = %v, QEMU ran: %v, prints %s; want a warning", err, ran, errs)
	}
}

// Who cannot type Ctrl-A X is told how a console ends all the same.
func TestBootWithoutTerminal(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	stdin := os.Stdin
	defer func() { os.Stdin = stdin }()
	os.Stdin = null
	errs, _, err := runBoot(t, unbootableImage(t))
	if err != nil || !strings.Contains(errs, "; end it with Ctrl-C; scripts have --check\n") {
		t.Errorf("boot = %v, prints %s; want how to end it", err, errs)
	}
}
