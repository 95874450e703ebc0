package nix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"nixsd-native/internal/decompress"
	"nixsd-native/internal/untar"
)

// An Installation is a Nix in the store.
type Installation struct {
	Nix    string // store path; its bin/ holds the programs
	CACert string // store path
	Shell  string // a shell in the tarball that needs nothing else, or ""
}

// Program returns the path of one of Nix's programs.
func (i Installation) Program(name string) string { return i.Nix + "/bin/" + name }

// Offline returns the arguments of one of Nix's programs with which it does not look for a
// network. Only the new command line does, by a netlink socket (haveInternet in Nix's
// src/nix/main.cc); the old programs know no such flag.
func (i Installation) Offline(argv []string) []string {
	if argv[0] != i.Program("nix") {
		return argv
	}
	return slices.Insert(slices.Clone(argv), 1, "--offline")
}

// CABundle returns the file of CA certificates that came with Nix.
func (i Installation) CABundle() string { return i.CACert + "/etc/ssl/certs/ca-bundle.crt" }

// Names below /nix that are ours. A record is written last, so what has none was
// interrupted and counts as absent.
const (
	ownDir      = "nixsd"
	channelDir  = "nixsd/channels"
	scratchName = ".unpacking"
	buildDir    = "var/nix/builds" // Nix before 2.30 does not make it itself
)

// RecordPath returns where the Installation of a tarball is recorded as JSON, by
// the tarball's sha256 in hex. It is there if and only if the installation is whole.
func RecordPath(sha256 string) string { return "/nix/" + ownDir + "/nix-" + sha256 + ".json" }

// ChannelPath returns the folder of an unpacked channel, by the tarball's sha256 in
// hex. It is there if and only if it is whole.
func ChannelPath(sha256 string) string { return "/nix/" + channelDir + "/" + sha256 }

// maxRecord bounds a record in bytes.
const maxRecord = 64 << 10

// ReadRecord reads a record.
func ReadRecord(r io.Reader) (Installation, error) {
	var i Installation
	err := json.NewDecoder(io.LimitReader(r, maxRecord)).Decode(&i)
	if err == nil && !(storePath.MatchString(i.Nix) && storePath.MatchString(i.CACert) && (i.Shell == "" || shellPath.MatchString(i.Shell))) {
		err = errors.New("no store paths in it")
	}
	if err != nil {
		return Installation{}, fmt.Errorf("record of the installed Nix: %v", err)
	}
	return i, nil
}

// A Store is the folder /nix, seen from inside, with what its steps need.
type Store struct {
	Dir string // "/nix", another folder in tests
	// LoadDB registers store paths: nix-store --load-db < reginfo.
	LoadDB func(ctx context.Context, nixStore string, reginfo io.Reader) error
	// DumpDB prints what is registered, nix-store --dump-db; Delete removes store paths,
	// live ones, too, and what is registered of them: nix-store --delete.
	DumpDB func(ctx context.Context, nixStore string) ([]byte, error)
	Delete func(ctx context.Context, nixStore string, paths []string) error
	// Sync flushes the file system of a folder to disk.
	Sync func(dir string) error
	// Progress, if not nil, is told the bytes unpacked so far.
	Progress func(done int64)
	// Note, if not nil, is told what people should know.
	Note func(text string)
}

func (s Store) note(text string) {
	if s.Note != nil {
		s.Note(text)
	}
}

// Install unpacks upstream's Nix tarball of size bytes with the given sha256 and
// registers its store paths. Interrupted at any point, it starts again from the
// beginning. Errors: *TarballError, *untar.FormatError, or of the file system.
func (s Store) Install(ctx context.Context, tarball io.ReaderAt, size int64, sha256 string) error {
	return s.unpack(ctx, tarball, size, func(root *os.Root, top string) error {
		inst, err := inspect(root, top)
		if err != nil {
			return err
		}
		name := path.Join(top, ".reginfo")
		info, err := root.Lstat(name)
		if err != nil || !info.Mode().IsRegular() {
			return &TarballError{"it has no .reginfo"}
		}
		reginfo, err := root.Open(name)
		if err != nil {
			return &TarballError{"it has no .reginfo"}
		}
		defer reginfo.Close()
		if err := errors.Join(s.moveIn(ctx, root, top), root.MkdirAll(buildDir, 0o755)); err != nil {
			return err
		}
		if err := s.LoadDB(ctx, inst.Program("nix-store"), reginfo); err != nil {
			return err
		}
		return s.record(root, inst, sha256)
	})
}

// InstallChannel unpacks a channel or a GitHub archive of nixpkgs, one folder, to
// ChannelPath(sha256).
func (s Store) InstallChannel(ctx context.Context, tarball io.ReaderAt, size int64, sha256 string) error {
	return s.unpack(ctx, tarball, size, func(root *os.Root, top string) error {
		if _, err := root.Stat(path.Join(top, "nixos", "default.nix")); err != nil {
			return &TarballError{"it has no nixos/default.nix: no nixpkgs"}
		}
		if err := root.MkdirAll(channelDir, 0o755); err != nil {
			return err
		}
		if err := s.Sync(s.Dir); err != nil {
			return err
		}
		err := root.Rename(top, path.Join(channelDir, sha256))
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	})
}

// unpack extracts a tarball into a scratch folder, hands its only top folder to
// use, and removes what is left.
func (s Store) unpack(ctx context.Context, tarball io.ReaderAt, size int64, use func(root *os.Root, top string) error) error {
	plain, err := decompress.New(tarball, size)
	if err != nil {
		return err
	}
	defer plain.Close()
	return s.inScratch(func(root, sub *os.Root, scratch string) error {
		if err := untar.Extract(ctx, plain, sub, untar.Options{ReadOnly: true, Progress: s.Progress}); err != nil {
			return err
		}
		entries, err := fs.ReadDir(sub.FS(), ".")
		if err != nil {
			return err
		}
		if len(entries) != 1 || !entries[0].IsDir() {
			return &TarballError{"it does not hold one folder"}
		}
		top := path.Join(scratch, entries[0].Name())
		if err := root.Chmod(top, 0o755); err != nil { // to be renamed
			return err
		}
		return use(root, top)
	})
}

// inScratch calls make with the store's folder, and with an empty one and its name in
// it, of which nothing stays but what was moved out.
func (s Store) inScratch(make func(root, sub *os.Root, scratch string) error) error {
	root, err := os.OpenRoot(s.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	scratch := path.Join(ownDir, scratchName)
	if err := errors.Join(removeTree(root, scratch), root.MkdirAll(scratch, 0o755)); err != nil {
		return err
	}
	defer removeTree(root, scratch)
	sub, err := root.OpenRoot(scratch)
	if err != nil {
		return err
	}
	defer sub.Close()
	return make(root, sub, scratch)
}

// inspect learns from an unpacked tarball what it installs.
func inspect(root *os.Root, top string) (Installation, error) {
	script, err := root.ReadFile(path.Join(top, "install"))
	if err != nil {
		return Installation{}, &TarballError{"it has no script \"install\""}
	}
	var inst Installation
	if inst.Nix, inst.CACert, err = parseInstall(script); err != nil {
		return Installation{}, err
	}
	store := path.Join(top, "store")
	entries, err := readDir(root, store)
	if err != nil {
		return Installation{}, &TarballError{"it has no folder \"store\""}
	}
	for _, e := range entries {
		if !storePath.MatchString("/nix/store/" + e.Name()) {
			return Installation{}, &TarballError{fmt.Sprintf("%q in its store is no store path", e.Name())}
		}
	}
	for _, need := range []string{inst.Program("nix-store"), inst.CABundle()} {
		if _, err := root.Lstat(path.Join(store, strings.TrimPrefix(need, "/nix/store/"))); err != nil {
			return Installation{}, &TarballError{need + " is not in it"}
		}
	}
	shells, err := fs.Glob(root.FS(), path.Join(store, "*busybox*", "bin", "busybox"))
	if err == nil && len(shells) > 0 {
		inst.Shell = "/nix/store" + strings.TrimPrefix(shells[0], store)
	}
	return inst, nil
}

// moveIn renames the store paths into the store. One that is there already, of an
// interrupted installation or of another Nix, stays if it is the same; else it was
// half on disk and is replaced.
func (s Store) moveIn(ctx context.Context, root *os.Root, top string) error {
	if err := root.MkdirAll("store", 0o755); err != nil {
		return err
	}
	from := path.Join(top, "store")
	if err := root.Chmod(from, 0o755); err != nil {
		return err
	}
	entries, err := fs.ReadDir(root.FS(), from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		source, dest := path.Join(from, e.Name()), path.Join("store", e.Name())
		if err := ctx.Err(); err != nil {
			return err
		}
		if same, err := sameTree(root, source, dest); err != nil || same {
			if err != nil {
				return err
			}
			continue
		}
		if err := removeTree(root, dest); err != nil {
			return err
		}
		if err := moveTree(root, source, dest); err != nil {
			return err
		}
	}
	return nil
}

// record marks an installation as whole, after everything of it is on disk.
func (s Store) record(root *os.Root, inst Installation, sha256 string) error {
	if err := s.Sync(s.Dir); err != nil {
		return err
	}
	data, err := json.Marshal(inst)
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(RecordPath(sha256), "/nix/")
	if err := root.WriteFile(name+".new", data, 0o644); err != nil {
		return err
	}
	if err := s.Sync(s.Dir); err != nil {
		return err
	}
	return root.Rename(name+".new", name)
}
