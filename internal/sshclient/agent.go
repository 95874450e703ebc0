package sshclient

import (
	"io"
	"net"

	"golang.org/x/crypto/ssh/agent"
)

// AgentKeys returns the keys of the ssh-agent behind a socket. They can be used until the
// connection to it is closed.
func AgentKeys(socket string) ([]Key, io.Closer, error) {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return nil, nil, err
	}
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	var keys []Key
	for _, s := range signers {
		keys = append(keys, Key{"ssh-agent", s})
	}
	return keys, conn, nil
}
