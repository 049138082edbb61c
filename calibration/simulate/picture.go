package simulate

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
)

// Sizes of the picture, in pixels.
const (
	pictureWidth = 900
	left, right  = 76, 24
	panelHeight  = 110
	panelStep    = 172
	headHeight   = 76
	footHeight   = 50
)

// Colours of lines.
const (
	ours   = "#2b6cb0"
	theirs = "#2f855a"
	bound  = "#c53030"
)

// line of a panel; NaN leaves a gap. A level is the same at all points, and is drawn dashed.
type line struct {
	name, colour string
	values       []float64
	level        bool
}

// panel is a chart with its own vertical axis, which begins at low, or at the least value where low is NaN.
type panel struct {
	title string
	low   float64
	lines []line
	tick  func(v float64) string
}

// SVG draws the series of a result, one panel below the other, over rows and days: coverage, the risk of what was accepted, the
// threshold, the reviewers' desk, and the wealth. title is what was played; alpha is the promise's. Errors: a result without a
// series, those of w.
func (r *Result) SVG(w io.Writer, title string, alpha float64) error {
	if len(r.Series) == 0 {
		return errors.New("the result has no series to draw; give Points")
	}
	panels := r.panels(alpha)
	height := headHeight + (len(panels)-1)*panelStep + panelHeight + footHeight
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif">`+"\n",
		pictureWidth, height, pictureWidth, height)
	fmt.Fprintf(&b, "<title>%s</title>\n", escaped(title))
	b.WriteString(`<rect width="100%" height="100%" fill="white"/>` + "\n")
	text(&b, left, 30, "start", "#1a202c", 15, title)
	for i, p := range panels {
		r.draw(&b, p, headHeight+i*panelStep)
	}
	r.foot(&b, height-footHeight+30)
	b.WriteString("</svg>\n")
	_, err := w.Write(b.Bytes())
	return err
}

func (r *Result) panels(alpha float64) []panel {
	of := func(value func(p Point) float64) []float64 {
		out := make([]float64, len(r.Series))
		for i, p := range r.Series {
			out[i] = value(p)
		}
		return out
	}
	maybe := func(v *float64) float64 {
		if v == nil {
			return math.NaN()
		}
		return *v
	}
	always := func(v float64) []float64 { return of(func(Point) float64 { return v }) }
	percent := func(v float64) string { return strconv.FormatFloat(100*v, 'g', 3, 64) + " %" }
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }
	return []panel{
		{"Coverage: share of rows accepted", 0, []line{
			{"accepted", ours, of(func(p Point) float64 { return p.Coverage }), false},
			{"best possible", bound, always(r.Oracle), true},
		}, percent},
		{"Risk: share of accepted rows that are wrong", 0, []line{
			{"seen", ours, of(func(p Point) float64 { return maybe(p.Risk) }), false},
			{"of the threshold", theirs, of(func(p Point) float64 { return maybe(p.TrueRisk) }), false},
			{"alpha", bound, always(alpha), true},
		}, percent},
		{"Threshold in force", math.NaN(), []line{
			{"threshold", ours, of(func(p Point) float64 { return maybe(p.Threshold) }), false},
		}, number},
		{"Rows on the reviewers' desk", 0, []line{
			{"waiting", ours, of(func(p Point) float64 { return float64(p.Queue) }), false},
		}, number},
		{"Wealth of the next level, as a power of ten", math.NaN(), []line{
			{"wealth", ours, of(func(p Point) float64 { return p.LogWealth / math.Ln10 }), false},
			{"certified at", bound, of(func(p Point) float64 { return p.LogBound / math.Ln10 }), true},
		}, number},
	}
}

// draw a panel from y on.
func (r *Result) draw(b *bytes.Buffer, p panel, y int) {
	low, high := p.scale()
	at := func(v float64) float64 { return float64(y+panelHeight) - (v-low)/(high-low)*panelHeight }
	text(b, left, y-8, "start", "#1a202c", 13, p.title)
	x := pictureWidth - right
	for i := len(p.lines) - 1; i >= 0; i-- {
		// About seven pixels a letter.
		l := p.lines[i]
		x -= 7*len(l.name) + 34
		stroke(b, fmt.Sprintf("M%d %dh20", x, y-12), l)
		text(b, x+25, y-8, "start", "#4a5568", 12, l.name)
	}
	for _, v := range ticks(low, high, 4) {
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#e2e8f0"/>`+"\n", left, at(v), pictureWidth-right)
		text(b, left-6, int(at(v))+4, "end", "#4a5568", 11, p.tick(v))
	}
	for _, row := range ticks(0, float64(r.lastRow()+1), 8) {
		fmt.Fprintf(b, `<path d="M%.1f %dv4" stroke="#4a5568"/>`+"\n", r.x(row), y+panelHeight)
	}
	fmt.Fprintf(b, `<path d="M%d %dV%dH%d" stroke="#4a5568" fill="none"/>`+"\n", left, y, y+panelHeight, pictureWidth-right)
	for _, l := range p.lines {
		var path bytes.Buffer
		pen := byte('M')
		for i, v := range l.values {
			if math.IsNaN(v) {
				pen = 'M'
				continue
			}
			fmt.Fprintf(&path, "%c%.1f %.1f", pen, r.x(float64(r.Series[i].Row)), at(v))
			pen = 'L'
		}
		if path.Len() > 0 {
			stroke(b, path.String(), l)
		}
	}
}

// scale is the range of a panel's axis; never empty.
func (p *panel) scale() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, l := range p.lines {
		for _, v := range l.values {
			if !math.IsNaN(v) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	if !math.IsNaN(p.low) {
		low = p.low
	}
	if !(high > low) {
		if math.IsInf(low, 0) {
			low = 0
		}
		high = low + 1
	}
	return low, high + (high-low)/20
}

// foot is the axis that all panels share.
func (r *Result) foot(b *bytes.Buffer, y int) {
	perDay := 0.0
	if last := r.Series[len(r.Series)-1]; last.Day > 0 {
		perDay = float64(last.Row) / last.Day
	}
	for _, row := range ticks(0, float64(r.lastRow()+1), 8) {
		text(b, int(r.x(row)), y-10, "middle", "#4a5568", 11, strconv.FormatFloat(row, 'f', 0, 64))
		if perDay > 0 {
			text(b, int(r.x(row)), y+6, "middle", "#4a5568", 11, "day "+strconv.FormatFloat(row/perDay, 'g', 3, 64))
		}
	}
	text(b, left-6, y-10, "end", "#4a5568", 11, "rows")
}

func (r *Result) lastRow() int { return r.Series[len(r.Series)-1].Row }

func (r *Result) x(row float64) float64 {
	return left + row/float64(r.lastRow()+1)*(pictureWidth-left-right)
}

// ticks are round numbers from low to high, about n of them.
func ticks(low, high float64, n int) []float64 {
	raw := (high - low) / float64(n)
	if !(raw > 0) || math.IsInf(raw, 0) {
		return nil
	}
	step := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range [...]float64{2, 2.5, 2} {
		if step < raw {
			step *= m
		}
	}
	var out []float64
	for v := math.Ceil(low/step) * step; v <= high+step/1e6 && len(out) <= 4*n; v += step {
		out = append(out, v)
	}
	return out
}

func stroke(b *bytes.Buffer, path string, l line) {
	dash := ""
	if l.level {
		dash = ` stroke-dasharray="5 3"`
	}
	fmt.Fprintf(b, `<path d="%s" stroke="%s" stroke-width="1.5" stroke-linejoin="round" fill="none"%s/>`+"\n", path, l.colour, dash)
}

func text(b *bytes.Buffer, x, y int, anchor, colour string, size int, s string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="%s" fill="%s" font-size="%d">%s</text>`+"\n", x, y, anchor, colour, size, escaped(s))
}

func escaped(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a buffer takes everything
	return b.String()
}
