package calibrate

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"

	"github.com/candor-gateway/candor/calibration"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Sizes of the picture, in pixels.
const (
	panelSide   = 320
	panelLeft   = 64
	panelTop    = 64
	panelGap    = 96
	footer      = 64
	dotRadius   = 4.0
	pictureWide = panelLeft + 2*panelSide + panelGap + 40
	pictureHigh = panelTop + panelSide + footer
)

// Colours: before, after, and what they are held against. They differ in lightness, too.
const (
	beforeColour = "#c05621"
	afterColour  = "#2b6cb0"
	ruleColour   = "#4a5568"
	inkColour    = "#1a202c"
	gridColour   = "#e2e8f0"
)

// panel is a square plot; its y axis goes from 0 to top.
type panel struct {
	b    *bytes.Buffer
	left int
	top  float64
}

func (p panel) x(v float64) float64 { return float64(p.left) + v*panelSide }
func (p panel) y(v float64) float64 { return panelTop + panelSide - v/p.top*panelSide }

// svg draws the reliability diagram and the risk-coverage curve, before and after.
func svg(w io.Writer, title string, before calibration.Report, after *calibration.Report, cert *candorv1.HeldOutCertificate) error {
	var b bytes.Buffer
	reliability(panel{&b, panelLeft, 1}, before, after)
	risk(&b, before, after, cert)
	write(&b, panelLeft, 24, "start", inkColour, 15, title)
	if after != nil {
		legend(&b, "before", beforeColour, panelLeft, pictureHigh-10)
		legend(&b, "after", afterColour, panelLeft+90, pictureHigh-10)
	} else {
		legend(&b, "as the model says", beforeColour, panelLeft, pictureHigh-10)
	}
	var name bytes.Buffer
	if err := xml.EscapeText(&name, []byte(title)); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif">
<title>%s</title>
<rect width="100%%" height="100%%" fill="white"/>
%s</svg>
`, pictureWide, pictureHigh, pictureWide, pictureHigh, name.Bytes(), b.Bytes())
	return err
}

func reliability(p panel, before calibration.Report, after *calibration.Report) {
	p.frame("Reliability (bins of equal mass)", "confidence", "share that is right")
	fmt.Fprintf(p.b, `<path d="M%.1f %.1fL%.1f %.1f" stroke="%s" stroke-dasharray="4 4"/>`+"\n", p.x(0), p.y(0), p.x(1), p.y(1), ruleColour)
	p.bins(before.MassBins, beforeColour)
	if after != nil {
		p.bins(after.MassBins, afterColour)
	}
}

func (p panel) bins(bins []calibration.Bin, colour string) {
	var points [][2]float64
	for _, bin := range bins {
		points = append(points, [2]float64{bin.Confidence, bin.Accuracy})
	}
	p.line(points, colour)
	for _, at := range points {
		fmt.Fprintf(p.b, `<circle cx="%.1f" cy="%.1f" r="%.0f" fill="%s"/>`+"\n", p.x(at[0]), p.y(at[1]), dotRadius, colour)
	}
}

func risk(b *bytes.Buffer, before calibration.Report, after *calibration.Report, cert *candorv1.HeldOutCertificate) {
	top := cert.GetAlpha() * 1.25
	for _, r := range []*calibration.Report{&before, after} {
		if r != nil {
			// The first few rows say little and would set the scale.
			for _, at := range r.Curve {
				if at.Coverage >= 0.02 {
					top = max(top, at.Risk*1.1)
				}
			}
		}
	}
	p := panel{b, panelLeft + panelSide + panelGap, roundUp(top)}
	p.frame("Risk and coverage", "share accepted", "share of them that is wrong")
	p.curve(before.Curve, beforeColour)
	if after != nil {
		p.curve(after.Curve, afterColour)
	}
	if cert == nil {
		return
	}
	fmt.Fprintf(b, `<path d="M%.1f %.1fH%.1f" stroke="%s" stroke-dasharray="4 4"/>`+"\n", p.x(0), p.y(cert.GetAlpha()), p.x(1), ruleColour)
	write(b, int(p.x(0))+6, int(p.y(cert.GetAlpha()))-5, "start", ruleColour, 12, fmt.Sprintf("alpha %g", cert.GetAlpha()))
	if cert.Threshold == nil {
		return
	}
	rows, last := before.Rows, uint64(0)
	for _, l := range cert.GetLevels() {
		if l.GetPassed() {
			last = l.GetRows()
		}
	}
	at := float64(last) / float64(max(1, rows))
	fmt.Fprintf(b, `<path d="M%.1f %.1fV%.1f" stroke="%s"/>`+"\n", p.x(at), p.y(0), p.y(p.top), ruleColour)
	write(b, int(p.x(at))-6, panelTop+16, "end", ruleColour, 12, fmt.Sprintf("certified from %.4g on", cert.GetThreshold()))
}

// roundUp answers the end of an axis whose fifths are short numbers.
func roundUp(v float64) float64 {
	for _, end := range []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5} {
		if v <= end {
			return end
		}
	}
	return 1
}

func (p panel) curve(curve []calibration.Risk, colour string) {
	var points [][2]float64
	for _, at := range curve {
		points = append(points, [2]float64{at.Coverage, min(at.Risk, p.top)})
	}
	p.line(points, colour)
}

func (p panel) line(points [][2]float64, colour string) {
	if len(points) < 2 {
		return
	}
	p.b.WriteString(`<path fill="none" stroke-width="2" stroke="` + colour + `" d="`)
	for i, at := range points {
		command := byte('L')
		if i == 0 {
			command = 'M'
		}
		fmt.Fprintf(p.b, "%c%.1f %.1f", command, p.x(at[0]), p.y(at[1]))
	}
	p.b.WriteString("\"/>\n")
}

// frame draws axes with ticks and names.
func (p panel) frame(title, x, y string) {
	const ticks = 5
	write(p.b, p.left, panelTop-12, "start", inkColour, 13, title)
	for i := range ticks + 1 {
		v := float64(i) / ticks
		fmt.Fprintf(p.b, `<path d="M%.1f %dV%dM%d %.1fH%d" stroke="%s"/>`+"\n", p.x(v), panelTop, panelTop+panelSide, p.left, p.y(v*p.top), p.left+panelSide, gridColour)
		write(p.b, int(p.x(v)), panelTop+panelSide+16, "middle", inkColour, 11, fmt.Sprintf("%.1f", v))
		write(p.b, p.left-6, int(p.y(v*p.top))+4, "end", inkColour, 11, fmt.Sprintf("%.3g", v*p.top))
	}
	fmt.Fprintf(p.b, `<path d="M%d %dV%dH%d" fill="none" stroke="%s"/>`+"\n", p.left, panelTop, panelTop+panelSide, p.left+panelSide, inkColour)
	write(p.b, p.left+panelSide/2, panelTop+panelSide+34, "middle", ruleColour, 12, x)
	fmt.Fprintf(p.b, `<g transform="translate(%d %d) rotate(-90)">`, p.left-44, panelTop+panelSide/2)
	write(p.b, 0, 0, "middle", ruleColour, 12, y)
	p.b.WriteString("</g>\n")
}

func legend(b *bytes.Buffer, name, colour string, x, y int) {
	fmt.Fprintf(b, `<path d="M%d %dh20" stroke="%s" stroke-width="3"/>`+"\n", x, y-4, colour)
	write(b, x+26, y, "start", inkColour, 12, name)
}

func write(b *bytes.Buffer, x, y int, anchor, colour string, size int, s string) {
	fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="%s" fill="%s" font-size="%d">`, x, y, anchor, colour, size)
	_ = xml.EscapeText(b, []byte(s)) // into a buffer
	b.WriteString("</text>\n")
}
