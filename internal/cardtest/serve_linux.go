package cardtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// fileName is the card's only file.
const fileName = "card"

// Main serves a card: its arguments are a spec as JSON, the folder to mount on, and a file
// for what the card holds. It ends when it is unmounted or killed.
func Main(args []string) int {
	if err := serve(args); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func serve(args []string) error {
	n := &node{}
	if err := json.Unmarshal([]byte(args[0]), &n.Spec); err != nil {
		return err
	}
	var err error
	if n.memory, err = os.OpenFile(args[2], os.O_RDWR, 0); err != nil {
		return err
	}
	if err := n.fill(); err != nil {
		return err
	}
	n.reads = &pace{rate: n.ReadRate}
	n.writes = &pace{rate: n.WriteRate}
	if n.HalfDuplex {
		n.bus = new(sync.Mutex)
	}
	root := &fs.Inode{}
	server, err := fs.Mount(args[1], root, &fs.Options{
		MountOptions: fuse.MountOptions{DirectMountStrict: true, FsName: Arg0, MaxWrite: 1 << 20, DisableSplice: true},
		OnAdd: func(ctx context.Context) {
			root.AddChild(fileName, root.NewPersistentInode(ctx, n, fs.StableAttr{Mode: syscall.S_IFREG}), false)
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(filepath.Join(args[1], fileName))
	server.Wait()
	return nil
}

// A node is the card's file.
type node struct {
	fs.Inode
	Spec
	memory        *os.File
	reads, writes *pace
	bus           *sync.Mutex // of HalfDuplex
}

// fill gives the card its memory.
func (n *node) fill() error {
	if err := n.memory.Truncate(n.real()); err != nil || !n.Stale {
		return err
	}
	stale := bytes.Repeat([]byte{0xa5}, 1<<20)
	for at := int64(0); at < n.real(); at += int64(len(stale)) {
		if _, err := n.memory.WriteAt(stale[:min(int64(len(stale)), n.real()-at)], at); err != nil {
			return err
		}
	}
	return nil
}

var (
	_ fs.NodeGetattrer = (*node)(nil)
	_ fs.NodeSetattrer = (*node)(nil)
	_ fs.NodeOpener    = (*node)(nil)
	_ fs.NodeReader    = (*node)(nil)
	_ fs.NodeWriter    = (*node)(nil)
	_ fs.NodeFsyncer   = (*node)(nil)
	_ fs.NodeAllocater = (*node)(nil)
)

// Getattr tells the size that the card says it has.
func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = syscall.S_IFREG|0o600, uint64(n.Size)
	return 0
}

// Setattr changes nothing: the times of a card are nobody's business.
func (n *node) Setattr(ctx context.Context, f fs.FileHandle, _ *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return n.Getattr(ctx, f, out)
}

// Open makes every read and write come here, past the page cache.
func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

// Read reads, or fails.
func (n *node) Read(_ context.Context, _ fs.FileHandle, dest []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	n.wait(n.reads, len(dest))
	if covers(at, len(dest), n.FailReadAt) {
		return nil, syscall.EIO
	}
	dest = dest[:min(int64(len(dest)), max(n.Size-at, 0))]
	clear(dest)
	errno := n.parts(dest, at, func(part []byte, at int64) error {
		_, err := n.memory.ReadAt(part, at)
		return err
	})
	return fuse.ReadResultData(dest), errno
}

// Write writes, fails, or only says that it wrote.
func (n *node) Write(_ context.Context, _ fs.FileHandle, data []byte, at int64) (uint32, syscall.Errno) {
	n.wait(n.writes, len(data))
	if covers(at, len(data), n.FailWriteAt) {
		return 0, syscall.EIO
	}
	return uint32(len(data)), n.parts(data, at, func(part []byte, at int64) error {
		if !covers(at, len(part), n.LoseAt) {
			_, err := n.memory.WriteAt(part, at)
			return err
		}
		before := n.LoseAt - at
		after := min(before+block, int64(len(part)))
		if _, err := n.memory.WriteAt(part[:before], at); err != nil {
			return err
		}
		_, err := n.memory.WriteAt(part[after:], at+after)
		return err
	})
}

// parts calls do with what of the data is in the card's memory, and where there.
func (n *node) parts(data []byte, at int64, do func(part []byte, at int64) error) syscall.Errno {
	for len(data) > 0 {
		if at >= n.real() && n.Drop {
			return 0
		}
		part := data[:min(int64(len(data)), n.real()-at%n.real())]
		if err := do(part, at%n.real()); err != nil {
			return fs.ToErrno(err)
		}
		data, at = data[len(part):], at+int64(len(part))
	}
	return 0
}

// Fsync has nothing to do: there is no cache.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno { return 0 }

// Allocate makes zeros.
func (n *node) Allocate(_ context.Context, _ fs.FileHandle, at, size uint64, _ uint32) syscall.Errno {
	if n.NoDiscard {
		return syscall.EOPNOTSUPP
	}
	if n.Keeps {
		return 0
	}
	for from, end := int64(at), min(int64(at+size), n.Size); from < end; {
		if from >= n.real() && n.Drop {
			return 0
		}
		count := min(end-from, n.real()-from%n.real())
		if err := unix.Fallocate(int(n.memory.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, from%n.real(), count); err != nil {
			return fs.ToErrno(err)
		}
		from += count
	}
	return 0
}

// wait makes bytes take their time.
func (n *node) wait(p *pace, bytes int) {
	if n.bus != nil {
		n.bus.Lock()
		defer n.bus.Unlock()
	}
	p.wait(bytes)
}

// A pace is how fast bytes go in one direction.
type pace struct {
	mu   sync.Mutex
	rate int64
	free time.Time // when the next may begin
}

func (p *pace) wait(bytes int) {
	if p.rate <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(int64(bytes) * int64(time.Second) / p.rate))
	time.Sleep(time.Until(p.free))
}
