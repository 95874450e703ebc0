package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nixsd-native/internal/testenv"
)

// Completions that all shells must have: what is typed, and what may follow. Files are
// those of completionFolder.
var completions = []struct {
	line string
	want []string
}{
	{"nixsd-native bu", []string{"build", "bundle"}},
	{"nixsd-native bundle ", []string{"create", "verify"}},
	{"nixsd-native bundle create ", []string{"board.nix", "images/"}},
	{"nixsd-native binfmt un", []string{"unregister"}},
	{"nixsd-native build --emulation ", []string{"auto", "host", "none", "private"}},
	{"nixsd-native build --emulation=p", []string{"private"}},
	{"nixsd-native build --demo --compress z", []string{"zstd"}},
	{"nixsd-native init --board rpi", []string{"rpi3", "rpi4", "rpi5"}},
	{"nixsd-native build --dry", []string{"--dry-run"}},
	{"nixsd-native build bo", []string{"board.nix"}},
	{"nixsd-native build -o i", []string{"images/"}},
	{"nixsd-native build --state-dir ", []string{"images/"}},
	{"nixsd-native build --attr ", nil},
	{"nixsd-native inspect i", []string{"images/"}},
	{"nixsd-native completion ", []string{"bash", "fish", "zsh"}},
	{"nixsd-native help ai", []string{"air-gap"}},
	{"nixsd-native version --l", []string{"--licenses"}},
	{"nixsd-native doctor --qemu-d", []string{"--qemu-deb"}},
}

// completionFolder is a folder with a file and a folder, and a script's absolute path.
func completionFolder(t *testing.T, script string) (dir, file string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "images"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "board.nix"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	file, err := filepath.Abs(filepath.Join(top, "share/completions", script))
	if err != nil {
		t.Fatal(err)
	}
	return dir, file
}

// same compares completions whatever their order, and whether a folder's slash is the
// script's or the shell's.
func same(got, want []string) bool {
	plain := func(list []string) (all []string) {
		for _, s := range list {
			all = append(all, strings.TrimSuffix(s, "/"))
		}
		slices.Sort(all)
		return all
	}
	return slices.Equal(plain(got), plain(want))
}

// TestBashCompletes asks bash as its line editor does.
func TestBashCompletes(t *testing.T) {
	bash := testenv.NeedProgram(t, "bash")
	dir, file := completionFolder(t, "nixsd-native.bash")
	const ask = `source "$1"; [[ $(complete -p nixsd-native) == "complete -F _nixsd_native nixsd-native" ]] || exit 9
		shift; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _nixsd_native; printf '%s\n' "${COMPREPLY[@]}"`
	for _, c := range completions {
		line := strings.ReplaceAll(c.line, "=", " = ") // as bash breaks words
		cmd := exec.Command(bash, append([]string{"--norc", "-uc", ask, "bash", file}, strings.Split(line, " ")...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if got := strings.Fields(string(out)); err != nil || !same(got, c.want) {
			t.Errorf("bash completes %q with %q, %v; want %q", c.line, got, err, c.want)
		}
	}
}

// TestBashCompletesOnTerminal presses the tabulator.
func TestBashCompletesOnTerminal(t *testing.T) {
	dir, file := completionFolder(t, "nixsd-native.bash")
	cmd := exec.Command(testenv.NeedProgram(t, "bash"), "--norc", "--noprofile", "-i")
	cmd.Dir, cmd.Env = dir, []string{"PS1=> ", "TERM=dumb", "INPUTRC=/dev/null", "HOME=" + dir, "PATH=" + os.Getenv("PATH")}
	c := onTerminal(t, cmd)
	c.expect("> ")
	c.send("source " + file + "\n")
	c.expect("> ")
	for typed, want := range map[string]string{
		"nixsd-native bui\t":                    "nixsd-native build ",
		"nixsd-native build --emulation=pr\t":   "--emulation=private ",
		"nixsd-native build --bundle im\tX":     "--bundle images/X",
		"nixsd-native shell --demo -- tou\tX":   "-- touch X",
		"nixsd-native shell -- touch bo\t":      "touch board.nix ",
		"nixsd-native help emu\t":               "help emulation ",
		"nixsd-native bundle verify bo\tX":      "verify board.nix X",
		"nixsd-native build -o images/ boa\tX":  "images/ board.nix X",
		"nixsd-native build --sandbox=f boar\t": "--sandbox=f board.nix ",
	} {
		c.send(typed)
		c.expect(want)
		c.send("\x15") // the line is thrown away
	}
	c.send("exit\n")
	if status := c.status(); status != 0 {
		t.Errorf("bash ended with %d", status)
	}
}

// TestFishCompletes asks fish's own completion engine.
func TestFishCompletes(t *testing.T) {
	fish := testenv.NeedProgram(t, "fish")
	dir, file := completionFolder(t, "nixsd-native.fish")
	for _, c := range completions {
		cmd := exec.Command(fish, "--no-config", "-c", `source $argv[1]; complete -C $argv[2]`, file, c.line)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir)
		out, err := cmd.CombinedOutput()
		var got []string
		for line := range strings.Lines(string(out)) {
			word, _, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
			got = append(got, strings.TrimPrefix(word, "--emulation="))
		}
		if err != nil || !same(got, c.want) {
			t.Errorf("fish completes %q with %q, %v; want %q", c.line, got, err, c.want)
		}
	}
	cmd := exec.Command(fish, "--no-config", "-c", `source $argv[1]; complete -C "nixsd-native build --dry"`, file)
	cmd.Env = append(os.Environ(), "HOME="+dir)
	if out, err := cmd.Output(); err != nil || string(out) != "--dry-run\ttell what would be downloaded and built, and stop\n" {
		t.Errorf("fish describes %q, %v", out, err)
	}
}

// zshAsk lets zsh's completion system run in a line editor, and prints what it would
// insert: compadd is asked for the matches with -O.
const zshAsk = `
fpath=($FOLDER $fpath)
autoload -U compinit; compinit -D -u
compadd () {
  local -a found
  case " $* " in *" -O "*|*" -A "*|*" -D "*) builtin compadd "$@"; return ;; esac
  builtin compadd -O found "$@"; collected+=($found)
  builtin compadd "$@"
}
typeset -ga collected
report () { collected=(); _main_complete; print -r -- "<${(j:|:)collected}>"; compstate[insert]=; compstate[list]= }
zle -C report complete-word report
bindkey '^B' report
[[ -z $SCRIPT ]] || source $SCRIPT
print ready
`

// TestZshCompletes asks zsh's completion system on a terminal, with the script sourced and
// with the script in a folder of its functions.
func TestZshCompletes(t *testing.T) {
	dir, file := completionFolder(t, "_nixsd-native")
	zshCompletes(t, dir, "SCRIPT="+file)
	zshCompletes(t, dir, "FOLDER="+filepath.Dir(file))
}

func zshCompletes(t *testing.T, dir, how string) {
	zsh := testenv.NeedProgram(t, "zsh")
	rc := filepath.Join(t.TempDir(), "rc")
	if err := os.WriteFile(rc, []byte(zshAsk), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(zsh, "-f", "-i")
	cmd.Dir, cmd.Env = dir, []string{"PS1=> ", "TERM=dumb", "HOME=" + dir, how, "PATH=" + os.Getenv("PATH")}
	c := onTerminal(t, cmd)
	c.expect("> ")
	c.send("source " + rc + "\n")
	c.expect("\nready")
	for _, test := range completions {
		c.send(test.line + "\x02")
		c.expect("<")
		start := c.read
		c.expect(">")
		got := strings.FieldsFunc(c.all()[start:c.read-1], func(r rune) bool { return r == '|' || r == '\r' || r == '\n' })
		slices.Sort(got)
		if got = slices.Compact(got); !same(got, test.want) {
			t.Errorf("zsh, with %s, completes %q with %q; want %q", how, test.line, got, test.want)
		}
		c.send("\x15")
	}
}
