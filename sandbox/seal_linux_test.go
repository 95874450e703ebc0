package sandbox

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A page that somebody holds for a moment delays the sealing; one that is held for good
// fails it.
func TestSeal(t *testing.T) {
	for _, tt := range []struct {
		name string
		held time.Duration
		want error
	}{
		{"free", 0, nil},
		{"held for a moment", 5 * sealPause, nil},
		{"held", time.Minute, unix.EBUSY},
	} {
		fd, err := unix.MemfdCreate("seal", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
		if err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), "seal")
		defer f.Close()
		if err := f.Truncate(int64(os.Getpagesize())); err != nil {
			t.Fatal(err)
		}
		if tt.held > 0 {
			page, err := unix.Mmap(fd, 0, os.Getpagesize(), unix.PROT_WRITE, unix.MAP_SHARED)
			if err != nil {
				t.Fatal(err)
			}
			letGo := time.AfterFunc(tt.held, func() { unix.Munmap(page) })
			defer letGo.Stop()
		}
		if err := seal(f); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
		}
		if _, err := f.WriteAt([]byte{1}, 0); (err != nil) != (tt.want == nil) {
			t.Errorf("%s: then a write says %v", tt.name, err)
		}
	}
}
