package sshclient

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// DefaultPort is ssh's.
const DefaultPort = 22

// An Invocation is a command line of ssh, understood.
type Invocation struct {
	User, Host string
	Port       int // 0 if none is given
	Keys       []string
	KnownHosts string // file, "" if none is given
	Command    string // for the remote shell; "" with Hold and Check
	Hold       bool   // -N: be connected, and no more
	Check      bool   // -O check: is there a master? There never is.
	Started    bool   // print "started" when connected
}

// SplitHost takes [USER@]HOST[:PORT] apart; an IPv6 address with a port is in brackets.
// Port is 0 if there is none.
func SplitHost(s string) (user, host string, port int, err error) {
	if at := strings.LastIndex(s, "@"); at >= 0 {
		if user, s = s[:at], s[at+1:]; user == "" {
			return "", "", 0, errors.New("the user's name is empty")
		}
	}
	host = s
	if h, p, err := net.SplitHostPort(s); err == nil {
		if host = h; !validPort(p) {
			return "", "", 0, fmt.Errorf("%q is no port", p)
		}
		port, _ = strconv.Atoi(p)
	} else if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		host = s[1 : len(s)-1]
	}
	if strings.HasPrefix(user, "-") || strings.Contains(user, ":") || strings.ContainsFunc(user, notOfName) {
		return "", "", 0, fmt.Errorf("%q is no name of a user", user)
	}
	if strings.HasPrefix(host, "-") || strings.ContainsFunc(host, notOfName) || strings.Contains(host, ":") && !isAddress(host) {
		return "", "", 0, fmt.Errorf("%q is no name of a host", host)
	}
	if host == "" {
		return "", "", 0, errors.New("the host's name is empty")
	}
	return user, host, port, nil
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// notOfName is what names of users and hosts, and addresses, do not have.
func notOfName(r rune) bool {
	return r <= ' ' || r >= 0x7f || strings.ContainsRune("/\\\"'`$&;|<>()[]{}*?!#,=^~@", r)
}

func validPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n > 0 && n < 1<<16
}

// Flags of ssh(1): those that Nix uses, or people may have in NIX_SSHOPTS, and that make
// no difference here; and those that take a value.
const (
	idleFlags  = "xTCaqvk"
	valueFlags = "plioSO"
)

// ParseArgs understands arguments of ssh, argv[0] not among them. A flag whose meaning
// would be lost is an error.
func ParseArgs(args []string) (Invocation, error) {
	p := &parser{}
	var words []string // host and command
	for len(args) > 0 && p.err == nil {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			words, args = append(words, args...), nil
		case len(arg) > 1 && arg[0] == '-':
			args = p.flags(arg[1:], args)
		case len(words) == 0:
			words = append(words, arg)
		default: // from the first word of the command on, nothing is ssh's
			words, args = append(append(words, arg), args...), nil
		}
	}
	if p.err != nil {
		return Invocation{}, p.err
	}
	if len(words) == 0 {
		return Invocation{}, errors.New("no host")
	}
	return p.finish(words[0], strings.Join(words[1:], " "))
}

type parser struct {
	Invocation
	permit, viaMaster, master bool
	local                     string
	err                       error
}

func (p *parser) fail(format string, args ...any) {
	p.err = cmp.Or(p.err, fmt.Errorf(format, args...))
}

// flags reads the letters of one argument, and a value from the arguments behind it, which
// it returns without.
func (p *parser) flags(letters string, rest []string) []string {
	for i, letter := range letters {
		switch {
		case strings.ContainsRune(idleFlags, letter):
		case letter == 'M':
			p.master = true
		case letter == 'N':
			p.Hold = true
		case strings.ContainsRune(valueFlags, letter):
			value := letters[i+1:]
			if value == "" {
				if len(rest) == 0 {
					p.fail("-%c needs a value", letter)
					return nil
				}
				value, rest = rest[0], rest[1:]
			}
			p.value(letter, value)
			return rest
		default:
			p.fail("-%c is not supported", letter)
		}
	}
	return rest
}

func (p *parser) value(letter rune, value string) {
	switch letter {
	case 'p':
		p.option("port", value)
	case 'l':
		p.option("user", value)
	case 'i':
		p.option("identityfile", value)
	case 'S':
		p.viaMaster = true
	case 'O':
		if p.Check = value == "check"; !p.Check {
			p.fail("-O %s is not supported", value)
		}
	case 'o':
		at := strings.IndexAny(value, "= ")
		if at < 0 {
			p.fail("-o %s has no value", value)
			return
		}
		p.option(strings.ToLower(value[:at]), strings.TrimLeft(value[at:], "= "))
	}
}

// idleOptions are options of ssh_config(5) that make no difference here.
var idleOptions = []string{
	"batchmode", "compression", "connecttimeout", "controlmaster", "controlpath", "controlpersist",
	"forwardagent", "forwardx11", "loglevel", "serveralivecountmax", "serveraliveinterval", "tcpkeepalive",
}

func (p *parser) option(name, value string) {
	switch name {
	case "port":
		if !validPort(value) {
			p.fail("%q is no port", value)
		}
		p.Port, _ = strconv.Atoi(value)
	case "user":
		p.User = value
	case "identityfile":
		p.Keys = append(p.Keys, value)
	case "userknownhostsfile":
		p.KnownHosts = value
	case "permitlocalcommand":
		p.permit = value == "yes"
	case "localcommand":
		p.local = value
	case "stricthostkeychecking":
		if value != "yes" {
			p.fail("host keys are always checked: StrictHostKeyChecking=%s is not supported", value)
		}
	default:
		if !slices.Contains(idleOptions, name) {
			p.fail("-o %s is not supported", name)
		}
	}
}

func (p *parser) finish(host, command string) (Invocation, error) {
	user, name, port, err := SplitHost(host)
	if err != nil {
		return Invocation{}, err
	}
	in := p.Invocation
	in.Host, in.User, in.Port = name, cmp.Or(in.User, user), cmp.Or(in.Port, port)
	in.Command = command
	switch {
	case in.Check:
		return in, nil
	case in.Hold == (command != ""):
		return Invocation{}, errors.New("a remote command is needed, or -N")
	case p.permit && p.local != "" && p.local != "echo started":
		return Invocation{}, fmt.Errorf("LocalCommand %q is not supported", p.local)
	}
	in.Started = p.permit && p.local != "" && (p.master || !p.viaMaster)
	return in, nil
}
