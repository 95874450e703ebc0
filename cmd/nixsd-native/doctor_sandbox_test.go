package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// A program with a PT_INTERP is linked dynamically.
func TestIsDynamic(t *testing.T) {
	for kind, want := range map[elf.ProgType]bool{elf.PT_INTERP: true, elf.PT_LOAD: false} {
		header := elf.Header64{
			Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
			Type:  uint16(elf.ET_EXEC), Version: uint32(elf.EV_CURRENT), Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
		}
		var program bytes.Buffer
		if err := errors.Join(binary.Write(&program, binary.LittleEndian, header), binary.Write(&program, binary.LittleEndian, elf.Prog64{Type: uint32(kind)})); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "program")
		if err := os.WriteFile(file, program.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := isDynamic(file); got != want {
			t.Errorf("isDynamic of one with %v = %v", kind, got)
		}
	}
}
