// Guest is what vmtest runs inside of its machines: first as the initramfs's init,
// then as a service of the system, which runs what the test on the host asks for.
package main

import (
	"fmt"
	"os"
)

func main() {
	run := serve
	if os.Getpid() == 1 {
		run = initialise
	}
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "guest: %v\n", err)
		os.Exit(1) // of process 1: the kernel panics, and QEMU ends
	}
}
