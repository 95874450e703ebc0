// Package nix installs Nix and channels into a sandbox's /nix from upstream's
// tarballs, configures Nix, runs it, and reads what it says.
//
// What [InsideMain] calls, the methods of [Store] above all, runs in the sandbox, as root
// of it; the rest runs outside and is pure.
package nix
