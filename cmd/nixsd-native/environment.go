package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"nixsd-native/internal/fetch"
)

// An environment is the variables that this program knows, by name. Nothing else
// reads the process's.
type environment map[string]string

// proxyVariables tell programs of proxies, in either case.
var proxyVariables = []string{
	"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy",
	"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY",
}

// storeVariables hold what S3 stores ask for, see aws(1).
var storeVariables = []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION"}

// passedOn are the variables that the worker gets from the monitor.
var passedOn = slices.Concat(proxyVariables, certificateVariables, storeVariables, []string{certificateFolders, "TERM", "LANG", "LC_ALL", "LC_CTYPE", "NO_COLOR", "CI"})

func hostEnvironment() environment {
	e := environment{}
	for _, v := range os.Environ() {
		if name, value, ok := strings.Cut(v, "="); ok {
			e[name] = value
		}
	}
	if _, served := e["REQUEST_METHOD"]; served {
		delete(e, "HTTP_PROXY") // in a CGI's environment it is the client's header "Proxy"
	}
	return e
}

// list returns the named variables that are set, as exec wants them.
func (e environment) list(names []string) []string {
	var out []string
	for _, name := range names {
		if value, ok := e[name]; ok {
			out = append(out, name+"="+value)
		}
	}
	return out
}

// first returns the first of the named variables that is not empty.
func (e environment) first(names ...string) string {
	for _, name := range names {
		if e[name] != "" {
			return e[name]
		}
	}
	return ""
}

func (e environment) proxies() fetch.Proxies {
	return fetch.Proxies{
		HTTP:  e.first("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"),
		HTTPS: e.first("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
		No:    e.first("no_proxy", "NO_PROXY"),
	}
}

// inside returns the proxies' variables for the sandbox. curl, which Nix uses, has no
// HTTP_PROXY.
func (e environment) inside() []string {
	set := slices.DeleteFunc(slices.Clone(proxyVariables), func(name string) bool { return e[name] == "" })
	all := e.list(set)
	if e["http_proxy"] == "" && e["HTTP_PROXY"] != "" {
		all = append(all, "http_proxy="+e["HTTP_PROXY"])
	}
	return all
}

// dirs returns where state and cache live: the system's folders for root, the
// user's for others; "" where there is none.
func (e environment) dirs(root bool) (state, cache string) {
	if root {
		return "/var/lib/nixsd-native", "/var/cache/nixsd-native"
	}
	return e.userDir("XDG_STATE_HOME", ".local/state"), e.userDir("XDG_CACHE_HOME", ".cache")
}

// userDir follows the XDG Base Directory Specification: what is not absolute is
// ignored. Without a home there may be none: "".
func (e environment) userDir(variable, belowHome string) string {
	base := e[variable]
	if !filepath.IsAbs(base) {
		base = filepath.Join(e["HOME"], belowHome)
	}
	if !filepath.IsAbs(base) {
		return ""
	}
	return filepath.Join(base, "nixsd-native")
}

// signalContext ends when somebody interrupts the program.
func signalContext() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-signals
		cancel(errInterrupted)
	}()
	return ctx, func() { cancel(nil) }
}
