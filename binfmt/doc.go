// Package binfmt makes the kernel hand aarch64 programs to an emulator.
//
// An [Entry] is the register line as pure data. It goes either into the
// host's binfmt_misc ([Host], shared between builds through [Acquire]) or into
// an instance of the caller's own user namespace ([MountPrivate] and
// [RegisterAt]). [Prove] then runs a tiny aarch64 program.
//
// The host's instance is shared like this; "gate" and "users" are lock files
// in a folder that all builds know:
//
//	Acquire                          Release
//	  lock gate, exclusive             lock gate, exclusive
//	  try users, exclusive             try users, exclusive
//	  alone: remove what was left        alone: unregister, unmount,
//	  write the journal                         remove the journal
//	  mount if needed, register        unlock users and gate
//	  lock users, shared
//	  unlock gate
//
// The kernel drops both locks when a process dies, so whoever comes next, or
// leaves last, finds itself alone with a journal and cleans up.
package binfmt
