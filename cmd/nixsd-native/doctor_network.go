package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"nixsd-native/internal/fetch"
)

// Bounds on waiting, for answers that come within a second where all is well.
const (
	nameTimeout   = 5 * time.Second
	sourceTimeout = 10 * time.Second
)

// preserveProxies keeps what sudo takes away.
const preserveProxies = "sudo --preserve-env=http_proxy,https_proxy,all_proxy,no_proxy nixsd-native …"

// proxy tells which one is in force, and calls it.
func (d *doctor) proxy(ctx context.Context) []finding {
	if s := d.skipNetwork(); s != nil {
		return s
	}
	var set []string
	for _, name := range proxyVariables {
		if d.env[name] != "" {
			set = append(set, name)
		}
	}
	if len(set) == 0 {
		if lost := d.privileges.Stripped(); len(lost) > 0 {
			return warning(fmt.Errorf("sudo has taken away %s", strings.Join(lost, ", ")), preserveProxies)
		}
		return ok("none is set")
	}
	proxies := d.env.proxies()
	var all []finding
	for _, scheme := range []string{"http", "https"} {
		shown, _, err := proxies.For(scheme + "://nixsd-native.invalid")
		if err == nil && shown != "" {
			err = call(ctx, shown)
		}
		switch {
		case err != nil:
			all = append(all, problem(fmt.Errorf("%s for %s (from %s): %v", shown, scheme, strings.Join(set, ", "), err),
				"unset "+strings.Join(set, " "), "or name one that answers: export "+scheme+"_proxy=http://HOST:PORT")...)
		case shown != "":
			all = append(all, ok("%s for %s (from %s): takes connections", shown, scheme, strings.Join(set, ", "))...)
		}
	}
	if all == nil {
		return ok("none is in force (%s)", strings.Join(set, ", "))
	}
	return all
}

// call connects to a proxy.
func call(ctx context.Context, proxy string) error {
	u, err := url.Parse(proxy)
	if err != nil {
		return errors.New("not a URL")
	}
	port := firstOf(u.Port(), map[string]string{"https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme])
	dialer := net.Dialer{Timeout: nameTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), firstOf(port, "80")))
	if err == nil {
		conn.Close()
	}
	return err
}

// names resolves the hosts that are reached directly; those behind a proxy are for the
// proxy to resolve.
func (d *doctor) names(ctx context.Context) []finding {
	if s := d.skipNetwork(); s != nil {
		return s
	}
	var hosts []string
	proxied := 0
	for _, s := range d.sourceList() {
		host := hostOf(s.url)
		_, proxy, err := d.env.proxies().For(s.url)
		switch {
		case err != nil || slices.Contains(hosts, host) || net.ParseIP(host) != nil:
		case proxy != "":
			proxied++
		default:
			hosts = append(hosts, host)
		}
	}
	if len(hosts) == 0 {
		return ok("none to resolve here; %d sources are behind a proxy, which resolves theirs", proxied)
	}
	return judgeNames(hosts, resolve(ctx, hosts), !d.inputsHere)
}

// A resolution is how asking for a name ended.
type resolution struct {
	took time.Duration
	err  error
}

func resolve(ctx context.Context, hosts []string) []resolution {
	all := make([]resolution, len(hosts))
	var asking sync.WaitGroup
	for i, host := range hosts {
		asking.Go(func() {
			limited, cancel := context.WithTimeout(ctx, nameTimeout)
			defer cancel()
			begun := time.Now()
			_, err := net.DefaultResolver.LookupHost(limited, host)
			all[i] = resolution{time.Since(begun), err}
		})
	}
	asking.Wait()
	return all
}

func judgeNames(hosts []string, all []resolution, needed bool) []finding {
	var bad, good []string
	var why error
	for i, r := range all {
		if r.err != nil {
			bad, why = append(bad, hosts[i]), r.err
			continue
		}
		good = append(good, fmt.Sprintf("%s (%d ms)", hosts[i], r.took.Milliseconds()))
	}
	if bad == nil {
		return ok("resolved: %s", strings.Join(good, ", "))
	}
	reason := why.Error()
	if dns := (*net.DNSError)(nil); errors.As(why, &dns) {
		reason = dns.Err
	}
	err := fmt.Errorf("not resolved: %s (%s)", strings.Join(bad, ", "), reason)
	fix := []string{"look at the name server: cat /etc/resolv.conf; getent hosts " + bad[0]}
	if good == nil && needed {
		return problem(err, append(fix, "behind a proxy: export http_proxy=http://HOST:PORT https_proxy=http://HOST:PORT")...)
	}
	return warning(err, fix...)
}

// An askedSource is a source with what came of asking it.
type askedSource struct {
	source
	answer fetch.Answer
	at     time.Time // when it answered, by this machine's clock
	err    error
}

// skew is how far this machine's clock is behind the source's.
func (s askedSource) skew() time.Duration { return s.answer.Date.Sub(s.at) }

// sourcesAnswer asks all of them at once, each for the beginning of a file.
func (d *doctor) sourcesAnswer(ctx context.Context) []finding {
	if s := d.skipNetwork(); s != nil {
		return s
	}
	client := *d.client
	d.asked = nil
	for _, s := range d.sourceList() {
		d.asked = append(d.asked, askedSource{source: s})
	}
	var asking sync.WaitGroup
	for i := range d.asked {
		asking.Go(func() {
			s := &d.asked[i]
			limited, cancel := context.WithTimeout(ctx, sourceTimeout)
			defer cancel()
			s.answer, s.err = client.Ask(limited, s.url)
			s.at = time.Now()
			if s.err == nil {
				s.err = s.is(s.answer.Head)
			}
			if errors.Is(s.err, context.DeadlineExceeded) {
				s.err = fmt.Errorf("no answer within %v", sourceTimeout)
			}
		})
	}
	asking.Wait()
	return judgeSources(d.asked)
}

// judgeSources makes a problem of those that do not answer if none with the same purpose
// does and a build needs one.
func judgeSources(asked []askedSource) []finding {
	answered := map[string]bool{}
	for _, s := range asked {
		answered[s.purpose] = answered[s.purpose] || s.err == nil
	}
	var all []finding
	failed := map[string]int{} // where a server's failure is told
	for _, s := range asked {
		var f []finding
		switch {
		case s.err == nil:
			from := ""
			if s.answer.Host != "" && !strings.HasPrefix(s.String(), s.answer.Host) {
				from = " by way of " + s.answer.Host
			}
			f = ok("%s answers%s in %d ms", s, from, s.answer.Took.Milliseconds())
		case s.needed && !answered[s.purpose]:
			f = problem(fmt.Errorf("%s: %w", s, s.err), s.fixes(s.err)...)
		default:
			f = warning(fmt.Errorf("%s: %w", s, s.err), s.fixes(s.err)...)
		}
		f = named(s.purpose, f)
		server := hostOf(s.url) + fmt.Sprint(s.err)
		if i, told := failed[server]; told {
			all[i] = together(all[i], f[0])
			continue
		}
		if s.err != nil && !is[*otherError](s.err) { // who answers is asked for each file
			failed[server] = len(all)
		}
		all = append(all, f...)
	}
	if all == nil {
		return ok("none is needed")
	}
	return all
}

// together makes one finding of two about a server, the worse of them.
func together(a, b finding) finding {
	if b.Status == statusProblem && a.Status != statusProblem {
		a, b = b, a
	}
	if a.Name != b.Name {
		a.Detail += "; likewise for " + b.Name
	}
	return a
}
