// Package vmtest holds the tests of the program on other hosts: virtual machines that
// QEMU emulates in full, with kernels and user lands of Debian's packages, systemd and
// sudo among them, and without any network.
//
//	this machine                              the virtual machine
//	packages ── debian, fetch, deb ──► tree
//	tree, program, filled cache ── mke2fs ──► /dev/vda
//	its kernel's modules, guest ── cpio ────► initramfs: guest loads them, starts systemd
//	test ◄── commands and results, JSON, over virtio-serial ──► guest, as systemd's service
//
// It is slow, and so on demand: NIXSD_TEST_REQUIRE=vm go test -timeout 3h ./internal/vmtest.
// It needs Debian's packages qemu-system-x86, qemu-system-arm, e2fsprogs and kmod, and a
// Debian mirror.
package vmtest
