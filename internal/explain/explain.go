// Package explain knows what failures mean that people meet when they build NixOS
// images: by what stands in the log of Nix, or of a program around it.
package explain

import (
	_ "embed"
	"regexp"
	"strings"
	"sync"
)

// A Row is an entry of the table.
type Row struct {
	Text string // what stands in a log, shortened
	// A log is of this row if all of Says match it, and none of Not.
	Says, Not []*regexp.Regexp
	Cause     string // one line; empty means the line itself says it
	Fix       string // one line, with a command where one helps
	See       string // thread that tells of it, OWNER/REPOSITORY#NUMBER, or ""
	Host      bool   // the host's fault, not that of what is built
	Own       bool   // this program's own message
}

// URL returns the address of the row's thread, or "".
func (r Row) URL() string {
	repository, number, ok := strings.Cut(r.See, "#")
	if !ok {
		return ""
	}
	return "https://github.com/" + repository + "/issues/" + number
}

// table.txt is documented at its beginning.
//
//go:embed table.txt
var table string

// Rows returns the table, the most specific rows first.
var Rows = sync.OnceValue(func() (rows []Row) {
	for _, record := range strings.Split(table, "\n\n") {
		if r, ok := parseRow(record); ok {
			rows = append(rows, r)
		}
	}
	return rows
})

// parseRow reads a record of lines "key: value". The table is a part of the program, so a
// mistake in it is a bug.
func parseRow(record string) (r Row, ok bool) {
	for line := range strings.Lines(record) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, _ := strings.Cut(line, ": ")
		switch key {
		case "log":
			r.Text = value
		case "own":
			r.Text, r.Own = value, true
		case "says":
			r.Says = append(r.Says, regexp.MustCompile("(?m)"+value))
		case "not":
			r.Not = append(r.Not, regexp.MustCompile("(?m)"+value))
		case "cause":
			r.Cause = value
		case "fix":
			r.Fix = value
		case "see":
			r.See = value
		case "whose":
			r.Host = value == "host"
		default:
			panic("table.txt has the line " + line)
		}
		ok = true
	}
	return r, ok
}

// A Finding says what a failure means.
type Finding struct {
	Cause string `json:"cause"`
	Fix   string `json:"fix"`
	See   string `json:"see,omitempty"` // URL of a public thread
	Host  bool   `json:"-"`             // as in Row
}

// Lines returns what people read.
func (f Finding) Lines() []string {
	lines := []string{"cause: " + f.Cause, "fix: " + f.Fix}
	if f.See != "" {
		lines = append(lines, "see: "+f.See)
	}
	return lines
}

// IsLine reports whether a line is one of those that Lines returns, and says itself what
// it is.
func IsLine(line string) bool {
	return strings.HasPrefix(line, "cause: ") || strings.HasPrefix(line, "fix: ") || strings.HasPrefix(line, "see: ")
}

const (
	// maxFindings is how much is told at once: what came first, and one more.
	maxFindings = 2
	// maxText bounds what is searched, in bytes from its end: a hundred patterns take a
	// second or two for it.
	maxText = 256 << 10
)

// Find returns what is known of the failure that a text, without control characters but
// line breaks, tells of: nothing, or one or two findings. The second is about other lines
// than the first. dir is how commands name the folder of what is built.
func Find(text, dir string) (all []Finding) {
	if len(text) > maxText {
		text = text[len(text)-maxText:]
	}
	var taken [][2]int
	for _, r := range Rows() {
		m, ok := r.match(text)
		if !ok || overlaps(taken, lines(text, m)) {
			continue
		}
		taken = append(taken, lines(text, m))
		all = append(all, r.finding(text, m, dir))
		if len(all) == maxFindings {
			break
		}
	}
	return all
}

// match returns where a text has the row's first pattern, as FindStringSubmatchIndex does.
func (r Row) match(text string) (m []int, ok bool) {
	for i, says := range r.Says {
		found := says.FindStringSubmatchIndex(text)
		if found == nil {
			return nil, false
		}
		if i == 0 {
			m = found
		}
	}
	for _, not := range r.Not {
		if not.MatchString(text) {
			return nil, false
		}
	}
	return m, len(r.Says) > 0
}

// lines returns the part of a text that is the lines of a match.
func lines(text string, m []int) [2]int {
	from, to := strings.LastIndexByte(text[:m[0]], '\n')+1, strings.IndexByte(text[m[1]:], '\n')
	if to < 0 {
		return [2]int{from, len(text)}
	}
	return [2]int{from, m[1] + to}
}

func overlaps(taken [][2]int, part [2]int) bool {
	for _, t := range taken {
		if part[0] <= t[1] && t[0] <= part[1] {
			return true
		}
	}
	return false
}

// finding words a row for a match: $1 and so on stand for what its groups captured.
func (r Row) finding(text string, m []int, dir string) Finding {
	words, quotedWords := []string{"$dir", dir}, []string{"$dir", dir}
	for i := 1; 2*i < len(m) && i < 10; i++ {
		group := ""
		if m[2*i] >= 0 {
			group = text[m[2*i]:m[2*i+1]]
		}
		name := "$" + string(rune('0'+i))
		words, quotedWords = append(words, name, short(group)), append(quotedWords, name, quote(short(group)))
	}
	f := Finding{
		Cause: strings.NewReplacer(words...).Replace(r.Cause), Fix: strings.NewReplacer(quotedWords...).Replace(r.Fix),
		See: r.URL(), Host: r.Host,
	}
	if f.Cause == "" {
		part := lines(text, m)
		f.Cause = short(ownPrefix.ReplaceAllString(strings.TrimSpace(text[part[0]:part[1]]), ""))
	}
	return f
}

// plain is a word that means nothing but itself to a shell.
var plain = regexp.MustCompile(`^[\w@%+=:,./-]*$`)

// quote quotes what comes from a log and stands in a command, for a shell.
func quote(s string) string {
	if plain.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// ownPrefix is how lines of this program begin that say what is wrong.
var ownPrefix = regexp.MustCompile(`^(error|warning|hint): `)

// maxWord bounds what is taken over from a log, in bytes.
const maxWord = 300

// short makes one bounded line of what a log has.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxWord {
		s = strings.ToValidUTF8(s[:maxWord], "") + "…"
	}
	return s
}
