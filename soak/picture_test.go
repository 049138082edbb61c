package soak

import (
	"fmt"
	"html/template"
	"strings"
	"time"
)

// interval is a time in which something was wrong; of no length: an event.
type interval struct{ from, to time.Duration }

// windowPicture draws how many releases were in the window that ends at each instant, with the limit above, and what was done below.
func windowPicture(releases []call, wrong []interval, length time.Duration) template.HTML {
	const (
		width, height = 900, 200
		left, base    = 46, 170
		top           = 20
		points        = 450
	)
	x := func(at time.Duration) float64 { return left + (width-left-4)*float64(at)/float64(length) }
	y := func(n int) float64 { return base - (base-top)*float64(n)/fleetMax }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" aria-label="Releases in the window, over time, below the limit">`, width, height)
	for _, w := range wrong {
		fmt.Fprintf(&b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="#a40e26" fill-opacity="0.18"/>`, x(w.from), top, max(1.5, x(w.to)-x(w.from)), base-top)
	}
	fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#a40e26" stroke-width="1.5"/>`, left, width-4, y(fleetMax), y(fleetMax))
	fmt.Fprintf(&b, `<line x1="%d" x2="%d" y1="%d" y2="%d" stroke="#57606a"/><polyline fill="none" stroke="#0969da" stroke-width="1.5" points="`, left, width-4, base, base)
	for i := range points + 1 {
		at := length * time.Duration(i) / points
		n := 0
		for _, c := range releases {
			if c.seen <= at && c.sent > at-fleetWindow {
				n++
			}
		}
		fmt.Fprintf(&b, "%.1f,%.1f ", x(at), y(n))
	}
	fmt.Fprintf(&b, `"/><g font-size="12" fill="#57606a"><text x="%d" y="%.1f" text-anchor="end">%d</text><text x="%d" y="%d" text-anchor="end">0</text>`,
		left-4, y(fleetMax)+4, fleetMax, left-4, base+4)
	fmt.Fprintf(&b, `<text x="%d" y="%d">0 s</text><text x="%d" y="%d" text-anchor="end">%.0f s</text>`, left, base+18, width-4, base+18, length.Seconds())
	fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="middle">releases in the last %v; red: the limit, and when something was wrong</text></g></svg>`, width/2, base+18, fleetWindow)
	return template.HTML(b.String()) // numbers of our own
}
