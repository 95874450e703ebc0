package sandbox

import "golang.org/x/sys/unix"

const (
	nativeArch       = unix.AUDIT_ARCH_AARCH64
	firstForeignCall = 1 << 31 // there is none
)
