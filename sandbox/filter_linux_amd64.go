package sandbox

import "golang.org/x/sys/unix"

const (
	nativeArch = unix.AUDIT_ARCH_X86_64
	// firstForeignCall is the bit that marks calls of x32 (__X32_SYSCALL_BIT).
	firstForeignCall = 0x40000000
)
