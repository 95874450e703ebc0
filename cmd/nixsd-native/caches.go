package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"nixsd-native/internal/fetch"
	"nixsd-native/nix"
)

// cacheFlags name binary caches.
type cacheFlags struct {
	substituters, keys []string
}

func (f *cacheFlags) register(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.substituters, "substituter", nil, "`URL or folder` of a binary cache to ask before "+nix.CacheURL+"; repeatable")
	fs.StringArrayVar(&f.keys, "trusted-public-key", nil, "`key` of a binary cache, NAME:BASE64; repeatable")
}

// publicKey is a key as Nix prints it: a name, and an ed25519 key in base 64.
var publicKey = regexp.MustCompile(`^[^:\s]+:[A-Za-z0-9+/]{43}=$`)

func (f *cacheFlags) check(offline bool) error {
	for _, s := range f.substituters {
		if _, isFolder := folderOf(s); isFolder {
			continue
		}
		if !isWebURL(s) || strings.ContainsAny(s, " \t") { // a blank would begin another, unchecked
			return usageErrorf("", "--substituter must be a folder or an http or https URL, not %q", s)
		}
		if offline {
			return usageErrorf("", "--offline asks no cache, so --substituter %s has no effect", s)
		}
		if u, err := url.Parse(s); err != nil || u.Query().Has("trusted") {
			return usageErrorf("name the cache's key with --trusted-public-key", "--substituter %s would be trusted without signatures", s)
		}
		if _, err := netrcLine(s); err != nil {
			return usageErrorf("", "--substituter %s: %v", withoutLogin(s), err)
		}
	}
	for _, k := range f.keys {
		name, _, _ := strings.Cut(k, ":")
		switch {
		case secretKey.MatchString(k): // which must not get into a log
			return usageErrorf("print its public half with: nixsd-native shell -q -- nix key convert-secret-to-public < FILE", "--trusted-public-key %q is a secret key", name)
		case !publicKey.MatchString(k):
			return usageErrorf("a key looks like "+nix.CacheKey, "--trusted-public-key: what begins with %.8q is no key", name)
		}
	}
	return nil
}

// folderOf returns the folder that a store's URL stands for, if it does: file:///DIR, or
// DIR alone.
func folderOf(store string) (dir string, ok bool) {
	dir = strings.TrimPrefix(store, "file://")
	if strings.Contains(dir, "://") || dir != store && !strings.HasPrefix(dir, "/") {
		return "", false
	}
	return dir, dir != ""
}

// folders lists the folders among the caches.
func (f *cacheFlags) folders() []string {
	var all []string
	for _, s := range f.substituters {
		if dir, ok := folderOf(s); ok {
			all = append(all, dir)
		}
	}
	return all
}

// A binaryCache is one that Nix asks.
type binaryCache struct {
	Name string // as the user knows it
	URL  string // as Nix has it, inside the sandbox
}

// binaryCaches are the given ones.
func (f *cacheFlags) binaryCaches() []binaryCache {
	var all []binaryCache
	folders := 0
	for _, s := range f.substituters {
		c := binaryCache{s, s}
		if _, ok := folderOf(s); ok {
			folders++
			c.URL = "file://" + insideCache(folders)
		}
		all = append(all, c)
	}
	return all
}

// urls are the caches as Nix has them.
func urls(caches []binaryCache) []string {
	var all []string
	for _, c := range caches {
		all = append(all, c.URL)
	}
	return all
}

// cacheTimeout bounds the question whether a cache is there.
const cacheTimeout = 10 * time.Second

// maxCacheInfo bounds a nix-cache-info in bytes; upstream's has 60.
const maxCacheInfo = 64 << 10

// askCaches chooses the binary caches: the given ones and, for NixOS, its own. One that
// does not answer is named and left out, unless there is no other.
func (b *build) askCaches(ctx context.Context) {
	all := b.job.binaryCaches()
	b.trusted = b.job.keys
	if !b.demo {
		b.trusted = append(b.trusted[:len(b.trusted):len(b.trusted)], nix.CacheKey)
	}
	if b.job.offline {
		b.caches = all // folders, as check knows
		if b.bundle != nil && b.bundle.hasCache() {
			b.caches = append(b.caches, binaryCache{b.job.bundle, b.bundle.cacheURL()})
		}
		return
	}
	if !b.demo {
		all = append(all, binaryCache{nix.CacheURL, nix.CacheURL})
	}
	errs := make([]error, len(all))
	var asking sync.WaitGroup
	for i, cache := range all {
		asking.Go(func() { errs[i] = b.askCache(ctx, cache) })
	}
	asking.Wait()
	for i, cache := range all {
		switch {
		case errs[i] == nil:
			b.caches = append(b.caches, cache)
		case len(all) == 1:
			b.caches = all
			b.rep.Warn("the only binary cache, %s, does not answer: %v", cache.Name, errs[i])
		case ctx.Err() == nil:
			b.rep.Warn("the binary cache %s is left out: %v", cache.Name, errs[i])
		}
	}
	if len(b.caches) == 0 && len(all) > 1 { // Nix may find out more
		b.caches = all
	}
}

// cacheInfo is where a cache, whose URL may have settings behind "?", describes itself.
func cacheInfo(cache string) string {
	u, err := url.Parse(cache)
	if err != nil {
		return cache
	}
	u = u.JoinPath("nix-cache-info")
	u.RawQuery = ""
	return u.String()
}

// askCache asks a cache whether it is one. Of a folder Nix itself finds out.
func (b *build) askCache(ctx context.Context, cache binaryCache) error {
	if !isWebURL(cache.URL) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	once := *b.client
	once.Attempts, once.Report, once.Progress = 1, nil, nil
	info, _, err := once.Document(ctx, []string{cacheInfo(cache.URL)}, maxCacheInfo)
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer")
	}
	if failed := (*fetch.NetworkError)(nil); errors.As(err, &failed) && len(failed.Attempts) > 0 {
		err = failed.Attempts[0].Err
		for _, hint := range fetch.CertificateHints(err) {
			err = fmt.Errorf("%v; %s", err, hint)
		}
		return err
	}
	if err != nil {
		return err
	}
	return nix.CheckCacheInfo(info)
}
