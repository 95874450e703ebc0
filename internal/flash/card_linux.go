package flash

import (
	"context"
	"errors"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Card is what is written to: a block device, or a file in its place.
type Card struct {
	Size   int64 // bytes
	Sector int64 // bytes of its smallest piece
	file   *os.File
	direct bool // it is written and read without the page cache
}

// OpenCard takes over an open device.
func OpenCard(f *os.File) (*Card, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, &AccessError{"read", -1, err}
	}
	c := &Card{file: f, Size: size, Sector: 512}
	if n, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKSSZGET); err == nil {
		c.Sector = int64(n)
	}
	return c, nil
}

// pass makes what follows go past the page cache, if the card can.
func (c *Card) pass() {
	fd := int(c.file.Fd())
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags|unix.O_DIRECT); err != nil {
		return
	}
	block, free, err := alignedBuffer(blockSize)
	if err != nil {
		return
	}
	defer free()
	if _, err := unix.Pread(fd, block, 0); errors.Is(err, unix.EINVAL) {
		unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags)
		return
	}
	c.direct = true
}

// alignedBuffer returns memory that direct input and output can use.
func alignedBuffer(n int) (buf []byte, free func(), err error) {
	buf, err = unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, nil, os.NewSyscallError("mmap", err)
	}
	return buf, func() { unix.Munmap(buf) }, nil
}

// write writes an aligned buffer.
func (c *Card) write(buf []byte, at int64) error {
	if _, err := c.file.WriteAt(buf, at); err != nil {
		return &AccessError{"write", at, bare(err)}
	}
	return nil
}

// read reads from the card itself. What was written to the page cache is flushed out of
// it before.
func (c *Card) read(buf []byte, at int64) error {
	if !c.direct {
		if err := c.flush(); err != nil {
			return err
		}
		if err := unix.Fadvise(int(c.file.Fd()), at, int64(len(buf)), unix.FADV_DONTNEED); err != nil {
			return &AccessError{"read", at, err}
		}
	}
	if _, err := c.file.ReadAt(buf, at); err != nil {
		return &AccessError{"read", at, bare(err)}
	}
	return nil
}

func (c *Card) flush() error {
	if err := c.file.Sync(); err != nil {
		return &AccessError{"flush", -1, bare(err)}
	}
	return nil
}

// step is how much is discarded at once, in bytes, so that a signal does not
// wait long.
const step = 256 << 20

// discard tells the card that nothing on it is needed, which lets it write faster, and
// reports whether it took that. What it then reads is not known: most often zeros.
func (c *Card) discard(ctx context.Context) (done bool, err error) {
	for at := int64(0); at < c.Size; at += step {
		if err := context.Cause(ctx); err != nil {
			return false, err
		}
		span := [2]uint64{uint64(at), uint64(min(step, c.Size-at))}
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, c.file.Fd(), unix.BLKDISCARD, uintptr(unsafe.Pointer(&span))); errno != 0 {
			return false, nil
		}
	}
	return true, nil
}

// bare drops what AccessError tells.
func bare(err error) error {
	if pe := (*os.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
