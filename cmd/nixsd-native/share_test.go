package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"nixsd-native/internal/testenv"
)

// TestShare shows that the files that packages ship are what the tables of commands say.
func TestShare(t *testing.T) {
	for name, text := range map[string]string{
		"completions/nixsd-native.bash": bashCompletion(),
		"completions/_nixsd-native":     zshCompletion(),
		"completions/nixsd-native.fish": fishCompletion(),
		"man/nixsd-native.1":            manPage(),
	} {
		file := filepath.Join(top, "share", name)
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if old, err := os.ReadFile(file); err != nil || string(old) != text {
			t.Errorf("%s is not what the program says (%v); write it anew: go test ./cmd/nixsd-native -run TestShare -update", file, err)
		}
	}
}

// overstruck is how a page's printer makes bold type and underlines.
var overstruck = regexp.MustCompile(".\x08")

// The page is good in the eyes of its reader, and tells of every command and flag.
func TestManPage(t *testing.T) {
	page := filepath.Join(top, "share/man/nixsd-native.1")
	if out, err := exec.Command(testenv.NeedProgram(t, "mandoc"), "-Tlint", "-Wwarning", page).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("mandoc -Tlint: %v\n%s", err, out)
	}
	out, err := exec.Command("mandoc", "-Tutf8", "-Owidth=100", page).Output()
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("‐", "-", "−", "-").Replace(overstruck.ReplaceAllString(string(out), ""))
	for _, c := range completion() {
		if c.name != "help" && !strings.Contains(text, "\n   "+c.name+"\n") {
			t.Errorf("the page does not tell of %s", c.name)
		}
		for _, f := range c.flags {
			if !strings.Contains(text, "--"+f.name) {
				t.Errorf("the page does not tell of %s --%s", c.name, f.name)
			}
		}
	}
	for _, code := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "130"} {
		if !strings.Contains(text, "\n       "+code+" ") {
			t.Errorf("the page does not tell of exit status %s", code)
		}
	}
}

// Topics fit a terminal, and their first lines its list.
func TestTopics(t *testing.T) {
	for _, topic := range topics() {
		var out strings.Builder
		if _, err := parse([]string{"help", topic.name}, &out); !errors.Is(err, errHelp) || out.String() != topic.text {
			t.Errorf("help %s: %v, %q", topic.name, err, out.String())
		}
		if n := strings.Count(topic.text, "\n"); n < 10 || n > 40 || !strings.HasSuffix(topic.text, ".\n") && !strings.HasPrefix(lastLine(topic.text), "  ") {
			t.Errorf("help %s has %d lines, the last %q", topic.name, n, lastLine(topic.text))
		}
		for line := range strings.Lines(topic.text) {
			if n := utf8.RuneCountInString(line) - 1; n > 80 {
				t.Errorf("help %s: %d columns: %s", topic.name, n, line)
			}
		}
		if _, clash := findCommand(topic.name); clash {
			t.Errorf("%s is a command, too", topic.name)
		}
	}
}

func lastLine(s string) string {
	s = strings.TrimSuffix(s, "\n")
	return s[strings.LastIndex(s, "\n")+1:]
}

// Every command line that help, topics, the page and the README show is taken by the program.
func TestExamplesParse(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(top, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	page := strings.NewReplacer(`\-`, "-", `\(ti`, "~", `\(aq`, "'", "\nnixsd", "\n  nixsd").Replace(manText)
	_, examples, _ := strings.Cut(page, ".SH EXAMPLES")
	texts := map[string]string{"the page": examples, "the README": string(readme)}
	var general strings.Builder
	printHelp(&general)
	texts["help"] = general.String()
	for _, c := range commands() {
		texts["help "+c.name] = c.help
	}
	for _, topic := range topics() {
		texts["help "+topic.name] = topic.text
	}
	total := 0
	for from, text := range texts {
		for _, line := range exampleLines(text) {
			total++
			if _, err := parse(line, io.Discard); err != nil && !errors.Is(err, errHelp) {
				t.Errorf("%s shows %q: %v", from, line, err)
			}
		}
	}
	if total < 40 {
		t.Errorf("only %d examples were found", total)
	}
}

// exampleLines returns the command lines of a text, which are indented.
func exampleLines(text string) (all [][]string) {
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "  ") {
			continue
		}
		for part := range strings.SplitSeq(strings.TrimSpace(line), " && ") {
			words := exampleWords(strings.TrimPrefix(part, "sudo "))
			left := strings.Contains(part, "…") // for the reader to fill in
			if len(words) > 1 && words[0] == module && words[1] != "COMMAND" && !left {
				all = append(all, words[1:])
			}
		}
	}
	return all
}

// exampleWords splits a command line as a shell does, up to a comment or a redirection.
func exampleWords(line string) (words []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 { // quoted
			words = append(words, part)
			continue
		}
		for word := range strings.FieldsSeq(part) {
			if strings.HasPrefix(word, "(") || word == "#" || word == ">" || word == "|" {
				return words
			}
			words = append(words, word)
		}
	}
	return words
}
