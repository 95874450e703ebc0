package binfmt

import "encoding/binary"

// ProbeText is what the program of [ProbeELF] writes to its standard output.
const ProbeText = "aarch64 ok\n"

// Layout of the probe: both headers, then code, in one segment.
const (
	elfHeaderSize     = 64
	programHeaderSize = 56
	elfType           = 16 // offset of e_type, low byte
	elfTypeShared     = 3  // ET_DYN
	probeEntry        = elfHeaderSize + programHeaderSize
	probeBase         = 0x400000 // where the linker puts aarch64 programs; a multiple of any page size
	segmentAlign      = 0x10000  // the largest page size of aarch64 Linux
)

// Numbers of system calls from include/uapi/asm-generic/unistd.h.
const (
	sysWrite     = 64
	sysExitGroup = 94
)

// ProbeELF assembles a static aarch64 Linux program that writes [ProbeText]
// and exits with 0 if all of it was written:
//
//	_start: mov  x8, #64        // write
//	        mov  x0, #1
//	        adr  x1, text
//	        mov  x2, #11
//	        svc  #0
//	        sub  x0, x0, #11    // bytes written, less what there was to write
//	        mov  x8, #94        // exit_group
//	        svc  #0
//	text:   .ascii "aarch64 ok\n"
//
// testdata/probe.objdump is the same read back by GNU objdump.
func ProbeELF() []byte {
	const instructions, adrAt = 8, 2
	size := uint16(len(ProbeText))
	code := []uint32{
		movz(8, sysWrite),                // mov  x8, #64
		movz(0, 1),                       // mov  x0, #1
		adr(1, 4*(instructions-adrAt)),   // adr  x1, text
		movz(2, size),                    // mov  x2, #11
		svc(0),                           // svc  #0
		subImmediate(0, 0, uint32(size)), // sub  x0, x0, #11
		movz(8, sysExitGroup),            // mov  x8, #94
		svc(0),                           // svc  #0
	}
	total := probeEntry + 4*len(code) + len(ProbeText)
	elf := appendElfHeader(nil)
	elf = appendLoadHeader(elf, uint64(total))
	for _, instruction := range code {
		elf = binary.LittleEndian.AppendUint32(elf, instruction)
	}
	return append(elf, ProbeText...)
}

// appendElfHeader writes an Elf64_Ehdr without section headers.
func appendElfHeader(b []byte) []byte {
	le := binary.LittleEndian
	b = append(b, aarch64Magic...)               // e_ident, e_type ET_EXEC, e_machine EM_AARCH64
	b = le.AppendUint32(b, 1)                    // e_version
	b = le.AppendUint64(b, probeBase+probeEntry) // e_entry
	b = le.AppendUint64(b, elfHeaderSize)        // e_phoff
	b = le.AppendUint64(b, 0)                    // e_shoff
	b = le.AppendUint32(b, 0)                    // e_flags
	for _, half := range []uint16{elfHeaderSize, programHeaderSize, 1, 0, 0, 0} {
		b = le.AppendUint16(b, half) // e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx
	}
	return b
}

// appendLoadHeader writes an Elf64_Phdr that maps the whole file, read and execute.
func appendLoadHeader(b []byte, size uint64) []byte {
	const typeLoad, flagsReadExecute = 1, 4 | 1
	le := binary.LittleEndian
	b = le.AppendUint32(b, typeLoad)
	b = le.AppendUint32(b, flagsReadExecute)
	// p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align
	for _, word := range []uint64{0, probeBase, probeBase, size, size, segmentAlign} {
		b = le.AppendUint64(b, word)
	}
	return b
}

// The encoders follow the Arm Architecture Reference Manual for A-profile,
// chapter C6.2; registers are the 64-bit ones.

// movz is MOVZ Xd, #value, which assemblers print as MOV.
func movz(d uint32, value uint16) uint32 { return 0xd2800000 | uint32(value)<<5 | d }

// adr is ADR Xd, . + offset for an offset of 0 to 2^20-1 bytes.
func adr(d, offset uint32) uint32 {
	return 0x10000000 | (offset&3)<<29 | (offset>>2)<<5 | d
}

// svc is SVC #value.
func svc(value uint16) uint32 { return 0xd4000001 | uint32(value)<<5 }

// subImmediate is SUB Xd, Xn, #value for a value of 0 to 4095.
func subImmediate(d, n, value uint32) uint32 { return 0xd1000000 | value<<10 | n<<5 | d }
