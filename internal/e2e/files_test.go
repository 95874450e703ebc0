package e2e

import (
	"io"
	"os"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// unzstd decompresses a file.
func unzstd(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	z, err := zstd.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	if _, err := io.Copy(out, z); err != nil {
		t.Fatal(err)
	}
}
