// Package fetch downloads files whose hash is known into a cache addressed by
// sha256. It is the only package that knows net/http.
//
// A file is looked for in the [Cache], then at each source in turn, a large one at
// the fastest of them first, which a short race finds. Bytes go
// to a partial file, are hashed on the way, and reach the cache by fsync and
// rename only after the hash fitted:
//
//	find ─ hit ──────────────────────────────────────────────► path
//	  └ miss ─ lock(hash) ─ find again ─ hit ────────────────► path
//	                          └ miss ─ partial ◄── sources
//	                                     └ hash, fsync, rename ► path
//
// The lock is held per hash and works between processes, so that any number of
// builds that want one file download it once. Nothing in the cache is trusted:
// every look-up hashes.
//
// # Folder layout
//
//	<dir>/<sha256>-<name>   finished files, mode 0644 less the umask
//	<dir>/.partial/<sha256> what has arrived of a file; resumed later
//	<dir>/.partial/tmp-*    bodies whose hash is not known yet
//	<dir>/.lock/<sha256>    empty lock files (flock)
//
// # Errors
//
// [NetworkError], [HashError], [OfflineError], [StorageError] and
// [NotCachedError] tell the causes apart; all but the last carry hints. A
// cancelled context comes back as ctx.Err(). No message shows the user name or
// password of a URL.
package fetch
