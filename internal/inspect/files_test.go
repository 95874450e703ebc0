package inspect

import (
	"errors"
	"io/fs"
	"testing"
)

func TestRoot(t *testing.T) {
	s := nixOS()
	s.root["/etc/file"], s.root["/etc/link"] = "content", "-> file"
	s.root["/etc/hole"] = string(make([]byte, 1<<20)) // which mke2fs does not write
	f := s.make(t)
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	r, err := Read(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	files, err := Root(f, r)
	if err != nil {
		t.Fatal(err)
	}
	if files.Start != extStart {
		t.Errorf("the root begins at %d; want %d", files.Start, extStart)
	}
	for path, want := range map[string]fs.FileMode{
		"/": fs.ModeDir | 0o755, "/etc": fs.ModeDir | 0o755, "/etc/file": 0o644, "/etc/link": fs.ModeSymlink | 0o777,
	} {
		if n, err := files.Lookup(path); err != nil || n.Mode != want {
			t.Errorf("%s: %+v, %v; want %v", path, n, err, want)
		}
	}
	if n, err := files.Lookup("/etc/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("/etc/none: %+v, %v; want that it is not there", n, err)
	}
	if n, err := files.Lookup("/none/none"); err == nil {
		t.Errorf("/none/none: %+v; want an error", n)
	}
	if data, err := files.Content("/etc/file", 7); err != nil || string(data) != "content" {
		t.Errorf("content %q, %v", data, err)
	}
	if data, err := files.Content("/etc/file", 6); err == nil {
		t.Errorf("more than the limit: %q; want an error", data)
	}
	if data, err := files.Content("/etc/hole", 2<<20); err == nil {
		t.Errorf("a file that is a hole: %d bytes; want an error", len(data))
	}
	r.Partitions[1].Volume.Type = "fat16"
	if _, err := Root(f, r); !errors.Is(err, ErrNoRoot) {
		t.Errorf("without ext4: %v; want ErrNoRoot", err)
	}
	two := *r
	two.Partitions = append(two.Partitions, r.Partitions[1], r.Partitions[1])
	two.Partitions[2].Volume = &Volume{Type: "ext4"}
	two.Partitions[3].Volume = &Volume{Type: "ext4"}
	if _, err := Root(f, &two); !errors.Is(err, ErrNoRoot) {
		t.Errorf("with two that are bootable: %v; want ErrNoRoot", err)
	}
	two.Partitions[3].Bootable = false
	if files, err := Root(f, &two); err != nil || files.Number != two.Partitions[2].Number {
		t.Errorf("with one of two bootable: %+v, %v", files, err)
	}
}
