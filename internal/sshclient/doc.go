// Package sshclient is the ssh of the build: what asks remote builders whether they are
// there, and the program "ssh" that Nix finds in its sandbox, where there is no other.
//
// What Nix wants of a program ssh, from src/libstore/ssh.cc, ssh-store.cc and
// legacy-ssh-store.cc of 2.18, 2.26 and 2.35:
//
//   - It calls "ssh [USER@]HOST -x", then what NIX_SSHOPTS holds, "-i KEY" if the store
//     has ssh-key, "-oUserKnownHostsFile=FILE" if it has a host key, "-C" for compress,
//     "-pPORT" (2.31 and newer; before, HOST is HOST:PORT as the store's URI has it),
//     "-oPermitLocalCommand=yes", "-oLocalCommand=echo started", "-S SOCKET" if there is
//     a master, "-v" with -vvv, "--" (2.20 and newer), and the words of the remote command.
//   - The first line of standard output must be "started", unless there is a master or
//     "ssh -O check [USER@]HOST …", without the master's socket, succeeds.
//   - With more than one connection at a time it first runs "ssh [USER@]HOST -M -N -S
//     SOCKET …", waits for the line "started", and kills that process at its end. Commands
//     then have -S as well and must not print the line.
//   - The remote command is "nix-daemon --stdio" for ssh-ng, "nix-store --serve --write"
//     for ssh; words are joined by spaces, as ssh(1) does, for the remote shell.
//   - Standard error is shown to people, as a part of the build's log for ssh.
//
// Every call is a connection of its own here, a master's socket or not.
package sshclient
