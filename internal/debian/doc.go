// Package debian reads a Debian archive: which mirrors the host uses, the
// signed release file of a suite, its package indexes, and what a set of
// packages depends on.
//
// The chain of trust is that of apt: [ArchiveKeys] verify the clear-signed
// dists/<suite>/InRelease, which pins dists/<suite>/<component>/binary-<arch>/Packages.*
// by SHA-256, which pins every package by SHA-256. So mirrors need not be
// trusted, and plain http is good enough. What the chain cannot tell is an old
// but genuine release from the newest one where the suite has no Valid-Until,
// as Debian's stable suites have none.
//
// The package fetches nothing itself: [Document] and [File] are given by the
// caller. Formats: https://wiki.debian.org/DebianRepository/Format, deb822(5),
// sources.list(5), deb-version(7) and Debian Policy chapter 7.
package debian
