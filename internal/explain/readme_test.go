package explain

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the README's troubleshooting anew")

const readme = "../../README.md"

// What the README's troubleshooting stands between.
const (
	begins = "<!-- troubleshooting: made of internal/explain/table.txt by: go test ./internal/explain -update -->\n"
	ends   = "<!-- end of troubleshooting -->\n"
)

// cell makes a text that of a Markdown table's cell.
func cell(s string) string {
	s = strings.NewReplacer("$1$2", "X", "$1", "X", "$2", "X", "$dir", ".").Replace(s)
	return command.ReplaceAllString(strings.NewReplacer("|", `\|`, "<", `\<`, "*", `\*`).Replace(s), "`$0`")
}

// flagWord is a flag of this program with its value; command is what is shown as code.
const flagWord = `--[a-z][a-z0-9-]*(?:[ =](?:[A-Z][A-Z@]*(?:\.pub)?|[a-z-]+=[\w-]+|\d[\d.]*|false|sid|trixie|private|emulated|none|~/\S+\.pub)\b)?`

var command = regexp.MustCompile(`(?:sudo (?:--preserve-env=\w+ )?)?nixsd-native (?:build|fetch|bundle create|update|doctor|binfmt \w+|clean|inspect|explain|shell)\b(?: (?:` +
	flagWord + `|[A-Z]{3,}\b))*|` + flagWord + `(?: ` + flagWord + `)*`)

// code is cell for what is shown as it stands in a log.
func code(s string) string { return "`` " + strings.ReplaceAll(s, "|", `\|`) + " ``" }

// troubleshooting is the table as the README has it.
func troubleshooting() string {
	var own, logs strings.Builder
	for _, r := range Rows() {
		if r.Own {
			fmt.Fprintf(&own, "| %s | %s |\n", cell(r.Text), cell(r.Fix))
			continue
		}
		cause := cell(r.Cause)
		if repository, number, ok := strings.Cut(r.See, "#"); ok {
			cause += fmt.Sprintf(" ([%s#%s](%s))", repository[strings.LastIndexByte(repository, '/')+1:], number, r.URL())
		}
		fmt.Fprintf(&logs, "| %s | %s | %s |\n", code(r.Text), cause, cell(r.Fix))
	}
	return "| it says | do |\n|---|---|\n" + own.String() +
		"\nThis is what logs say, of Nix and of what people use around it; `nixsd-native explain LOGFILE`\n" +
		"finds it there, and a build that fails tells it by itself:\n\n" +
		"| in a log | cause | do |\n|---|---|---|\n" + logs.String()
}

// The README has what the table has.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), begins)
	has, after, ended := strings.Cut(rest, ends)
	if !ok || !ended {
		t.Fatalf("%s has no %q and %q", readme, begins, ends)
	}
	want := troubleshooting()
	if has == want {
		return
	}
	if !*update {
		t.Fatalf("%s is of another table; make it anew: go test ./internal/explain -run TestReadme -update", readme)
	}
	if err := os.WriteFile(readme, []byte(before+begins+want+ends+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
