package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"time"

	"nixsd-native/internal/fetch"
	"nixsd-native/internal/upstream"
	"nixsd-native/qemu"
)

// A debianPackage is what the plan of the demo tells of one.
type debianPackage struct {
	Filename, SHA256 string
	Size             int64
}

// planned reads the demo's plan in a cache folder: its packages, and the emulator's.
func planned(cache string) (plan string, all []debianPackage, err error) {
	found, err := filepath.Glob(filepath.Join(cache, "demo", "*.json"))
	if err != nil || len(found) != 1 {
		return "", nil, fmt.Errorf("%s has %d plans of the demo", cache, len(found))
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		return "", nil, err
	}
	var p struct {
		Sets map[string]struct{ Packages []debianPackage }
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return "", nil, err
	}
	pin := qemu.Default()
	all = []debianPackage{{pin.PoolPath, pin.SHA256, pin.Size}}
	for _, set := range p.Sets {
		all = append(all, set.Packages...)
	}
	return found[0], all, nil
}

// connectionRate is what the throttled mirror gives a connection, in bytes per second.
const connectionRate = 8 << 20

// throttledMirror serves the demo's packages, as a Debian mirror would, from the cache.
func (l *lab) throttledMirror() (url string, err error) {
	_, all, err := planned(l.cache)
	if err != nil {
		return "", err
	}
	sums := map[string]string{}
	for _, p := range all {
		sums["/"+p.Filename] = p.SHA256
	}
	url, l.stopMirror, err = upstream.Throttled(connectionRate, func(path string) (*os.File, error) {
		found, err := filepath.Glob(filepath.Join(l.cache, sums[path]+"-*"))
		if sums[path] == "" || err != nil || len(found) == 0 {
			return nil, os.ErrNotExist
		}
		return os.Open(found[0])
	})
	return url, err
}

// fetched compares how long the downloads of fetch take with those by one connection,
// from the same mirror. A dead proxy keeps both from all others. The kernel is 89 of the
// 198 MiB, and comes by one connection here, too: more than 2.2 times cannot be.
func (l *lab) fetched() (comparison, error) {
	mirror, err := l.throttledMirror()
	if err != nil {
		return comparison{}, err
	}
	cache := l.path("fetched")
	plan, _, err := planned(l.cache)
	if err != nil {
		return comparison{}, err
	}
	empty := func() error {
		data, err := os.ReadFile(plan)
		demo := filepath.Join(cache, "demo")
		return firstError(err, os.RemoveAll(cache), os.MkdirAll(demo, 0o777), os.Chmod(cache, 0o777), os.Chmod(demo, 0o777), // root's worker is another
			os.WriteFile(filepath.Join(demo, filepath.Base(plan)), data, 0o644))
	}
	return comparison{
		name: fmt.Sprintf("the demo's downloads, %d MiB/s a connection", connectionRate>>20),
		ours: command{
			name: "fetch", prepare: empty, argv: []string{"env", "http_proxy=http://127.0.0.1:1", "https_proxy=http://127.0.0.1:1", l.program, "fetch", "--demo", "-q", "--json",
				"--debian-mirror", mirror, "--state-dir", l.path("state"), "--cache-dir", cache},
			parse: parseFetch,
		},
		theirs: command{name: "one connection", prepare: empty, argv: []string{fetchArg0, l.cache, mirror, cache, "1"}},
		target: "twice as fast", met: ratio(2),
	}, nil
}

// parseFetch reads how long the downloads took that fetch printed: they began at once.
func parseFetch(out []byte) (sample, error) {
	var printed struct{ Inputs []struct{ Seconds float64 } }
	if err := json.Unmarshal(out, &printed); err != nil {
		return sample{}, fmt.Errorf("fetch printed %q: %v", out, err)
	}
	longest := 0.0
	for _, in := range printed.Inputs {
		longest = max(longest, in.Seconds)
	}
	return sample{wall: time.Duration(longest * float64(time.Second))}, nil
}

// fetchPackages downloads the packages of the plan in a cache folder from a mirror into
// another one, so many at a time.
func fetchPackages(from, mirror, to, parallel string) error {
	_, all, err := planned(from)
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(parallel)
	if err != nil {
		return err
	}
	cache, err := fetch.OpenCache(to)
	if err != nil {
		return err
	}
	var requests []fetch.Request
	for _, p := range all {
		source, err := url.JoinPath(mirror, p.Filename)
		if err != nil {
			return err
		}
		requests = append(requests, fetch.Request{Name: path.Base(p.Filename), SHA256: p.SHA256, Size: p.Size, URLs: []string{source}})
	}
	got, err := (&fetch.Client{Cache: cache}).Files(context.Background(), requests, n)
	if err == nil && len(got) != len(all) {
		err = errors.New("some packages are missing")
	}
	return err
}
