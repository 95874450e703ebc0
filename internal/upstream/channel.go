package upstream

import (
	"archive/tar"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// A publication is one version of the channel.
type publication struct {
	revision string
	commits  int
	version  string // nixos-26.05.<commits>.<12 hex>
	tarball  blob
}

// time is that of the commit, made up.
func (p *publication) time() time.Time {
	return time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(p.commits) * time.Minute)
}

var fullRevision = regexp.MustCompile(`^[0-9a-f]{40}$`)

// Publish moves the channel to a version with this revision of 40 hex digits and this
// number of commits; those before stay where they are. The tarball depends on the
// content and these two alone.
func (s *Server) Publish(t testing.TB, revision string, commits int) {
	t.Helper()
	if !fullRevision.MatchString(revision) || commits < 0 {
		t.Fatalf("upstream: %q with %d commits is no version", revision, commits)
	}
	p := &publication{revision: revision, commits: commits, version: versionName(s.content.Release, revision, commits)}
	p.tarball = s.blob(p.version+"-*.tar.xz", func(w io.Writer) error {
		return writeXZ(w, func(w io.Writer) error { return writeChannel(w, s.content, p) })
	})
	s.mu.Lock()
	s.publications = append(s.publications, p)
	s.mu.Unlock()
	s.addRepo(repo{
		owner: "NixOS", name: "nixpkgs", revision: revision, commit: p.time(), tree: nixpkgs(s.content),
	})
}

// current returns what the channel leads to.
func (s *Server) current() *publication {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.publications[len(s.publications)-1]
}

// published returns a version, or nil.
func (s *Server) published(version string) *publication {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.publications {
		if p.version == version {
			return p
		}
	}
	return nil
}

// Revision returns the git revision, 40 hex digits, that the channel is at.
func (s *Server) Revision() string { return s.current().revision }

// ChannelSHA256 returns, in hex, the hash of the tarball that the channel leads to,
// which it makes if need be.
func (s *Server) ChannelSHA256() string {
	s.t.Helper()
	return s.sum(s.current().tarball)
}

// NixSHA256 returns, in hex, the hash of the Nix tarball, which it makes if need be.
func (s *Server) NixSHA256() string {
	s.t.Helper()
	return s.sum(s.nix)
}

// serveChannel answers as channels.nixos.org: with a redirect to the current version.
func (s *Server) serveChannel(w http.ResponseWriter, r *http.Request) {
	file := r.PathValue("file")
	if r.PathValue("channel") != "nixos-"+s.content.Release || (file != "nixexprs.tar.xz" && file != "git-revision") {
		notFound(w, r)
		return
	}
	p := s.current()
	to := fmt.Sprintf("https://%s/releases/nixos/%s/%s/%s", r.Host, s.content.Release, p.version, file)
	if file == "nixexprs.tar.xz" {
		w.Header().Set("Link", fmt.Sprintf(`<%s?rev=%s&lastModified=%d>; rel="immutable"`, to, p.revision, p.time().Unix()))
	}
	http.Redirect(w, r, to, http.StatusFound)
}

// serveRelease answers as releases.nixos.org/nixos.
func (s *Server) serveRelease(w http.ResponseWriter, r *http.Request) {
	p := s.published(r.PathValue("version"))
	if p == nil || r.PathValue("release") != s.content.Release {
		notFound(w, r)
		return
	}
	switch r.PathValue("file") {
	case "nixexprs.tar.xz":
		s.serveBlob(w, r, p.tarball, p.time())
	case "git-revision":
		answer(w, http.StatusOK, "text/plain", p.revision)
	default:
		notFound(w, r)
	}
}

// serveNix answers as releases.nixos.org/nix.
func (s *Server) serveNix(w http.ResponseWriter, r *http.Request) {
	c := s.content
	file, isHash := strings.CutSuffix(r.PathValue("file"), ".sha256")
	if r.PathValue("release") != "nix-"+c.NixVersion || file != "nix-"+c.NixVersion+"-"+c.NixSystem+".tar.xz" {
		notFound(w, r)
		return
	}
	if !isHash {
		s.serveBlob(w, r, s.nix, time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC))
		return
	}
	g, err := s.nix()
	if err != nil {
		s.fail(w, err)
		return
	}
	answer(w, http.StatusOK, "text/plain", g.sha256)
}

// madeByChannel are the files that make-channel.nix, and the script that uploads its
// tarball, add to nixpkgs.
var madeByChannel = []string{".git-revision", ".version-suffix", "nixpkgs", "programs.sqlite"}

// nixpkgs is the content's channel as git has it: without what is made for a channel,
// but with its release in lib/.version and a link to it.
func nixpkgs(c Content) tree {
	return func(visit visitor) error {
		hasLib := false
		err := tarTree(c.ChannelTar)(func(h *tar.Header, content io.Reader) error {
			hasLib = hasLib || h.Name == "lib"
			if h.Name == ".version" || h.Name == "lib/.version" || slices.Contains(madeByChannel, h.Name) {
				return nil
			}
			return visit(h, content)
		})
		if err == nil && !hasLib {
			err = visit.dir("lib")
		}
		if err == nil {
			err = visit.file("lib/.version", c.Release+"\n")
		}
		if err == nil {
			err = visit.link(".version", "lib/.version")
		}
		return err
	}
}

// noPrograms stands for the index of programs: the header of an SQLite file.
var noPrograms = "SQLite format 3\x00" + strings.Repeat("\x00", 84)

// writeChannel writes the tarball of a version.
func writeChannel(w io.Writer, c Content, pub *publication) error {
	p := packer{tar.NewWriter(w), pub.version, channelStyle}
	if err := nixpkgs(c)(p.add); err != nil {
		return err
	}
	made := visitor(p.add)
	return cmp.Or(
		made.file(".git-revision", pub.revision),
		made.file(".version-suffix", strings.TrimPrefix(pub.version, "nixos-"+c.Release)),
		made.link("nixpkgs", "."),
		made.file("programs.sqlite", noPrograms),
		p.Close(),
	)
}
