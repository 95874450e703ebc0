package demo

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"testing"
)

// A programT is a dynamic program, or a library, as small as they get. Its addresses
// are its offsets and imageBase.
type programT struct {
	interp  string   // none for a library
	needed  []string // sonames
	buildID int      // bytes of the build id; 0 means 20, -1 none at all
	nulls   int      // DT_NULL at the end; 0 means 6, as ld leaves them
	gap     int      // bytes between the ELF header and the program headers
}

const imageBase = 0x400000

// A sectionT is a section with what a header says of it.
type sectionT struct {
	name string
	kind elf.SectionType
	link uint32
	data []byte
}

// bytes lays the program out: headers, sections, section headers.
func (p programT) bytes(t testing.TB) []byte {
	t.Helper()
	sections := p.sections(t)
	progs := []elf.Prog64{{Type: uint32(elf.PT_LOAD)}, {Type: uint32(elf.PT_DYNAMIC)}}
	if p.interp != "" {
		progs = append(progs, elf.Prog64{Type: uint32(elf.PT_INTERP)})
	}
	body := new(bytes.Buffer)
	start := uint64(64 + p.gap + len(progs)*56)
	var names []byte
	var headers []elf.Section64
	for i, s := range sections {
		at := start + uint64(body.Len())
		if s.name == ".shstrtab" {
			s.data = append(names, s.name+"\x00"...)
		}
		h := elf.Section64{Name: uint32(len(names)), Type: uint32(s.kind), Link: s.link, Off: at, Addr: imageBase + at, Size: uint64(len(s.data))}
		names = append(names, s.name+"\x00"...)
		if i == 0 {
			h = elf.Section64{}
		}
		headers = append(headers, h)
		segment := elf.Prog64{Off: at, Vaddr: imageBase + at, Filesz: h.Size, Memsz: h.Size}
		switch s.name {
		case ".dynamic":
			segment.Type = uint32(elf.PT_DYNAMIC)
			progs[1] = segment
		case ".interp":
			segment.Type = uint32(elf.PT_INTERP)
			progs[2] = segment
		}
		body.Write(s.data)
	}
	end := start + uint64(body.Len())
	progs[0] = elf.Prog64{Type: uint32(elf.PT_LOAD), Vaddr: imageBase, Filesz: end, Memsz: end}
	return join(t, elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_DYN), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
		Phoff: uint64(64 + p.gap), Phentsize: 56, Phnum: uint16(len(progs)),
		Shoff: end, Ehsize: 64, Shentsize: 64, Shnum: uint16(len(headers)), Shstrndx: uint16(len(headers) - 1),
	}, make([]byte, p.gap), progs, body.Bytes(), headers)
}

// sections begins with the empty one; .dynstr, which .dynamic links to, is the second.
func (p programT) sections(t testing.TB) []sectionT {
	strtab := []byte{0}
	var dynamic []elf.Dyn64
	for _, soname := range p.needed {
		dynamic = append(dynamic, elf.Dyn64{Tag: int64(elf.DT_NEEDED), Val: uint64(len(strtab))})
		strtab = append(strtab, soname+"\x00"...)
	}
	nulls := p.nulls
	if nulls == 0 {
		nulls = 6
	}
	dynamic = append(dynamic, make([]elf.Dyn64, nulls)...)
	all := []sectionT{{}, {".dynstr", elf.SHT_STRTAB, 0, strtab}, {".dynamic", elf.SHT_DYNAMIC, 1, join(t, dynamic)}}
	if p.interp != "" {
		all = append(all, sectionT{".interp", elf.SHT_PROGBITS, 0, []byte(p.interp + "\x00")})
	}
	if p.buildID >= 0 {
		size := p.buildID
		if size == 0 {
			size = 20
		}
		note := join(t, [3]uint32{4, uint32(size), 3}, []byte("GNU\x00"), bytes.Repeat([]byte{0xbd}, size))
		all = append(all, sectionT{".note.gnu.build-id", elf.SHT_NOTE, 0, note})
	}
	return append(all, sectionT{".shstrtab", elf.SHT_STRTAB, 0, nil})
}

func join(t testing.TB, parts ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, part := range parts {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// openELF reads a program by Go's own reader.
func openELF(t testing.TB, data []byte) *elf.File {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// interpreter returns the path of a program's dynamic loader, NUL included, or "".
func interpreter(t testing.TB, f *elf.File) string {
	t.Helper()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			data := make([]byte, p.Filesz)
			if _, err := p.ReadAt(data, 0); err != nil {
				t.Fatal(err)
			}
			return string(data)
		}
	}
	return ""
}

// textOf returns a text of the dynamic section as ld.so finds it: at the address of
// the string table and the entry's value, wherever a segment has that.
func textOf(t testing.TB, f *elf.File, tag elf.DynTag) string {
	t.Helper()
	values, err := f.DynValue(tag)
	if err != nil || len(values) != 1 {
		t.Fatalf("%v: %d values, %v; want one", tag, len(values), err)
	}
	at := f.Section(".dynstr").Addr + values[0]
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && at >= p.Vaddr && at < p.Vaddr+p.Filesz {
			data := make([]byte, p.Vaddr+p.Filesz-at)
			if _, err := p.ReadAt(data, int64(at-p.Vaddr)); err != nil {
				t.Fatal(err)
			}
			text, _, _ := bytes.Cut(data, []byte{0})
			return string(text)
		}
	}
	t.Fatalf("%v: no segment holds address %#x", tag, at)
	return ""
}
