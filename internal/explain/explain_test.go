package explain

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// logOf is the file with the log of a row.
func logOf(r Row) string {
	name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(r.Text), "-"), "-")
	return filepath.Join("testdata", "logs", strings.Trim(name[:min(len(name), 60)], "-")+".log")
}

// quoteMark is how Nix shows what a builder printed.
var quoteMark = regexp.MustCompile(`(?m)^ +> ?`)

func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return quoteMark.ReplaceAllString(string(data), "")
}

// matching lists the rows that claim a text.
func matching(text string) (all []string) {
	for _, r := range Rows() {
		if _, ok := r.match(text); ok {
			all = append(all, r.Text)
		}
	}
	return all
}

// The log of each row is of this row, and of no other: what comes first in the table
// hides nothing.
func TestRows(t *testing.T) {
	files := map[string]bool{}
	for _, r := range Rows() {
		if len(r.Says) == 0 {
			continue
		}
		name := logOf(r)
		text := read(t, name)
		files[name] = true
		found := Find(text, ".")
		if len(found) == 0 || found[0].Fix == "" || found[0].Cause == "" || found[0].See != r.URL() || found[0].Host != r.Host {
			t.Errorf("%s: Find = %+v; want cause and fix of %q", name, found, r.Text)
			continue
		}
		if all := matching(text); len(all) != 1 || all[0] != r.Text {
			t.Errorf("%s is of the rows %q; want %q alone", name, all, r.Text)
		}
		if strings.Contains(found[0].Cause+found[0].Fix, "$") {
			t.Errorf("%s: Find = %+v; want no placeholder left", name, found[0])
		}
	}
	all, err := filepath.Glob("testdata/logs/*")
	if err != nil || len(all) != len(files) || len(all) < 70 {
		t.Errorf("%d logs, %d of rows, %v; want one for each row, and 70 or more", len(all), len(files), err)
	}
}

// Texts are not used twice, threads have the form of one, and lines are one line.
func TestTable(t *testing.T) {
	thread := regexp.MustCompile(`^[\w.-]+/[\w.-]+#\d+$`)
	seen := map[string]bool{}
	threads := 0
	for _, r := range Rows() {
		if r.Text == "" || seen[r.Text] || r.Fix == "" || !r.Own && (r.Cause == "" || len(r.Says) == 0) {
			t.Errorf("the row %+v is not whole, or there twice", r)
		}
		if r.See != "" && !thread.MatchString(r.See) {
			t.Errorf("%s: see %q; want OWNER/REPOSITORY#NUMBER", r.Text, r.See)
		}
		if r.See != "" {
			threads++
		}
		if len(r.Cause) > 160 || len(r.Fix) > 250 {
			t.Errorf("%s: cause or fix is too long for a line", r.Text)
		}
		seen[r.Text] = true
	}
	if threads < 60 {
		t.Errorf("%d rows have a thread; want 60 or more", threads)
	}
}

// What is not in the table is not claimed to be known: nothing is told of these.
func TestUnknown(t *testing.T) {
	names, err := filepath.Glob("testdata/unknown/*.log")
	if err != nil || len(names) < 10 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if all := matching(read(t, name)); len(all) > 0 {
			t.Errorf("%s is of %q; want none", name, all)
		}
	}
	if found := Find("", "."); found != nil {
		t.Errorf("Find of nothing = %+v", found)
	}
}

// Of two failures in one log both are told, the one that comes first in the table first,
// and of more than two no more.
func TestSeveral(t *testing.T) {
	row := func(text string) string {
		t.Helper()
		for _, r := range Rows() {
			if r.Text == text {
				return read(t, logOf(r))
			}
		}
		t.Fatalf("no row %q", text)
		return ""
	}
	ssh := row("cannot build on 'ssh-ng://…': failed to start SSH connection")
	platform := row("a 'aarch64-linux' with features {} is required to build")
	quota := row("Disk quota exceeded")
	found := Find(ssh+platform, ".")
	if len(found) != 2 || !strings.Contains(found[0].Cause, "runs no aarch64 programs") || !strings.Contains(found[1].Cause, "ssh-ng://pi@builder.local") {
		t.Errorf("Find of two failures = %+v", found)
	}
	if found := Find(quota+ssh+platform, "."); len(found) != maxFindings {
		t.Errorf("Find of three failures = %+v; want %d", found, maxFindings)
	}
	both := strings.ReplaceAll(platform, "\n", " ") + strings.ReplaceAll(quota, "\n", " ")
	if found := Find(both, "."); len(found) != 1 {
		t.Errorf("Find of a line that two rows match = %+v; want one", found)
	}
}

// Commands name the folder, what a log says is cut, and lines are marked.
func TestFindingWords(t *testing.T) {
	found := Find("error: path '/nix/store/0q91slrhl611kjhdvi1j5yrv65cik604-source/a.nix' does not exist", "/home/me/flake")
	if len(found) != 1 || found[0].Fix != "git -C /home/me/flake add a.nix" {
		t.Errorf("Find = %+v; want the folder and the file", found)
	}
	bad := Find("error: path '/nix/store/0q91slrhl611kjhdvi1j5yrv65cik604-source/a; reboot' does not exist", ".")
	if len(bad) != 1 || bad[0].Fix != "git -C . add 'a; reboot'" || quote("a'b c") != `'a'\''b c'` {
		t.Errorf("Find = %+v; want the file quoted", bad)
	}
	long := Find("error: attribute '"+strings.Repeat("x", 10*maxWord)+"' missing", ".")
	if len(long) != 1 || len(long[0].Cause) > 2*maxWord {
		t.Errorf("Find of a long name = %+v", long)
	}
	lines := Finding{"c", "f", "u", false}.Lines()
	if strings.Join(lines, "\n") != "cause: c\nfix: f\nsee: u" || !IsLine(lines[0]) || !IsLine(lines[1]) || !IsLine(lines[2]) || IsLine("do this") {
		t.Errorf("Lines = %q", lines)
	}
	if n := len((Finding{Cause: "c", Fix: "f"}).Lines()); n != 2 {
		t.Errorf("without a thread there are %d lines", n)
	}
	if found := Find(strings.Repeat("x\n", maxText)+"error: stack overflow\n", "."); len(found) != 1 {
		t.Errorf("Find at the end of a long text = %+v", found)
	}
}

// Whatever a log says, what is told of it is one or two findings of single lines.
func FuzzFind(f *testing.F) {
	names, err := filepath.Glob("testdata/*/*.log")
	if err != nil || len(names) == 0 {
		f.Fatal(names, err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, text string) {
		found := Find(text, ".")
		if len(found) > maxFindings {
			t.Fatalf("Find = %+v", found)
		}
		for _, f := range found {
			if f.Cause == "" || f.Fix == "" || strings.ContainsAny(f.Cause+f.Fix+f.See, "\n") {
				t.Errorf("Find = %+v", f)
			}
		}
	})
}
