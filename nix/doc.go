// Package nix installs Nix and channels into a sandbox's /nix from upstream's
// tarballs, configures Nix, runs it, and reads what it says.
//
// The files with "inside" in their doc comments run in the sandbox, as root of it;
// the others run outside and are pure.
package nix
