// Package e2e holds the tests of the whole program: real builds by the real binary,
// as root and without, on the real kernel, down to a login into the booted image.
package e2e
