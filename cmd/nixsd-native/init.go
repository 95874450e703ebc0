package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"nixsd-native/internal/wifi"
	"nixsd-native/nix"
)

// An initJob is the command init with its flags.
type initJob struct {
	nix.Starter
	board, output, static string
	keyFiles              []string
	passphraseFile        string
	files                 []*os.File // those that the flags name, as opens has them
	passphrase            string     // of the Wi-Fi, or ""
}

func initCommand() command {
	return command{
		name:    "init",
		summary: "write a configuration to start with, " + ownConfig,
		help: `The configuration builds as it is, and explains itself. An existing one is never
overwritten. On a terminal, where the board or a key is not named, all that is
not named is asked for.

The Wi-Fi's passphrase is not written into the configuration, which every
account on the board can read. The key made of it is kept in a file beside it,
for you alone, and "inject" puts it into the finished image.

Examples:
  nixsd-native init
  nixsd-native init --board rpi4 --ssh-key ~/.ssh/id_ed25519.pub --hostname den
  nixsd-native init --board zero2w --ssh-key me.pub --wifi den -o den.nix
  nixsd-native init --board rpi3 --static-ip ` + staticExample,
		new: func(fs *pflag.FlagSet) job {
			j := new(initJob)
			j.register(fs)
			return j
		},
	}
}

func (j *initJob) register(fs *pflag.FlagSet) {
	fs.StringVar(&j.board, "board", "", "`board` that the card is for: "+strings.Join(boardNames(), ", ")+"; see \"help boards\"")
	fs.SetAnnotation("board", valuesAnnotation, boardNames())
	fs.StringArrayVar(&j.keyFiles, "ssh-key", nil, "let the holders of the public keys in `file` log in; repeatable")
	fs.StringVar(&j.HostName, "hostname", defaultName, "the board's `name`")
	fs.StringVar(&j.User, "user", defaultName, "the `name` of who logs in")
	fs.StringVar(&j.TimeZone, "timezone", "", "time `zone`, such as Europe/Berlin")
	fs.StringVar(&j.WiFi, "wifi", "", "join the Wi-Fi network `SSID`")
	fs.StringVar(&j.passphraseFile, "wifi-passphrase-file", "", "`file` with the Wi-Fi's passphrase, instead of a question")
	fs.StringVar(&j.static, "static-ip", "", "fixed `address` instead of DHCP, of the Wi-Fi if there is one: IP/PREFIX[,GATEWAY[,DNS]]")
	fs.StringVarP(&j.output, "output", "o", ".", "`file or folder` to write to")
}

// staticExample is what --static-ip takes: an address and a gateway.
const staticExample = "192.168.1.10/24,192.168.1.1"

// defaultName is the host's and the user's, as in the built-in configuration.
const defaultName = "nixos"

func boardNames() []string {
	var names []string
	for _, b := range nix.Boards() {
		names = append(names, b.Name)
	}
	return names
}

func (j *initJob) check(args []string) error {
	if err := noArguments(args); err != nil {
		return err
	}
	if j.passphraseFile != "" && j.WiFi == "" {
		return usageErrorf("add --wifi SSID", "--wifi-passphrase-file is about --wifi")
	}
	for _, field := range j.fields() {
		if field.value == "" {
			continue // what is empty was not given, or is refused by whoever parses flags
		}
		if err := field.set(field.value); err != nil {
			return usageErrorf(field.hint, "--%s: %v", field.flag, err)
		}
	}
	return nil
}

// A field is what a flag, or an answer to a question, sets.
type field struct {
	flag, value string
	set         func(string) error
	hint        string
}

// fields are those with a form of their own.
func (j *initJob) fields() []field {
	return []field{
		{"board", j.board, j.setBoard, "what they are is told by: nixsd-native help boards"},
		{"hostname", j.HostName, j.setHostName, "name it like " + defaultName},
		{"user", j.User, j.setUser, "name one like " + defaultName},
		{"timezone", j.TimeZone, j.setTimeZone, "name one like Europe/Berlin, as in /usr/share/zoneinfo"},
		{"wifi", j.WiFi, j.setWiFi, "give the network's name as the router has it"},
		{"static-ip", j.static, j.setStatic, "for example --static-ip " + staticExample},
	}
}

func (j *initJob) setBoard(name string) error {
	for _, b := range nix.Boards() {
		if b.Name == name {
			j.Board = b
			return nil
		}
	}
	return fmt.Errorf("%q is none of %s", name, strings.Join(boardNames(), ", "))
}

// hostLabel is a host name of RFC 1123, section 2.1, of one label.
var hostLabel = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

func (j *initJob) setHostName(name string) error {
	if !hostLabel.MatchString(name) {
		return fmt.Errorf("%q is no host name: letters, digits and hyphens inside, 63 at most", name)
	}
	j.HostName = name
	return nil
}

// userName is what useradd(8) takes for one; utmp has room for 31 characters.
var userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,30}$`)

// systemUsers are those that NixOS has of its own.
var systemUsers = regexp.MustCompile(`^(root|nobody|sshd|messagebus|wpa_supplicant|nscd|dhcpcd|polkituser|systemd-.*|nixbld.*)$`)

func (j *initJob) setUser(name string) error {
	if !userName.MatchString(name) {
		return fmt.Errorf("%q is no user name: small letters, digits, - and _, 31 at most", name)
	}
	if systemUsers.MatchString(name) {
		return fmt.Errorf("%q is a user of the system's own", name)
	}
	j.User = name
	return nil
}

func (j *initJob) setWiFi(ssid string) error {
	j.WiFi = ssid
	return wifi.ValidateSSID(ssid)
}

func (j *initJob) setStatic(text string) (err error) {
	j.Static, err = nix.ParseStaticAddress(text)
	return err
}

func (j *initJob) opens() []string {
	if j.passphraseFile == "" {
		return j.keyFiles
	}
	return append(slices.Clone(j.keyFiles), j.passphraseFile)
}

func (j *initJob) take(files []*os.File) { j.files = files }

// writesAsCaller makes this a callerJob: the configuration is the caller's.
func (j *initJob) writesAsCaller() {}

func (j *initJob) run(ctx context.Context, a *app) error {
	place, err := j.locate()
	if err != nil {
		return err
	}
	if err := j.readFiles(); err != nil {
		return err
	}
	if err := j.complete(ctx, a); err != nil {
		return err
	}
	if err := place.write(j); err != nil {
		return err
	}
	fmt.Fprintln(a.out, clean(place.config))
	j.tellMore(a, place)
	return nil
}

// maxPassphraseFile bounds a file with a passphrase in bytes.
const maxPassphraseFile = 4 << 10

// readFiles reads what the flags name.
func (j *initJob) readFiles() error {
	for i, f := range j.files {
		defer f.Close()
		limit, flag := int64(maxKeyFile), "--ssh-key"
		if i == len(j.keyFiles) {
			limit, flag = maxPassphraseFile, "--wifi-passphrase-file"
		}
		data, err := readAllBounded(f, f.Name(), limit)
		if err != nil {
			return usageErrorf("name another file", "%s %s: %v", flag, f.Name(), bare(err))
		}
		if i == len(j.keyFiles) {
			err = j.setPassphrase(f.Name(), data)
		} else {
			var keys []string
			keys, err = parseKeys(f.Name(), data)
			j.Keys = append(j.Keys, keys...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (j *initJob) setPassphrase(name string, file []byte) error {
	j.passphrase = firstLine(file)
	if err := wifi.ValidatePassphrase(j.passphrase); err != nil {
		return usageErrorf("put the passphrase into the file's first line", "--wifi-passphrase-file %s: %v", name, err)
	}
	return nil
}

// firstLine is what a file with a passphrase is read for.
func firstLine(file []byte) string {
	line, _, _ := bytes.Cut(file, []byte("\n"))
	return string(bytes.TrimSuffix(line, []byte("\r")))
}

// complete asks for what is missing, or refuses to go on without it.
func (j *initJob) complete(ctx context.Context, a *app) error {
	tty := newDialogue(ctx, a)
	missing := j.board == "" || len(j.Keys) == 0
	switch {
	case missing && tty == nil:
		return j.incomplete()
	case missing:
		return j.ask(tty, a)
	case tty != nil && j.WiFi != "" && j.passphrase == "":
		return j.askPassphrase(tty)
	}
	return nil
}

// incomplete names what nobody can be asked for.
func (j *initJob) incomplete() error {
	var flags, what []string
	if j.board == "" {
		flags, what = append(flags, "--board "+strings.Join(boardNames(), "|")), append(what, "the board")
	}
	if len(j.Keys) == 0 {
		flags, what = append(flags, "--ssh-key FILE"), append(what, "a key to log in with")
	}
	return usageErrorf("add "+strings.Join(flags, " ")+", or run it on a terminal, which asks", "missing: %s", strings.Join(what, ", "))
}
