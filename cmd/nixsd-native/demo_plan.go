package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"nixsd-native/internal/debian"
	"nixsd-native/internal/demo"
	"nixsd-native/nix"
)

// A demoPlan records what the demo is made of on this host. It is kept in the
// cache, so that later builds are of the same and need no index.
type demoPlan struct {
	Version int                    `json:"version"` // demoPlanVersion
	Suite   string                 `json:"suite"`
	Release string                 `json:"release"` // Debian's version and date
	Sets    map[string]demoPlanSet `json:"sets"`    // by Debian architecture
	Nix     input                  `json:"nix"`     // made from the host's packages
	Nixpkgs input                  `json:"nixpkgs"`
}

// demoPlanVersion changes whenever the same packages would be made into something
// else.
const demoPlanVersion = 3

type demoPlanSet struct {
	Packages []debian.Package    `json:"packages"`
	Groups   map[string][]string `json:"groups"`
}

func (w *workspace) demoPlanFile() string {
	dir := w.client.Cache.Dir()
	if w.bundle != nil {
		dir = filepath.Join(dir, w.bundle.folder())
	}
	return filepath.Join(dir, "demo", fmt.Sprintf("%s-%s.json", demo.Suite, w.demoHost().Arch))
}

// errOtherPlan says that another version of this program made a plan.
var errOtherPlan = errors.New("a plan of another version")

// maxDemoPlan bounds the recorded plan in bytes.
const maxDemoPlan = 4 << 20

func (w *workspace) readDemoPlan() (*demoPlan, error) {
	f, err := os.Open(w.demoPlanFile())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseDemoPlan(f)
}

// planInStore is the plan that the last build kept there, unless the cache is to be
// complete.
func (w *workspace) planInStore() (*demoPlan, error) {
	if w.carry {
		return nil, os.ErrNotExist
	}
	f, err := w.privileges.OpenStored(w.storedPlan())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseDemoPlan(f)
}

// installedDemo reports whether the store has the plan's Nix and channel. What a build
// needs of the packages, the forecast tells.
func (w *workspace) installedDemo(plan *demoPlan) bool {
	return w.hasNix(plan.Nix.SHA256) && w.hasChannel(plan.Nixpkgs.SHA256)
}

func parseDemoPlan(f io.Reader) (*demoPlan, error) {
	var plan demoPlan
	if err := json.NewDecoder(io.LimitReader(f, maxDemoPlan)).Decode(&plan); err != nil {
		return nil, err
	}
	if plan.Version != demoPlanVersion || plan.Suite != demo.Suite {
		return nil, errOtherPlan
	}
	return &plan, nil
}

// storedPlan is where the store keeps the plan of the demo that was installed.
func (w *workspace) storedPlan() string {
	return nix.OwnFolder + "demo-" + path.Base(w.demoPlanFile())
}

// keepPlan puts the demo's plan into the store, so that a build without network finds
// out what is installed even if the cache is gone.
func (w *workspace) keepPlan(ctx context.Context) error {
	if w.plan == nil {
		return nil
	}
	data, err := json.Marshal(w.plan)
	if err != nil {
		return err
	}
	if f, err := w.session.Open(w.storedPlan()); err == nil {
		defer f.Close()
		kept, err := io.ReadAll(io.LimitReader(f, maxDemoPlan))
		if err == nil && bytes.Equal(kept, data) {
			return nil
		}
	}
	err = w.handIn(ctx, data, nix.StepKeep, path.Base(w.storedPlan()))
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("keep the demo's plan in the store: %w", err)
	}
	return err
}
