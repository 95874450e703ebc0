package upstream

import (
	"net"
	"net/http"
	"os"
	"time"
)

// Throttled serves files of this machine by HTTP on a port of 127.0.0.1, each connection
// at a rate in bytes per second, until stop is called. open finds the file of a path.
func Throttled(rate int, open func(path string) (*os.File, error)) (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, err := open(r.URL.Path)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer f.Close()
		http.ServeContent(&slowWriter{w, r, rate}, r, "", time.Time{}, f)
	})}
	go server.Serve(l)
	return "http://" + l.Addr().String(), func() { server.Close() }, nil
}
