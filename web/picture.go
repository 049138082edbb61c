package web

import (
	"fmt"
	"math"
	"strconv"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Pictures are SVG that templates write: numbers are worked out here, in the picture's own units, and colours are classes of the
// style sheet. Each has its numbers beside it, as text (docs/adr/0032-pictures-are-svg.md).

// box is a rectangle of a picture.
type box struct {
	X, Y, W, H float64
	Class      string
	// Title is what it says when it is pointed at.
	Title string
}

// label is a text in a picture; Y is its base line.
type label struct {
	X, Y float64
	Text string
}

// px writes a length: two digits behind the point are more than a screen shows. What is no number is 0.
func px(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		x = 0
	}
	const two = 100
	return strconv.FormatFloat(math.Round(x*two)/two, 'f', -1, 64)
}

// meter is a part of a whole as a bar.
type meter struct {
	// Width in [0,100].
	Width float64
	Class string
}

// meterOf part in whole; more than all of it is all of it.
func meterOf(part, whole any, class string) (meter, error) {
	p, err := floatOf(part)
	if err != nil {
		return meter{}, err
	}
	w, err := floatOf(whole)
	if err != nil {
		return meter{}, err
	}
	if !(w > 0) || math.IsNaN(p) {
		return meter{Class: class}, nil
	}
	return meter{Width: hundred * min(max(p/w, 0), 1), Class: class}, nil
}

func floatOf(x any) (float64, error) {
	switch n := x.(type) {
	case int:
		return float64(n), nil
	case int64:
		return float64(n), nil
	case uint64:
		return float64(n), nil
	case float64:
		return n, nil
	}
	return 0, fmt.Errorf("web: %T is no number that a picture can show", x)
}

// ago is an age as people say it, by its largest unit that tells something.
func ago(d time.Duration) string {
	const day = 24 * time.Hour
	const (
		month    = 30.44
		year     = 365.25
		inDays   = 60
		inMonths = 730
	)
	switch days := float64(d) / float64(day); {
	case d < 0:
		return "in the future"
	case days < 2:
		return span(d)
	case days < inDays:
		return count(int64(days), "day")
	case days < inMonths:
		return count(int64(days/month), "month")
	default:
		return fmt.Sprintf("%.1f years", days/year)
	}
}

// histogram lays the confidences of the last window over those of the reference, as shares.
type histogram struct {
	ID   string
	Of   *candorv1.MonitorStatus
	Bins []histogramBin
	// Reference and Window are the bars; Window has none before the first window is full.
	Reference, Window []box
	Ticks             []label
	// Top is the share that the picture's height stands for.
	Top   float64
	Width int
}

type histogramBin struct {
	From, To          float64
	Reference, Window uint64
	// Shares of their own whole.
	ReferenceShare, WindowShare float64
}

const (
	binWidth        = 24
	histogramHeight = 120
)

// histogramOf draws the bins of a monitor; its page has several pictures, of which this is number n.
func histogramOf(m *candorv1.MonitorStatus, n int) histogram {
	reference, window := m.GetReferenceBins(), m.GetWindowBins()
	p := histogram{ID: "confidences-" + strconv.Itoa(n), Of: m, Width: binWidth * len(reference)}
	sum := func(counts []uint64) (total float64) {
		for _, c := range counts {
			total += float64(c)
		}
		return max(total, 1)
	}
	before, now := sum(reference), sum(window)
	for i, c := range reference {
		b := histogramBin{
			From: float64(i) / float64(len(reference)), To: float64(i+1) / float64(len(reference)), Reference: c, ReferenceShare: float64(c) / before,
		}
		if i < len(window) {
			b.Window, b.WindowShare = window[i], float64(window[i])/now
		}
		p.Top = max(p.Top, b.ReferenceShare, b.WindowShare)
		p.Bins = append(p.Bins, b)
	}
	for i, b := range p.Bins {
		// The window's bar is narrower than the reference's, so that neither hides the other.
		const inset = 6
		title := fmt.Sprintf("%s to %s: reference %s, last window %s", number(b.From), number(b.To), percentage(b.ReferenceShare), percentage(b.WindowShare))
		bar := func(share, inset float64, class string) box {
			h := histogramHeight * share / max(p.Top, math.SmallestNonzeroFloat64)
			return box{X: float64(i*binWidth) + inset, Y: histogramHeight - h, W: binWidth - 2*inset, H: h, Class: class, Title: title}
		}
		p.Reference = append(p.Reference, bar(b.ReferenceShare, 1, "reference"))
		if len(window) > 0 {
			p.Window = append(p.Window, bar(b.WindowShare, inset, "window"))
		}
	}
	const parts = 4
	for i := range parts + 1 {
		p.Ticks = append(p.Ticks, label{X: float64(p.Width) * float64(i) / parts, Y: histogramHeight + 16, Text: number(float64(i) / parts)})
	}
	return p
}
