package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// TestProbe
func TestProbeRemote(t *testing.T) {
	r := startRemote(t, "/tmp/h2x/home/.cache/nixsd-native")
	key := user().write(t, "builder/id", string(r.login))
	_ = filepath.Join
	known := user().write(t, "builder/known", fmt.Sprintf("[%s]:%d %s", builderAddress, builderPort, strings.TrimSpace(string(sshPublic(r)))))
	inNetwork(t, r.network, "chmod", "600", key)
	inNetwork(t, r.network, "chown", "0", key)
	inNetwork(t, r.network, "sh", "-xc", fmt.Sprintf("ssh -p %d -i %s -oUserKnownHostsFile=%s root@%s 'nix-daemon --version && uname -m && nproc; id; /qemu --version; mount | grep binfmt' >&2; false", builderPort, key, known, builderAddress))
}

func sshPublic(r *remote) []byte { return ssh.MarshalAuthorizedKey(r.hostKey.PublicKey()) }
