// Package wire passes messages and open files between the processes of one build
// over a Unix socket pair.
//
// A message is four bytes of length, big endian, and that many bytes of JSON. Its
// files travel with the length.
package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
)

const (
	// maxMessage bounds one message in bytes. The largest holds the sandbox's
	// /etc with a bundle of CA certificates, some 250 kB.
	maxMessage = 8 << 20
	// maxFiles bounds the files of one message; the kernel's own bound is 253
	// (SCM_MAX_FD in unix(7)).
	maxFiles = 64
)

// A Conn is one end. Send and Recv may be used by one goroutine each.
type Conn struct{ c *net.UnixConn }

// NewConn takes over f, which must be a stream socket of a pair.
func NewConn(f *os.File) (*Conn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	uc, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("%s is no Unix socket", f.Name())
	}
	return &Conn{uc}, nil
}

// Close ends the connection; the peer's Recv returns io.EOF.
func (c *Conn) Close() error { return c.c.Close() }

// Send passes v and the files on. The files stay open here.
func (c *Conn) Send(v any, files ...*os.File) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if len(body) > maxMessage || len(files) > maxFiles {
		return fmt.Errorf("message of %d bytes and %d files is too large", len(body), len(files))
	}
	oob, err := rights(files)
	if err != nil {
		return err
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	if _, _, err := c.c.WriteMsgUnix(head, oob, nil); err != nil {
		return err
	}
	_, err = c.c.Write(body)
	return err
}

// Recv fills v with the next message and returns its files, which the caller
// closes. io.EOF means that the peer is gone.
func (c *Conn) Recv(v any) ([]*os.File, error) {
	head := make([]byte, 4)
	oob := make([]byte, rightsSpace(maxFiles))
	n, oobn, _, _, err := c.c.ReadMsgUnix(head, oob)
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, err
	}
	files, err := parseRights(oob[:oobn])
	if err != nil {
		return nil, err
	}
	if err := c.body(head, n, v); err != nil {
		CloseAll(files)
		return nil, err
	}
	return files, nil
}

// body reads what follows the first n bytes of head.
func (c *Conn) body(head []byte, n int, v any) error {
	if _, err := io.ReadFull(c.c, head[n:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(head)
	if size > maxMessage {
		return fmt.Errorf("message of %d bytes is too large", size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c.c, body); err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}

// CloseAll closes files that came with a message.
func CloseAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
