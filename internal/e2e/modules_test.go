package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"nixsd-native/nix"
)

// evaluator evaluates expressions in the sandbox's Nix, with testdata/standin as
// <nixpkgs> and the files of a test beside it.
type evaluator struct {
	t *testing.T
	p places
}

func newEvaluator(t *testing.T) evaluator {
	t.Helper()
	p, _ := builds(t)
	return evaluator{t, p}
}

// eval returns what an expression is in JSON, or what Nix says of it. Files are made
// in the folder /config.
func (e evaluator) eval(release, expression string, files map[string]string) (value, failure string) {
	e.t.Helper()
	u := user()
	dir := u.folder(e.t, "standin-"+strings.ReplaceAll(e.t.Name(), "/", "-"))
	defer os.RemoveAll(dir)
	copyTree(e.t, "testdata/standin", filepath.Join(dir, "standin"), u.uid)
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			e.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			e.t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "sd-card.nix")); err != nil { // what makes the folder visible
		if err := os.WriteFile(filepath.Join(dir, "sd-card.nix"), []byte("{ }"), 0o644); err != nil {
			e.t.Fatal(err)
		}
	}
	r := run(e.t, job{as: u, dir: dir, args: e.p.with("shell", "--demo", "-q", "--offline", "--", "sh", "-c",
		`export STANDIN_RELEASE=`+release+`; demo=${NIX_PATH#nixpkgs=}
		exec nix-instantiate --eval --strict --json -I demo=$demo -I nixpkgs=/config/standin -E "$1" 2>&1`, "sh", expression)})
	if r.status != 0 {
		return "", r.out + r.errs
	}
	return r.out, ""
}

// system is an expression of the system that modules below /config make.
func system(of string, modules ...string) string {
	return `(import <nixpkgs/nixos> { system = "aarch64-linux"; configuration = ` + nix.Wrapper(modules...) + `; }).` + of
}

// uncommented switches a configuration's examples on.
func uncommented(text string) string {
	return regexp.MustCompile(`(?m)^  # ( *)([a-z].*[;{\[]|[{}\]];?)$`).ReplaceAllString(text, "  $1$2")
}

// sd-card.nix, as it is and with its examples switched on, defines options that there
// are, on old releases and new ones, and so does what flags add to it.
func TestConfigurationEvaluates(t *testing.T) {
	e := newEvaluator(t)
	full := uncommented(sdCard(t))
	for _, want := range []string{"\n  networking.wireless.enable = true;", "\n  systemd.services.hello = {", "\n      prefixLength = 24;", "\n  time.timeZone"} {
		if !strings.Contains(full, want) {
			t.Fatalf("the examples were not switched on: no %q in\n%s", want, full)
		}
	}
	for _, release := range []string{"23.11", "26.05"} {
		for name, text := range map[string]string{"as it is": sdCard(t), "with its examples": full} {
			t.Run(release+" "+name, func(t *testing.T) {
				e := evaluator{t, e.p}
				files := map[string]string{
					"sd-card.nix": text, "keys.nix": nix.LoginKeys([]string{"ssh-ed25519 AAAA"}), "zfs.nix": nix.WithoutZFS(),
					"etc.nix": nix.EtcNixos("/config/sd-card.nix", "/config/keys.nix"), "assembly.nix": nix.Assembly("x86_64-linux", true),
				}
				out, failure := e.eval(release, `let c = `+system("config", "/config/sd-card.nix", "/config/keys.nix", "/config/zfs.nix", "/config/etc.nix", "/config/assembly.nix")+`;
					in { inherit (c) networking services security time boot; services' = c.systemd.services;
					  keys = c.users.users.nixos.openssh.authorizedKeys.keys; root = c.users.users.root.openssh.authorizedKeys.keys;
					  commands = c.sdImage.populateRootCommands; image = c.system.build.sdImage.system; }`, files)
				if failure != "" {
					t.Fatalf("it does not evaluate: %s", failure)
				}
				checkEvaluated(t, out)
			})
		}
	}
	if _, failure := e.eval("26.05", system("config", "/config/sd-card.nix"), map[string]string{
		"sd-card.nix": strings.Replace(full, "networking.hostName", "networking.hostname", 1),
	}); !strings.Contains(failure, "options that do not exist: networking.hostname") {
		t.Errorf("the stand-in takes an option that does not exist: %s", failure)
	}
}

func checkEvaluated(t *testing.T, out string) {
	t.Helper()
	var c struct {
		Keys, Root      []string
		Commands, Image string
		Boot            struct{ SupportedFilesystems any }
		Services        struct {
			Openssh struct {
				Enable   bool
				Settings struct{ PasswordAuthentication bool }
			}
		}
	}
	if err := json.Unmarshal([]byte(out), &c); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	if len(c.Keys) != 1 || len(c.Root) != 1 || c.Image != "x86_64-linux" || !c.Services.Openssh.Enable || c.Services.Openssh.Settings.PasswordAuthentication {
		t.Errorf("evaluated: %+v", c)
	}
	boot, etc := strings.Index(c.Commands, "./files/boot"), strings.Index(c.Commands, "./files/etc/nixos/config/sd-card.nix")
	if boot < 0 || etc < boot || !strings.Contains(c.Commands, "./files/etc/nixos/configuration.nix") {
		t.Errorf("the root's commands are %q; want those of nixpkgs, then those for /etc/nixos", c.Commands)
	}
	fs, _ := json.Marshal(c.Boot.SupportedFilesystems)
	if strings.Contains(string(fs), `"zfs":true`) || strings.Contains(string(fs), `"zfs"`) && !strings.Contains(string(fs), `"zfs":false`) || !strings.Contains(string(fs), "vfat") {
		t.Errorf("supported file systems: %s; want vfat and no zfs", fs)
	}
}

// Each precaution of the native assembly is needed: without it the stand-in, of the
// shape of nixpkgs, fails to evaluate or gets the wrong machine's programs.
func TestAssemblyTraps(t *testing.T) {
	e := newEvaluator(t)
	whole := nix.Assembly("x86_64-linux", true)
	facts := `let c = ` + system("config", "/config/sd-card.nix", "/config/assembly.nix") + `; in
		[ c.system.build.sdImage.system c.system.build.sdImage.rootfs.system c.boot.postBootCommands ]`
	good := `["x86_64-linux","x86_64-linux","/aarch64-linux/util-linux/bin/findmnt"]`
	for _, c := range []struct{ name, old, new, value, failure string }{
		{"all precautions", "", "", good, ""},
		{"original not disabled", "disabledModules = [ name ];", "", "", "declared twice"},
		{"formals lost", "(lib.setFunctionArgs exchanged (builtins.functionArgs original // { pkgs = false; }))", "exchanged", "", "called without required argument 'config'"},
		{"pkgs not asked for", "builtins.functionArgs original // { pkgs = false; }", `removeAttrs (builtins.functionArgs original) [ "pkgs" ]`, "", "'pkgs' missing"},
		{"all of pkgs exchanged", "args.pkgs // { inherit (native) callPackage; }", "native", `["x86_64-linux","x86_64-linux","/x86_64-linux/util-linux/bin/findmnt"]`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := evaluator{t, e.p}
			if !strings.Contains(whole, c.old) {
				t.Fatalf("the module has no %q", c.old)
			}
			files := map[string]string{"assembly.nix": strings.Replace(whole, c.old, c.new, 1), "sd-card.nix": sdCard(t)}
			value, failure := e.eval("26.05", facts, files)
			if strings.TrimSpace(value) != c.value || !strings.Contains(failure, c.failure) || (c.failure == "") != (failure == "") {
				t.Errorf("evaluates to %q, %s; want %q, %q", value, failure, c.value, c.failure)
			}
		})
	}
}

// An image by somebody's own sd-image.nix is left alone, with the reason; nixpkgs' own
// is assembled natively.
func TestAssemblyOfOwnImage(t *testing.T) {
	e := newEvaluator(t)
	stock, err := os.ReadFile("testdata/standin/nixos/modules/installer/sd-card/sd-image.nix")
	if err != nil {
		t.Fatal(err)
	}
	own := strings.Replace(string(stock), "../../../lib/", "/config/standin/nixos/lib/", 1)
	target := nix.Target{Module: "/config/sd-card.nix", Assembly: "/config/assembly.nix"}
	files := map[string]string{
		"own.nix": own, "assembly.nix": nix.Assembly("x86_64-linux", false),
		"build.nix":   nix.Expression(target),
		"sd-card.nix": sdCard(t, "<nixpkgs/nixos/modules/installer/sd-card/sd-image-aarch64.nix>", "./own.nix", "sdImage.", "sdImage.populateRootCommands = \"\";\n  sdImage."),
	}
	const facts = "(import /config/build.nix).config.system.build.sdImage.system"
	value, failure := e.eval("26.05", facts, files)
	if failure != "" || !strings.Contains(value, nix.AssemblyMark) || !strings.HasSuffix(strings.TrimSpace(value), `"aarch64-linux"`) {
		t.Errorf("an image of its own evaluates to %q, %s; want a reason and aarch64-linux", value, failure)
	}
	target.Strict = true
	files["build.nix"] = nix.Expression(target)
	if _, failure := e.eval("26.05", facts, files); !strings.Contains(failure, nix.Refused+"--assembly native does not work") {
		t.Errorf("strict: %s; want a refusal", failure)
	}
	files["sd-card.nix"] = sdCard(t)
	if value, failure := e.eval("26.05", facts, files); strings.TrimSpace(value) != `"x86_64-linux"` {
		t.Errorf("nixpkgs' own evaluates to %q, %s; want x86_64-linux", value, failure)
	}
}

// A nixpkgs of another kind is left alone, with a reason; if native assembly was asked
// for, it is refused.
func TestAssemblyDoesNotFit(t *testing.T) {
	e := newEvaluator(t)
	const sdImage = "standin/nixos/modules/installer/sd-card/sd-image.nix"
	facts := system("config.system.build.sdImage.system", "/config/sd-card.nix", "/config/assembly.nix")
	for name, c := range map[string]struct{ text, reason string }{
		"no function":    {`{ config.system.build.sdImage = derivation { name = "x"; system = "aarch64-linux"; builder = "x"; }; options.sdImage.compressImage = (import <demo/lib>).mkOption { type = (import <demo/lib>).types.bool; }; options.sdImage.populateRootCommands = (import <demo/lib>).mkOption { type = (import <demo/lib>).types.lines; }; }`, "is no function"},
		"no callPackage": {`{ lib, ... }: { config.system.build.sdImage = derivation { name = "x"; system = "aarch64-linux"; builder = "x"; }; options.sdImage.compressImage = lib.mkOption { type = lib.types.bool; }; options.sdImage.populateRootCommands = lib.mkOption { type = lib.types.lines; }; }`, "does not use pkgs.callPackage"},
	} {
		t.Run(name, func(t *testing.T) {
			e := evaluator{t, e.p}
			files := map[string]string{sdImage: c.text, "assembly.nix": nix.Assembly("x86_64-linux", false), "sd-card.nix": sdCard(t)}
			value, failure := e.eval("26.05", facts, files)
			if failure != "" || !strings.Contains(value, nix.AssemblyMark) || !strings.Contains(value, c.reason) || !strings.HasSuffix(strings.TrimSpace(value), `"aarch64-linux"`) {
				t.Errorf("evaluates to %q, %s; want a reason and aarch64-linux", value, failure)
			}
			files["assembly.nix"] = nix.Assembly("x86_64-linux", true)
			if _, failure := e.eval("26.05", facts, files); !strings.Contains(failure, nix.Refused) || !strings.Contains(failure, c.reason) {
				t.Errorf("strict: %s; want a refusal with the reason", failure)
			}
		})
	}
}
