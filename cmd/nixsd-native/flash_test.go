package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"

	"nixsd-native/internal/cardtest"
	"nixsd-native/internal/testenv"
)

// TestFlash writes to cards, whole and broken ones, by the real main, which as root
// is two processes.
func TestFlash(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedProgram(t, "mkfs.ext4")
	probe, err := cardtest.Start(cardtest.Spec{Size: 1 << 20})
	testenv.Need(t, "loop device on FUSE", err)
	if err := probe.Close(); err != nil {
		t.Fatal(err)
	}
	testenv.HoldHost(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/flash",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			return makeImages(e.WorkDir)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fails": fails, "card": startCard, "holds": cardHolds, "blank": cardIsBlank, "begun": cardIsBegun,
			"sign": signCard,
		},
	})
}

// A checksum is found in the forms that people have it in, and not in another file's line.
func TestExpectedSum(t *testing.T) {
	sum := strings.Repeat("0a", 32)
	for text, want := range map[string]string{
		sum + "  card.img\n":                       sum,
		sum + " *card.img\r\n":                     sum,
		sum + "  ./card.img":                       sum,
		strings.ToUpper(sum) + "  card.img":        sum,
		sum + "\n":                                 sum,
		"# sums\n" + sum + "  card.img\n":          sum,
		sum + "  other.img\n":                      "",
		sum[1:] + "  card.img":                     "",
		sum + "  a/card.img":                       "",
		sum + "  other.img\n" + sum + "  card.img": sum,
		"": "",
	} {
		if got := expectedSum([]byte(text), "card.img"); got != want {
			t.Errorf("expectedSum(%q) = %q; want %q", text, got, want)
		}
	}
}

// makeImages makes card.img, with one partition and something behind it, the same
// packed, that cut off, and the same with a name that a script may give a checksum.
func makeImages(dir string) error {
	const partition = 8 << 20
	data := make([]byte, 24<<20)
	// The table's one entry (type 83 at sector 16384, as many long), and its signature.
	copy(data[446:], []byte{0x80, 0, 0, 0, 0x83, 0, 0, 0, 0, 0x40, 0, 0, 0, 0x40, 0, 0})
	copy(data[510:], "\x55\xaa")
	rand.NewChaCha8([32]byte{3}).Read(data[18<<20 : 20<<20])
	name := filepath.Join(dir, "card.img")
	if err := os.WriteFile(name, data, 0o644); err != nil {
		return err
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-L", "CARD", "-E", "offset="+strconv.Itoa(partition), name, "8M").CombinedOutput(); err != nil {
		os.Stderr.Write(out)
		return err
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "sum.img"), data, 0o644); err != nil {
		return err
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		return err
	}
	packed := z.EncodeAll(data, nil)
	if err := os.WriteFile(filepath.Join(dir, "short.img.zst"), packed[:len(packed)/2], 0o644); err != nil {
		return err
	}
	return os.WriteFile(name+".zst", packed, 0o644)
}

// startCard VARIABLE [SPEC] makes a card, of 64 MiB if the spec says nothing else, and sets
// the variable to its device, SERIAL to its serial number, and the file typed to what
// allows to overwrite it.
func startCard(ts *testscript.TestScript, neg bool, args []string) {
	spec := cardtest.Spec{Size: 64 << 20}
	if len(args) > 1 {
		ts.Check(json.Unmarshal([]byte(args[1]), &spec))
	}
	c, err := cardtest.Start(spec)
	ts.Check(err)
	ts.Defer(func() {
		exec.Command("swapoff", c.Device).Run() // left only by a script that failed
		syscall.Unmount(ts.MkAbs("mnt"), syscall.MNT_DETACH)
		if err := c.Close(); err != nil {
			ts.Logf("the card stays: %v", err)
		}
	})
	name := filepath.Base(c.Device)
	serial, err := os.ReadFile("/sys/block/" + name + "/loop/backing_file")
	ts.Check(err)
	ts.Setenv(args[0], c.Device)
	ts.Setenv("SERIAL", string(bytes.TrimSpace(serial)))
	ts.Setenv("MEMORY", c.MemoryFile())
	ts.Check(os.WriteFile(ts.MkAbs("typed"), []byte(name+"\n"), 0o644))
}

// cardHolds IMAGE fails unless the card begins with the image.
func cardHolds(ts *testscript.TestScript, neg bool, args []string) {
	got, err := os.ReadFile(ts.Getenv("MEMORY"))
	ts.Check(err)
	want := []byte(ts.ReadFile(args[0]))
	if len(got) < len(want) || !bytes.Equal(got[:len(want)], want) {
		ts.Fatalf("the card does not hold %s", args[0])
	}
}

// cardIsBlank fails if the card has the signature of a partition table.
func cardIsBlank(ts *testscript.TestScript, neg bool, args []string) {
	got, err := os.ReadFile(ts.Getenv("MEMORY"))
	ts.Check(err)
	if string(got[510:512]) == "\x55\xaa" {
		ts.Fatalf("the card has a partition table")
	}
}

// cardIsBegun waits until data of the image is on the card.
func cardIsBegun(ts *testscript.TestScript, neg bool, args []string) {
	for range 1000 {
		time.Sleep(10 * time.Millisecond)
		f, err := os.Open(ts.Getenv("MEMORY"))
		ts.Check(err)
		first := make([]byte, 1)
		f.ReadAt(first, 8<<20+1024+0x38) // the file system's signature
		f.Close()
		if first[0] != 0 {
			return
		}
	}
	ts.Fatalf("nothing is written")
}

// signCard DEVICE OFFSET TEXT writes a text, with escapes as in Go, to a card.
func signCard(ts *testscript.TestScript, neg bool, args []string) {
	at, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	text, err := strconv.Unquote(`"` + args[2] + `"`)
	ts.Check(err)
	f, err := os.OpenFile(args[0], os.O_WRONLY, 0)
	ts.Check(err)
	defer f.Close()
	_, err = f.WriteAt([]byte(text), at)
	ts.Check(err)
	ts.Check(f.Sync())
}
