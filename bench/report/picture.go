package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
)

// Sizes of the picture, in pixels.
const (
	width     = 860
	margin    = 24
	nameWidth = 120
	barHeight = 16
	barStep   = 24
	panelHead = 44
	panelGap  = 20
	footer    = 40
	valueRoom = 190 // right of the longest bar
)

// Colours by what a target is.
const (
	ours   = "#2b6cb0"
	theRef = "#c05621"
	others = "#a0aec0"
)

// SVG draws a panel for each regime: CPU per request of each target as a bar, with the interval of the median.
func (r *Report) SVG(w io.Writer) error {
	var b bytes.Buffer
	y := margin
	for _, regime := range r.regimes {
		y = r.panel(&b, regime.Name, regime.Title, y)
	}
	height := y + footer
	text(&b, margin, y+14, "start", "#4a5568", 12, fmt.Sprintf("%s, %s; %d rounds of %.1f s; bars: median, lines: 95 %% bootstrap interval",
		r.Run.Machine, r.Run.Go, r.Run.Rounds, r.Run.WindowSeconds))
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif">
<title>CPU of the proxy per request</title>
<rect width="100%%" height="100%%" fill="white"/>
%s</svg>
`, width, height, width, height, b.Bytes())
	return err
}

// panel draws a regime from y on, and returns where the next begins.
func (r *Report) panel(b *bytes.Buffer, name, title string, y int) int {
	var rows []Row
	most := 0.0
	for _, row := range r.of(name) {
		if row.CPU != nil {
			rows = append(rows, row)
			most = max(most, row.CPU.High)
		}
	}
	if len(rows) == 0 || most == 0 {
		return y
	}
	text(b, margin, y+16, "start", "#1a202c", 15, title)
	text(b, margin, y+33, "start", "#4a5568", 12, "µs of CPU per request")
	y += panelHead
	const left = margin + nameWidth
	scale := (width - left - margin - valueRoom) / most
	for _, row := range rows {
		colour := others
		switch row.Target {
		case judged, "candor-mixed", "candor-pass":
			colour = ours
		case stream:
			colour = theRef
		}
		x := func(v float64) float64 { return left + v*scale }
		middle := y + barHeight/2
		text(b, left-8, middle+4, "end", "#1a202c", 13, row.Target)
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/>`+"\n", left, y, row.CPU.Median*scale, barHeight, colour)
		fmt.Fprintf(b, `<path d="M%.1f %dH%.1fM%.1f %dv8M%.1f %dv8" stroke="#1a202c" fill="none"/>`+"\n",
			x(row.CPU.Low), middle, x(row.CPU.High), x(row.CPU.Low), middle-4, x(row.CPU.High), middle-4)
		label := fmt.Sprintf("%.1f", row.CPU.Median)
		if v, ok := row.Ratios[stream]; ok {
			label += fmt.Sprintf("  (%.2f × stream)", v.Median)
		}
		text(b, int(x(row.CPU.High))+8, middle+4, "start", "#1a202c", 13, label)
		y += barStep
	}
	return y + panelGap
}

func text(b *bytes.Buffer, x, y int, anchor, colour string, size int, s string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="%s" fill="%s" font-size="%d">`, x, y, anchor, colour, size)
	_ = xml.EscapeText(b, []byte(s)) // into a buffer
	b.WriteString("</text>\n")
}
