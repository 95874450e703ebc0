package nix

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// sampleHash stands for the sha256 of a tarball.
var sampleHash = strings.Repeat("ab", 32)

// install runs Install.
func install(ctx context.Context, s Store, tarball []byte) error {
	return s.Install(ctx, bytes.NewReader(tarball), int64(len(tarball)), sampleHash)
}

// installed returns the record in a Store, or nil if there is none.
func installed(t *testing.T, s Store) *Installation {
	t.Helper()
	f, err := os.Open(filepath.Join(s.Dir, strings.TrimPrefix(RecordPath(sampleHash), "/nix/")))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	i, err := ReadRecord(f)
	if err != nil {
		t.Fatal(err)
	}
	return &i
}

// wantStore is what Install makes of nixEntries.
const wantStore = `dr-xr-xr-x 11111111111111111111111111111111-nix-2.26.3 
dr-xr-xr-x 11111111111111111111111111111111-nix-2.26.3/bin 
-r-xr-xr-x 11111111111111111111111111111111-nix-2.26.3/bin/nix the program
Lrwxrwxrwx 11111111111111111111111111111111-nix-2.26.3/bin/nix-store nix
Lrwxrwxrwx 11111111111111111111111111111111-nix-2.26.3/share /nix/store/22222222222222222222222222222222-nss-cacert-3.101/share
dr-xr-xr-x 22222222222222222222222222222222-nss-cacert-3.101 
dr-xr-xr-x 22222222222222222222222222222222-nss-cacert-3.101/etc 
dr-xr-xr-x 22222222222222222222222222222222-nss-cacert-3.101/etc/ssl 
dr-xr-xr-x 22222222222222222222222222222222-nss-cacert-3.101/etc/ssl/certs 
-r--r--r-- 22222222222222222222222222222222-nss-cacert-3.101/etc/ssl/certs/again.crt certificates
-r--r--r-- 22222222222222222222222222222222-nss-cacert-3.101/etc/ssl/certs/ca-bundle.crt certificates
dr-xr-xr-x 33333333333333333333333333333333-busybox-1.36.1 
dr-xr-xr-x 33333333333333333333333333333333-busybox-1.36.1/bin 
-r-xr-xr-x 33333333333333333333333333333333-busybox-1.36.1/bin/busybox the shell
-r--r--r-- 44444444444444444444444444444444-builder.sh a store path that is a file
`

// checkInstalled tests that all is there, and nothing is left over.
func checkInstalled(t *testing.T, s Store) {
	t.Helper()
	if i := installed(t, s); i == nil || *i != sampleNix {
		t.Errorf("the record is %+v; want %+v", i, sampleNix)
	}
	if got := tree(t, filepath.Join(s.Dir, "store")); got != wantStore {
		t.Errorf("the store is\n%s; want\n%s", got, wantStore)
	}
	if names, err := filepath.Glob(filepath.Join(s.Dir, "*")); err != nil || len(names) != 3 || !exists(s.Dir, buildDir) {
		t.Errorf("/nix holds %v, %v; want nixsd, store, var", names, err)
	}
	if names, err := filepath.Glob(filepath.Join(s.Dir, ownDir, "*")); err != nil || len(names) != 1 {
		t.Errorf("nixsd holds %v, %v; want the record only", names, err)
	}
}

// TestInstall shows what is made of a tarball, in what order, and that it is told how
// far it is.
func TestInstall(t *testing.T) {
	for _, format := range []string{"zstd", "gzip", "none"} {
		s := newStore(t)
		var steps []string
		var done int64
		s.LoadDB = func(_ context.Context, nixStore string, reginfo io.Reader) error {
			data, err := io.ReadAll(reginfo)
			if string(data) != "the registration" || nixStore != sampleNix.Nix+"/bin/nix-store" || !exists(s.Dir, "store", fileName) {
				t.Errorf("LoadDB(%q, %q), %v; want the tarball's, with its store paths in place", nixStore, data, err)
			}
			steps = append(steps, "load")
			return nil
		}
		s.Sync = func(dir string) error {
			if dir != s.Dir || installed(t, s) != nil {
				t.Errorf("Sync(%q) with record %v; want %q and none yet", dir, installed(t, s), s.Dir)
			}
			steps = append(steps, "sync")
			return nil
		}
		s.Progress = func(now int64) { done = now }
		if err := install(t.Context(), s, compress(t, format, archive(t, nixEntries()...))); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		checkInstalled(t, s)
		if got := strings.Join(steps, " "); got != "load sync sync" || done == 0 {
			t.Errorf("%s: steps %s, %d bytes; want load sync sync", format, got, done)
		}
	}
}

// TestInstallWithoutShell shows that a tarball need not bring a shell.
func TestInstallWithoutShell(t *testing.T) {
	s := newStore(t)
	if err := install(t.Context(), s, archive(t, without(nixEntries(), nixTop+"/store/"+shellName)...)); err != nil {
		t.Fatal(err)
	}
	if i := installed(t, s); i == nil || i.Shell != "" || i.Nix != sampleNix.Nix {
		t.Errorf("the record is %+v; want no shell", i)
	}
}

// interruptions are the ways in which an installation can end early, each for the
// time that it comes to that, from 0 on.
var interruptions = map[string]func(ctx context.Context, s *Store, n int) (context.Context, error){
	"LoadDB fails": func(ctx context.Context, s *Store, n int) (context.Context, error) {
		err := errors.New("cannot load")
		s.LoadDB = func(context.Context, string, io.Reader) error { return failAt(&n, err) }
		return ctx, err
	},
	"Sync fails": func(ctx context.Context, s *Store, n int) (context.Context, error) {
		err := errors.New("cannot sync")
		s.Sync = func(string) error { return failAt(&n, err) }
		return ctx, err
	},
	"canceled when asked": func(ctx context.Context, s *Store, n int) (context.Context, error) {
		return lapsing{ctx, &n}, context.Canceled
	},
	"canceled after a file": func(ctx context.Context, s *Store, n int) (context.Context, error) {
		ctx, cancel := context.WithCancel(ctx)
		s.Progress = func(int64) {
			if failAt(&n, context.Canceled) != nil {
				cancel()
			}
		}
		return ctx, context.Canceled
	},
}

// failAt returns err when n calls have gone by.
func failAt(n *int, err error) error {
	if *n--; *n == -1 {
		return err
	}
	return nil
}

// interrupted runs try in a new Store with the named interruptions at every time that
// it comes to, until it comes to none, and hands over the Store of each.
func interrupted(t *testing.T, names []string, try func(context.Context, Store) error, then func(*testing.T, Store)) {
	for _, name := range names {
		arrange := interruptions[name]
		t.Run(name, func(t *testing.T) {
			for n := 0; ; n++ {
				s := newStore(t)
				broken := s
				ctx, want := arrange(t.Context(), &broken, n)
				err := try(ctx, broken)
				if err == nil && n > 0 {
					return
				}
				if !errors.Is(err, want) {
					t.Fatalf("time %d: %v; want %v", n, err, want)
				}
				if exists(s.Dir, ownDir, scratchName) {
					t.Errorf("time %d: the scratch folder is left", n)
				}
				then(t, s)
			}
		})
	}
}

// TestInstallInterrupted shows that what was interrupted counts as absent and that
// the next installation succeeds.
func TestInstallInterrupted(t *testing.T) {
	tarball := archive(t, nixEntries()...)
	interrupted(t, []string{"LoadDB fails", "Sync fails", "canceled when asked", "canceled after a file"},
		func(ctx context.Context, s Store) error { return install(ctx, s, tarball) },
		func(t *testing.T, s Store) {
			if i := installed(t, s); i != nil {
				t.Errorf("there is a record: %+v", i)
			}
			if err := install(t.Context(), s, tarball); err != nil {
				t.Fatalf("the second installation: %v", err)
			}
			checkInstalled(t, s)
		})
}

// TestInstallAfterPowerCut shows that what a crash left is replaced.
func TestInstallAfterPowerCut(t *testing.T) {
	s := newStore(t)
	for name, content := range map[string]string{
		ownDir + "/" + scratchName + "/other/store/x": "half",
		ownDir + "/nix-" + sampleHash + ".json.new":   "ha",
		"store/" + nixName + "/bin/nix":               "",
		"store/" + fileName:                           "a store path that",
	} {
		name = filepath.Join(s.Dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{ownDir + "/" + scratchName + "/other/store", "store/" + nixName + "/bin", "store/" + nixName} {
		if err := os.Chmod(filepath.Join(s.Dir, name), 0o555); err != nil {
			t.Fatal(err)
		}
	}
	if err := install(t.Context(), s, archive(t, nixEntries()...)); err != nil {
		t.Fatal(err)
	}
	checkInstalled(t, s)
}
