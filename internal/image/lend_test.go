package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A lent file is somebody else's until it is committed, and its owner's alone for good.
func TestLend(t *testing.T) {
	dir := t.TempDir()
	folder, err := OpenFolder(dir, Owner{})
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	p, err := folder.Create("card.img")
	if err != nil {
		t.Fatal(err)
	}
	to := Owner{}
	if os.Geteuid() == 0 {
		to = Owner{Set: true, UID: 54321, GID: 54321}
	}
	if err := p.Lend(to); err != nil {
		t.Fatal(err)
	}
	check := func(info os.FileInfo, err error, uid int) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if st := info.Sys().(*syscall.Stat_t); int(st.Uid) != uid || info.Mode() != 0o600 {
			t.Errorf("%v of %d; want -rw------- of %d", info.Mode(), st.Uid, uid)
		}
	}
	info, err := p.File.Stat()
	uid := os.Geteuid()
	if to.Set {
		uid = to.UID
	}
	check(info, err, uid)
	if err := p.Commit(); err != nil {
		t.Fatal(err)
	}
	info, err = os.Stat(filepath.Join(dir, "card.img"))
	check(info, err, os.Geteuid())
}

func TestMeasure(t *testing.T) {
	for _, size := range []int{0, 1, block, 256*block + 1} {
		data := make([]byte, size)
		if size > 0 {
			data[size-1] = 1
		}
		got, err := Measure(context.Background(), file(t, data), func(_, _ int64) {})
		want := Sum{fmt.Sprintf("%x", sha256.Sum256(data)), int64(size), int64((size+block-1)%block + 1)}
		if size == 0 {
			want.Data = 0
		}
		if err != nil || got != want {
			t.Errorf("%d bytes: %+v, %v; want %+v", size, got, err, want)
		}
	}
	src, dst := file(t, bytes.Repeat([]byte("data"), block)), file(t, nil)
	copied, err := Copy(context.Background(), dst, src, nil)
	if got, err2 := Measure(context.Background(), dst, func(_, _ int64) {}); err != nil || err2 != nil || got != copied {
		t.Errorf("%+v, %v; want %+v, %v", got, err2, copied, err)
	}
}
