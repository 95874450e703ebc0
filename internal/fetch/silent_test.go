package fetch

import (
	"slices"
	"testing"
)

// A host that did not answer costs its waits once, not once for each file, until it
// answers again.
func TestSilentHost(t *testing.T) {
	c, rec := newClient(t)
	c.Attempts, c.Silent = 2, &SilentHosts{}
	files := [][]byte{body(1, 300), body(2, 300), body(3, 300), body(4, 300)}
	dead := newSource(t, reset, reset, serve(files[2]), serve(files[3]))
	alive := newSource(t, serve(files[0]), serve(files[1]))
	for i, urls := range [][]string{
		{dead.URL, alive.URL}, // dead is asked twice
		{dead.URL, alive.URL}, // and now comes after alive
		{dead.URL},
		{dead.URL, alive.URL}, // it has answered: it is the first again
	} {
		path, err := c.File(t.Context(), Request{SHA256: sumOf(files[i]), Size: 300, URLs: urls})
		wantFile(t, path, err, files[i])
	}
	if want := []EventKind{EventRetry, EventSourceFailed}; !slices.Equal(rec.kinds(), want) {
		t.Errorf("events %v; want %v", rec.kinds(), want)
	}
	if len(dead.asked()) != 4 || len(alive.asked()) != 2 {
		t.Errorf("asked %d and %d times; want 4 and 2", len(dead.asked()), len(alive.asked()))
	}
}

// Where order is the user's choice, a silent host keeps its place, but is asked once.
func TestSilentHostOfDocument(t *testing.T) {
	c, rec := newClient(t)
	c.Attempts, c.Silent = 3, &SilentHosts{}
	dead, alive := closedURL(t), newSource(t, plain([]byte("text")))
	for range 2 {
		text, err := c.Document(t.Context(), []string{dead, alive.URL}, 0)
		if err != nil || string(text) != "text" {
			t.Fatalf("Document = %q, %v", text, err)
		}
	}
	if want := []EventKind{EventRetry, EventRetry, EventSourceFailed, EventSourceFailed}; !slices.Equal(rec.kinds(), want) {
		t.Errorf("events %v; want %v", rec.kinds(), want)
	}
}
