package demo

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
)

// libraryPath is where a relocated program looks for libraries, see ld.so(8).
const libraryPath = "$ORIGIN/../lib\x00"

// relocate returns the ELF program as one that is started by the loader at interp
// and finds its libraries, and theirs, beside itself in ../lib. That is what
// patchelf --set-interpreter --force-rpath --set-rpath does, but in place:
//
//   - the kernel reads PT_INTERP at its file offset, so the new path is appended to
//     the file and the program header points there;
//   - the text of DT_RPATH overwrites the build id, a note of 20 bytes that only
//     debuggers read, and a spare DT_NULL, of which ld leaves five, becomes DT_RPATH.
func relocate(program []byte, interp string) ([]byte, error) {
	f, err := elf.NewFile(bytes.NewReader(program))
	if err != nil {
		return nil, err
	}
	if f.Class != elf.ELFCLASS64 || f.ByteOrder != binary.LittleEndian {
		return nil, errors.New("not a 64-bit little-endian program")
	}
	out := bytes.Clone(program)
	if err := setInterpreter(f, &out, interp); err != nil {
		return nil, err
	}
	return out, setLibraryPath(f, out[:len(program)])
}

func setInterpreter(f *elf.File, out *[]byte, interp string) error {
	for i, p := range f.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		const headers, size = 64, 56 // sizes of Elf64_Ehdr, which Debian's headers follow, and Elf64_Phdr
		if len(*out) < headers+(i+1)*size {
			return errors.New("program headers are not behind the ELF header")
		}
		header := (*out)[headers+i*size:][:size]
		if elf.ProgType(binary.LittleEndian.Uint32(header)) != elf.PT_INTERP {
			return errors.New("program headers are not behind the ELF header")
		}
		path := append([]byte(interp), 0)
		binary.LittleEndian.PutUint64(header[8:], uint64(len(*out)))  // p_offset
		binary.LittleEndian.PutUint64(header[32:], uint64(len(path))) // p_filesz
		*out = append(*out, path...)
		return nil
	}
	return errors.New("no interpreter: statically linked")
}

func setLibraryPath(f *elf.File, out []byte) error {
	note, id := sectionIn(f, out, ".note.gnu.build-id")
	dynamic, entries := sectionIn(f, out, ".dynamic")
	strtab := f.Section(".dynstr")
	if note == nil || dynamic == nil || strtab == nil {
		return errors.New("sections of a dynamic program are missing")
	}
	const noteHeader = 16 // namesz, descsz, type, "GNU\0"
	if len(id) < noteHeader+len(libraryPath) {
		return fmt.Errorf("build id of %d bytes", note.Size)
	}
	for at := 0; at+32 <= len(entries); at += 16 { // the last DT_NULL stays
		if elf.DynTag(binary.LittleEndian.Uint64(entries[at:])) != elf.DT_NULL {
			continue
		}
		copy(id[noteHeader:], libraryPath)
		binary.LittleEndian.PutUint64(entries[at:], uint64(elf.DT_RPATH))
		// The text is found relative to the string table; the difference may be
		// negative, which wraps around as the loader's addition does.
		binary.LittleEndian.PutUint64(entries[at+8:], note.Addr+noteHeader-strtab.Addr)
		return nil
	}
	return errors.New("no spare entry in the dynamic section")
}

// sectionIn returns a section and its bytes in program, or nil if there is none or
// the program ends before it.
func sectionIn(f *elf.File, program []byte, name string) (*elf.Section, []byte) {
	s := f.Section(name)
	if s == nil || s.Offset > uint64(len(program)) || s.Size > uint64(len(program))-s.Offset {
		return nil, nil
	}
	return s, program[s.Offset:][:s.Size]
}
