package main

import (
	"crypto/sha256"
	"fmt"
	"time"

	"nixsd-native/internal/image"
	"nixsd-native/nix"
)

// A manifest tells what an image was made of and how.
type manifest struct {
	Image      string      `json:"image"` // file name
	SHA256     string      `json:"sha256"`
	Size       int64       `json:"size"`       // bytes
	Data       int64       `json:"data_bytes"` // bytes that are no holes
	Built      time.Time   `json:"built"`
	Program    string      `json:"nixsd_native"`
	SBOM       string      `json:"sbom"` // file name of the bill of materials
	Derivation string      `json:"derivation"`
	StorePath  string      `json:"store_path"`
	System     string      `json:"system"`
	Demo       bool        `json:"demo"`
	Emulation  string      `json:"emulation"` // host, private or none
	Emulator   *pinRecord  `json:"emulator,omitempty"`
	Nix        input       `json:"nix"`
	Nixpkgs    input       `json:"nixpkgs"`
	Assembly   string      `json:"assembly"` // native or emulated
	Sandbox    bool        `json:"nix_sandbox"`
	Users      string      `json:"users"` // range or single: ids in the sandbox
	Cache      cacheRecord `json:"cache"`
	Phases     []phaseTime `json:"phases"`

	Builders     []builderRecord `json:"builders,omitempty"`     // remote ones
	Injected     []injected      `json:"injected,omitempty"`     // what was put into it afterwards
	Uncompressed *plainRecord    `json:"uncompressed,omitempty"` // with --compress
	Patches      []string        `json:"patches,omitempty"`      // sha256 of what nixpkgs was changed by
}

// A plainRecord tells what a compressed image holds.
type plainRecord struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// A cacheRecord tells how much binary caches had of what this build lacked.
type cacheRecord struct {
	Substituters []string `json:"substituters"`
	Fetched      int      `json:"fetched_paths"`
	Built        int      `json:"built_derivations"`
	// HitRate is the share of what was fetched, 1 if nothing was lacking.
	HitRate float64 `json:"hit_rate"`
}

type pinRecord struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	SHA256   string `json:"sha256"`
	Emulator string `json:"emulator_sha256,omitempty"`
}

func (b *build) manifest(t *target, name string, sum image.Sum) manifest {
	m := manifest{
		Image: name, SHA256: sum.SHA256, Size: sum.Size, Data: sum.Data,
		Built: time.Now().UTC().Truncate(time.Second), Program: programVersion(),
		Derivation: t.derivation, StorePath: t.result, System: nix.System, Demo: b.demo,
		Emulation: b.mode, Nix: b.inputs.nix, Nixpkgs: b.inputs.nixpkgs,
		Assembly: t.assembly, Sandbox: b.job.sandboxed, Users: "single", Phases: b.rep.Phases(),
	}
	m.Cache, m.Builders = b.cacheRecord(), b.builders.records()
	m.Patches, m.Injected = b.patchSums(), b.injectedRecords()
	if b.info.ManyUsers {
		m.Users = "range"
	}
	if e := b.inputs.emulator; e != nil {
		m.Emulator = &pinRecord{e.Name, e.Version, e.SHA256, e.Emulator}
	}
	return m
}

// patchSums are the sha256 of what nixpkgs was changed by.
func (b *build) patchSums() []string {
	var all []string
	for _, p := range b.patches {
		all = append(all, fmt.Sprintf("%x", sha256.Sum256(p)))
	}
	return all
}

func (b *build) cacheRecord() cacheRecord {
	r := cacheRecord{Substituters: []string{}, HitRate: 1}
	for _, c := range b.caches {
		r.Substituters = append(r.Substituters, withoutLogin(c.Name))
	}
	if r.Fetched, r.Built = int(b.done.Copied), int(b.done.Done); r.Fetched+r.Built > 0 {
		r.HitRate = float64(r.Fetched) / float64(r.Fetched+r.Built)
	}
	return r
}
