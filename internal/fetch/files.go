package fetch

import (
	"cmp"
	"context"
	"errors"
	"sync"
)

// Files is [Client.File] for several requests, at most parallel (0 means 4) at
// a time, and returns the paths in the order of the requests. The first error
// ends the others, except that an [*OfflineError] names all files that are
// missing.
func (c *Client) Files(ctx context.Context, requests []Request, parallel int) ([]string, error) {
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c = c.serialized()
	paths, errs := make([]string, len(requests)), make([]error, len(requests))
	todo := make(chan int, len(requests))
	for i := range requests {
		todo <- i
	}
	close(todo)
	var wg sync.WaitGroup
	for range min(cmp.Or(parallel, defaultParallel), len(requests)) {
		wg.Go(func() {
			for i := range todo {
				paths[i], errs[i] = c.File(inner, requests[i])
				if _, offline := errors.AsType[*OfflineError](errs[i]); errs[i] != nil && !offline {
					cancel(errs[i])
				}
			}
		})
	}
	wg.Wait()
	if err := cmp.Or(ctx.Err(), context.Cause(inner)); err != nil {
		return nil, err
	}
	if err := gather(errs); err != nil {
		return nil, err
	}
	return paths, nil
}

// gather makes one error of those that say what is missing; each file once.
func gather(errs []error) error {
	var all *OfflineError
	seen := make(map[string]bool)
	for _, err := range errs {
		one, ok := errors.AsType[*OfflineError](err)
		if !ok {
			continue
		}
		if all == nil {
			all = &OfflineError{Dir: one.Dir}
		}
		for _, m := range one.Missing {
			if !seen[m.SHA256] {
				seen[m.SHA256] = true
				all.Missing = append(all.Missing, m)
			}
		}
	}
	if all == nil {
		return nil
	}
	return all
}

// serialized returns a client like c whose funcs are called one at a time.
func (c *Client) serialized() *Client {
	var mu sync.Mutex
	one := *c
	if c.Progress != nil {
		one.Progress = func(name string, done, total int64) {
			mu.Lock()
			defer mu.Unlock()
			c.Progress(name, done, total)
		}
	}
	one.Report = func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		c.report(e)
	}
	return &one
}
