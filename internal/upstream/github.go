package upstream

import (
	"bytes"
	"compress/gzip"
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// A repo is one revision of a repository on GitHub.
type repo struct {
	owner, name, revision string
	commit                time.Time
	tree                  tree
	archive               blob // its folder is <name>-<revision>
	legacy                blob // the API's: its folder is <owner>-<name>-<7 hex>
}

// ServeRepo makes a folder, without any .git in it, a revision of 40 hex digits of a
// repository, which becomes its HEAD. The folder may change afterwards.
func (s *Server) ServeRepo(owner, name, revision, dir string) {
	s.t.Helper()
	if !fullRevision.MatchString(revision) {
		s.t.Fatalf("upstream: %q is no revision", revision)
	}
	r := s.addRepo(repo{
		owner: owner, name: name, revision: revision, tree: dirTree(dir),
		commit: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC),
	})
	s.sum(r.archive)
	s.sum(r.legacy)
}

func (s *Server) addRepo(r repo) repo {
	blob := func(top string) blob {
		return s.blob(r.name+"-*.tar.gz", func(w io.Writer) error {
			zw, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
			if err != nil {
				return err
			}
			if err := writeGit(zw, r.tree, top, r.revision, r.commit); err != nil {
				return err
			}
			return zw.Close()
		})
	}
	r.archive = blob(r.name + "-" + r.revision)
	r.legacy = blob(r.owner + "-" + r.name + "-" + r.revision[:7])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.repos = append(s.repos, r)
	return r
}

// repo returns what a reference of a repository means: a revision or HEAD. known tells
// whether there is such a repository.
func (s *Server) repo(owner, name, ref string) (found *repo, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.repos {
		// GitHub does not care about the case of names.
		if !strings.EqualFold(r.owner, owner) || !strings.EqualFold(r.name, name) {
			continue
		}
		known = true
		if ref == "HEAD" || ref == r.revision {
			found = &r
		}
	}
	return found, known
}

// serveArchive answers as github.com: with a redirect, even for a revision that is not
// there.
func (s *Server) serveArchive(w http.ResponseWriter, r *http.Request) {
	owner, name := r.PathValue("owner"), r.PathValue("repo")
	ref, isArchive := strings.CutSuffix(r.PathValue("file"), ".tar.gz")
	if _, known := s.repo(owner, name, ref); !known || !isArchive {
		answer(w, http.StatusNotFound, "text/plain; charset=utf-8", "Not Found")
		return
	}
	http.Redirect(w, r, fmt.Sprintf("%s/codeload/%s/%s/tar.gz/%s", s.url, owner, name, ref), http.StatusFound)
}

// serveCodeload answers as codeload.github.com: in chunks, without a length, and from
// the start whatever range is asked for.
func (s *Server) serveCodeload(w http.ResponseWriter, r *http.Request) {
	found, _ := s.repo(r.PathValue("owner"), r.PathValue("repo"), r.PathValue("ref"))
	kind := r.PathValue("kind")
	if found == nil || (kind != "tar.gz" && kind != "legacy.tar.gz") {
		answer(w, http.StatusNotFound, "text/plain; charset=utf-8", "404: Not Found")
		return
	}
	blob, name := found.archive, found.name+"-"+found.revision
	if kind == "legacy.tar.gz" {
		blob, name = found.legacy, found.owner+"-"+found.name+"-"+found.revision[:7]
	}
	g, err := blob()
	if err != nil {
		s.fail(w, err)
		return
	}
	f, err := os.Open(g.path)
	if err != nil {
		s.fail(w, err)
		return
	}
	defer f.Close()
	w.Header().Set("Content-Type", "application/x-gzip")
	w.Header().Set("Content-Disposition", "attachment; filename="+name+".tar.gz")
	w.Header().Set("ETag", `W/"`+g.sha256+`"`)
	http.NewResponseController(w).Flush() // or a short body would get a length
	if r.Method != http.MethodHead {
		io.Copy(w, f)
	}
}

// serveCommit answers GitHub's API for the commit of a reference, as far as Nix reads
// it. The tree's id is made up: Nix does not compare it with what it unpacks.
func (s *Server) serveCommit(w http.ResponseWriter, r *http.Request) {
	ref := r.PathValue("ref")
	found, known := s.repo(r.PathValue("owner"), r.PathValue("repo"), ref)
	switch {
	case !known:
		answerJSON(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
	case found == nil:
		answerJSON(w, http.StatusUnprocessableEntity, map[string]any{"message": "No commit found for SHA: " + ref})
	default:
		tree := fmt.Sprintf("%x", sha1.Sum([]byte("tree of "+found.revision)))
		answerJSON(w, http.StatusOK, map[string]any{
			"sha":    found.revision,
			"commit": map[string]any{"tree": map[string]any{"sha": tree}},
		})
	}
}

// serveTarball answers GitHub's API for a tarball of a reference.
func (s *Server) serveTarball(w http.ResponseWriter, r *http.Request) {
	found, _ := s.repo(r.PathValue("owner"), r.PathValue("repo"), r.PathValue("ref"))
	if found == nil {
		answerJSON(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
		return
	}
	to := fmt.Sprintf("%s/codeload/%s/%s/legacy.tar.gz/%s", s.url, found.owner, found.name, found.revision)
	http.Redirect(w, r, to, http.StatusFound)
}

func answerJSON(w http.ResponseWriter, status int, value any) {
	var b bytes.Buffer
	json.NewEncoder(&b).Encode(value) // maps of strings always encode
	sum := sha1.Sum(b.Bytes())
	w.Header().Set("ETag", fmt.Sprintf(`W/"%x"`, sum))
	answer(w, status, "application/json; charset=utf-8", b.String())
}
