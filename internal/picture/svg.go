package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
)

// An svg is a picture in the making. It has no script, no font and no image of its own, and
// follows the viewer's choice of light or dark.
type svg struct{ bytes.Buffer }

// style has the colours for light and for dark.
const style = `<style>
text{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#1f2328}
.sans{font-family:system-ui,-apple-system,"Segoe UI",Helvetica,Arial,"DejaVu Sans",sans-serif}
.window{fill:#f6f8fa;stroke:#d0d7de}.lane{fill:#f6f8fa;stroke:none}.box{fill:#ffffff;stroke:#8c959f}
.root{stroke:#cf222e}.you{stroke:#0969da}.nobody{stroke:#1a7f37}
.line{fill:none;stroke:#8c959f;stroke-width:1.5}.head{fill:#8c959f}
.dim{fill:#59636e}.b{font-weight:bold}.red{fill:#cf222e}.yellow{fill:#9a6700}
@media (prefers-color-scheme:dark){
text{fill:#e6edf3}.window{fill:#161b22;stroke:#30363d}.lane{fill:#161b22}.box{fill:#0d1117;stroke:#6e7681}
.root{stroke:#ff7b72}.you{stroke:#58a6ff}.nobody{stroke:#3fb950}
.line{stroke:#6e7681}.head{fill:#6e7681}.dim{fill:#9198a1}.red{fill:#ff7b72}.yellow{fill:#d29922}}
</style>
`

func newSVG(width, height int, title string) *svg {
	s := &svg{}
	s.add(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", width, height, width, height)
	s.add("<title>%s</title>\n%s", escape(title), style)
	return s
}

func (s *svg) add(format string, args ...any) { fmt.Fprintf(s, format, args...) }

func (s *svg) rect(class string, x, y, w, h int) {
	s.add(`<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="6"/>`+"\n", class, x, y, w, h)
}

// words writes a line of text around its middle.
func (s *svg) words(class string, x, y, size int, text string) {
	s.add(`<text class="%s" x="%d" y="%d" font-size="%d" text-anchor="middle">%s</text>`+"\n", class, x, y, size, escape(text))
}

// end returns the picture.
func (s *svg) end() []byte {
	s.add("</svg>\n")
	return s.Bytes()
}

func escape(text string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(text))
	return b.String()
}
