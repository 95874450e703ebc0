package main

import (
	"regexp"
	"strings"
)

// Measures of a screen in pixels: a cell of text of size 13, and what is around them.
const (
	cellWidth  = 8
	cellHeight = 18
	margin     = 14
)

// screens draws screens below one another, each as high as it has rows.
func screens(texts ...string) []byte {
	width, height := columns*cellWidth+2*margin, 0
	for _, text := range texts {
		height += strings.Count(text, "\n")*cellHeight + 3*margin
	}
	s := newSVG(width+2, height-margin+2, "nixsd-native builds the demo: while it builds, and when it is done")
	y := 1
	for _, text := range texts {
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		s.rect("window", 1, y, width, len(lines)*cellHeight+2*margin)
		class := ""
		for i, line := range lines {
			class = s.row(1+margin, y+margin+(i+1)*cellHeight-5, line, class)
		}
		y += len(lines)*cellHeight + 3*margin
	}
	return s.end()
}

// sgr is the sequence for colours (ECMA-48), the only one that tmux leaves in a row.
var sgr = regexp.MustCompile(`\x1b\[([0-9;]*)m`)

// classes are those of svg's style, by parameters of sgr.
var classes = map[string]string{"1": "b", "31": "red", "33": "yellow"}

// row writes a row of text that begins in a class, and returns the class that it ends in.
// Each part has its place and its length, so that columns stand below one another in every
// font.
func (s *svg) row(x, y int, line, class string) string {
	at := 0
	part := func(text string) {
		if n := len([]rune(text)); strings.TrimSpace(text) != "" {
			s.add(`<text xml:space="preserve" class="%s" font-size="13" x="%d" y="%d" textLength="%d">%s</text>`+"\n",
				class, x+at*cellWidth, y, n*cellWidth, escape(text))
		}
		at += len([]rune(text))
	}
	begin := 0
	for _, m := range sgr.FindAllStringSubmatchIndex(line, -1) {
		part(line[begin:m[0]])
		class, begin = styled(class, line[m[2]:m[3]]), m[1]
	}
	part(line[begin:])
	return class
}

// styled returns the class after a sequence's parameters: others than classes end it.
func styled(class, parameters string) string {
	for _, p := range strings.Split(parameters, ";") {
		if c, ok := classes[p]; ok {
			class = strings.TrimSpace(class + " " + c)
		} else {
			class = ""
		}
	}
	return class
}
