package wire

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func pair(t *testing.T) (a, b *Conn) {
	t.Helper()
	fa, fb, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	if a, err = NewConn(fa); err != nil {
		t.Fatal(err)
	}
	if b, err = NewConn(fb); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

type message struct {
	Text  string
	Bytes []byte
}

func TestMessages(t *testing.T) {
	a, b := pair(t)
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	big := make([]byte, 3<<20)
	sent := make(chan error, 1)
	go func() {
		sent <- errors.Join(a.Send(message{Text: "one"}), a.Send(message{Text: "two", Bytes: big}, f, f), a.Send(message{Text: "three"}), a.Close())
	}()
	for _, want := range []struct {
		text  string
		bytes int
		files int
	}{{"one", 0, 0}, {"two", len(big), 2}, {"three", 0, 0}} {
		var got message
		files, err := b.Recv(&got)
		if err != nil || got.Text != want.text || len(got.Bytes) != want.bytes || len(files) != want.files {
			t.Fatalf("Recv = %q, %d bytes, %d files, %v; want %+v", got.Text, len(got.Bytes), len(files), err, want)
		}
		for _, file := range files {
			if info, err := file.Stat(); err != nil || info.Size() != 7 {
				t.Errorf("passed file: %v, %v", info, err)
			}
		}
		CloseAll(files)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if _, err := b.Recv(new(message)); err != io.EOF {
		t.Errorf("Recv after Close = %v; want io.EOF", err)
	}
}

func TestRefused(t *testing.T) {
	a, b := pair(t)
	if err := a.Send(message{Bytes: make([]byte, maxMessage)}); err == nil {
		t.Error("too large a message was sent")
	}
	if _, err := a.c.Write(binary.BigEndian.AppendUint32(nil, maxMessage+1)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Recv(new(message)); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("Recv = %v; want too large", err)
	}
	a, b = pair(t)
	a.c.Write([]byte{0, 0, 0, 9, '{'})
	a.Close()
	if _, err := b.Recv(new(message)); err != io.ErrUnexpectedEOF {
		t.Errorf("Recv of half a message = %v; want unexpected EOF", err)
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewConn(file); err == nil {
		t.Error("NewConn accepted a file that is no socket")
	}
}
