package qemu

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// What is unpacked of any bytes has the hash that is told, and what is refused is the
// package's fault.
func FuzzUnpack(f *testing.F) {
	f.Add(debOf(entry{name: "./usr/bin/qemu-aarch64", content: elfFile(false)}))
	f.Add(debOf(entry{name: "./usr/bin/qemu-aarch64-static", link: "qemu-aarch64"}))
	f.Add(debOf(entry{name: "usr/bin/../bin/qemu-aarch64", content: "x", size: 1 << 40}))
	f.Fuzz(func(t *testing.T, deb []byte) {
		var out bytes.Buffer
		sum, err := Unpack(bytes.NewReader(deb), &out)
		if bad := (*ContentError)(nil); err != nil && !errors.As(err, &bad) {
			t.Errorf("%T: %v; want a *ContentError", err, err)
		}
		if err == nil && sum != hexSum(out.Bytes()) {
			t.Errorf("Unpack = %s of a file with %s", sum, hexSum(out.Bytes()))
		}
		if out.Len() > maxEmulator {
			t.Errorf("%d bytes came out", out.Len())
		}
	})
}

// A program that the kernel would start with a loader is refused, however odd its header
// is. (elf(5): e_phoff at 32, e_phentsize at 54, e_phnum at 56.)
func FuzzCheckStatic(f *testing.F) {
	f.Add([]byte(elfFile(false)))
	f.Add([]byte(elfFile(true)))
	f.Fuzz(func(t *testing.T, program []byte) {
		err := checkStatic(bytes.NewReader(program))
		if bad := (*ContentError)(nil); err != nil && !errors.As(err, &bad) {
			t.Errorf("%T: %v; want a *ContentError", err, err)
		}
		if err != nil || program[4] != 2 || program[5] != 1 { // 64 bits, little endian
			return
		}
		le := binary.LittleEndian
		at, size, count := le.Uint64(program[32:]), uint64(le.Uint16(program[54:])), uint64(le.Uint16(program[56:]))
		for i := range count {
			const interp = 3 // PT_INTERP
			if h := at + i*size; h < uint64(len(program))-4 && le.Uint32(program[h:]) == interp {
				t.Errorf("a program with a loader was taken: header %d at %d", i, h)
			}
		}
	})
}
