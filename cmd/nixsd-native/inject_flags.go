package main

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"slices"

	"github.com/spf13/pflag"
	"golang.org/x/crypto/ssh"

	"nixsd-native/internal/inject"
	"nixsd-native/internal/wifi"
)

// injectFlags say what is put into a finished image.
type injectFlags struct {
	flag     string // the name of the flag of specs
	specs    []string
	ssid     string
	wifiFile string // with the passphrase; "" to ask for it
	hostKey  string
	ageKey   string

	parsed []inject.Spec // of check
}

func (f *injectFlags) register(fs *pflag.FlagSet, flag string) {
	f.flag = flag
	fs.StringArrayVar(&f.specs, flag, nil, "put a file into the finished image: `SRC:DEST[:MODE[:UID:GID]]`, by default 0600 and root's; repeatable")
	fs.StringVar(&f.ssid, "wifi", "", "put the key of the Wi-Fi network `SSID` into the image, at "+wifi.File)
	fs.StringVar(&f.wifiFile, "wifi-passphrase-file", "", "the passphrase of --wifi is the first line of this `file`; without it, it is asked for")
	fs.StringVar(&f.hostKey, "ssh-host-key", "", "put the private key in `file` into the image, as its ssh host key")
	fs.StringVar(&f.ageKey, "age-key", "", "put the age identity in `file` into the image, at "+ageKeyPlace)
}

// any reports whether anything is to be put into an image.
func (f *injectFlags) any() bool { return len(f.specs) > 0 || f.ssid != "" || f.hostKey+f.ageKey != "" }

func (f *injectFlags) check() error {
	f.parsed = nil
	for _, text := range f.specs {
		s, err := inject.ParseSpec(text)
		if err != nil {
			return usageErrorf(fmt.Sprintf("name it like --%s wg.key:/etc/wireguard/wg.key:0600", f.flag), "--%s %s: %v", f.flag, text, err)
		}
		f.parsed = append(f.parsed, s)
	}
	if f.ssid == "" && f.wifiFile != "" {
		return usageErrorf("", "--wifi-passphrase-file is about --wifi SSID")
	}
	if f.ssid != "" {
		if err := wifi.ValidateSSID(f.ssid); err != nil {
			return usageErrorf("", "--wifi: %v", err)
		}
	}
	return nil
}

// files lists the files that these flags name.
func (f *injectFlags) files() []string {
	var all []string
	for _, s := range f.parsed {
		all = append(all, s.Source)
	}
	return slices.DeleteFunc(append(all, f.wifiFile, f.hostKey, f.ageKey), func(name string) bool { return name == "" })
}

// maxInjected bounds a file that is put into an image, in bytes, as package nix does.
const maxInjected = 4 << 20

// ageKeyPlace is where the documentation of sops-nix has the key of a machine
// (sops.age.keyFile), which has no default.
const ageKeyPlace = "/var/lib/sops-nix/key.txt"

// readSecrets reads what is put into images.
func (b *build) readSecrets(ctx context.Context, f *injectFlags) error {
	if !f.any() {
		return nil
	}
	for _, s := range f.parsed {
		data, err := b.readInjected("--"+f.flag, s.Source)
		if err != nil {
			return err
		}
		s.Data = data
		b.secrets = append(b.secrets, s.File)
	}
	for _, read := range []func(context.Context, *injectFlags) ([]inject.File, error){b.wifiSecret, b.hostKeySecret, b.ageSecret} {
		files, err := read(ctx, f)
		if err != nil {
			return err
		}
		b.secrets = append(b.secrets, files...)
	}
	return nil
}

// readInjected reads a file that a flag names.
func (b *build) readInjected(flag, name string) ([]byte, error) {
	file, err := b.privileges.Open(name)
	if err != nil {
		return nil, usageErrorf("name a file that you may read", "%s %s: %v", flag, name, bare(err))
	}
	defer file.Close()
	data, err := readAllBounded(file, name, maxInjected)
	if err != nil {
		return nil, usageErrorf("name the right file, of at most 4 MiB", "%s %s: %v", flag, name, bare(err))
	}
	return data, nil
}

func (b *build) wifiSecret(ctx context.Context, f *injectFlags) ([]inject.File, error) {
	if f.ssid == "" {
		return nil, nil
	}
	var passphrase []byte
	var err error
	if f.wifiFile != "" {
		passphrase, err = b.readInjected("--wifi-passphrase-file", f.wifiFile)
	} else {
		passphrase, err = b.askPassphrase(ctx, f.ssid)
	}
	if err != nil {
		return nil, err
	}
	line, err := wifi.Secret(f.ssid, firstLine(passphrase))
	if err != nil {
		return nil, usageErrorf("give the network's passphrase, or its key of 64 hexadecimal digits", "--wifi %s: %v", f.ssid, err)
	}
	b.rep.Note("for %s the configuration needs networking.wireless.secretsFile = %q, and of the network pskRaw = %q", f.ssid, wifi.File, "ext:"+wifi.Name(f.ssid))
	return []inject.File{{Dest: wifi.File, Mode: wifi.Mode, Data: []byte(line)}}, nil
}

// askPassphrase asks on the terminal, without showing what is typed.
func (b *build) askPassphrase(ctx context.Context, ssid string) (passphrase []byte, err error) {
	d := newDialogue(ctx, b.app)
	if d == nil {
		return nil, usageErrorf("add --wifi-passphrase-file FILE", "there is no terminal to ask for the passphrase of %s on", ssid)
	}
	answer, err := d.askHidden("Passphrase of the Wi-Fi network "+clean(ssid), wifi.ValidatePassphrase)
	return []byte(answer), err
}

// hostKeySecret is a private host key, with its public half, where sshd and NixOS's own
// configuration of it look for them.
func (b *build) hostKeySecret(_ context.Context, f *injectFlags) ([]inject.File, error) {
	if f.hostKey == "" {
		return nil, nil
	}
	data, err := b.readInjected("--ssh-host-key", f.hostKey)
	if err != nil {
		return nil, err
	}
	kind, public, err := parseHostKey(data)
	if err != nil {
		return nil, usageErrorf("make one with: ssh-keygen -t ed25519 -N '' -f ssh_host_ed25519_key", "--ssh-host-key %s: %v", f.hostKey, err)
	}
	place := "/etc/ssh/ssh_host_" + kind + "_key"
	return []inject.File{
		{Dest: place, Mode: 0o600, Data: data},
		{Dest: place + ".pub", Mode: 0o644, Data: public},
	}, nil
}

// hostKeyKinds are the types of keys that sshd has a file for (sshd_config(5), HostKey).
var hostKeyKinds = map[string]string{
	ssh.KeyAlgoED25519: "ed25519", ssh.KeyAlgoRSA: "rsa",
	ssh.KeyAlgoECDSA256: "ecdsa", ssh.KeyAlgoECDSA384: "ecdsa", ssh.KeyAlgoECDSA521: "ecdsa",
}

// parseHostKey returns a private key's kind, as the name of its file has it, and the line
// of its public half. Its error does not quote it.
func parseHostKey(data []byte) (kind string, public []byte, err error) {
	signer, err := ssh.ParsePrivateKey(data)
	if is[*ssh.PassphraseMissingError](err) {
		return "", nil, fmt.Errorf("the key has a passphrase, which no board can be asked for")
	}
	if err != nil || bytes.Contains(data, []byte("-----BEGIN PRIVATE KEY-----")) { // PKCS #8, which sshd reads in part only
		return "", nil, fmt.Errorf("this is no private key of OpenSSH")
	}
	kind, ok := hostKeyKinds[signer.PublicKey().Type()]
	if !ok {
		return "", nil, fmt.Errorf("sshd takes no %s key", signer.PublicKey().Type())
	}
	return kind, ssh.MarshalAuthorizedKey(signer.PublicKey()), nil
}

// ageIdentity is a line of a file that age-keygen makes, also of a post-quantum one.
var ageIdentity = regexp.MustCompile(`(?m)^AGE-SECRET-KEY-(PQ-)?1[02-9AC-HJ-NP-Z]+\r?$`)

func (b *build) ageSecret(_ context.Context, f *injectFlags) ([]inject.File, error) {
	if f.ageKey == "" {
		return nil, nil
	}
	data, err := b.readInjected("--age-key", f.ageKey)
	if err != nil {
		return nil, err
	}
	if !ageIdentity.Match(data) {
		return nil, usageErrorf("make one with: age-keygen -o key.txt", "--age-key %s holds no age identity, or an encrypted one", f.ageKey)
	}
	return []inject.File{{Dest: ageKeyPlace, Mode: inject.DefaultMode, Data: data}}, nil
}
