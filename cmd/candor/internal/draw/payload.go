package draw

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Bounds of what is shown; the whole is in the item's JSON.
const (
	maxValues    = 64
	maxTextLines = 60
	maxLineRunes = 400
)

// Payload draws every tensor of the payload. colour says that the terminal shows shades of grey and half blocks.
func Payload(w io.Writer, p *candorv1.ReviewPayload, colour bool) error {
	var b strings.Builder
	switch {
	case p == nil:
		b.WriteString("the input is not kept: its model's card redacts it\n")
	case p.GetDeleted():
		b.WriteString("the input has been removed by retention or by request; its SHA-256 was " + p.GetSha256() + "\n")
	}
	for _, t := range p.GetTensors() {
		tensor(&b, t, colour)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func tensor(b *strings.Builder, t *candorv1.PayloadTensor, colour bool) {
	fmt.Fprintf(b, "%s  %s %v\n", cli.Plain(t.GetName()), cli.Plain(t.GetDatatype()), t.GetShape())
	switch {
	case len(t.GetValues()) == 0 && len(t.GetTexts()) == 0:
		b.WriteString("  too large to be kept with the item\n")
	case t.GetView() == candorv1.PayloadView_PAYLOAD_VIEW_GRAY_IMAGE && drawable(t):
		gray(b, t, colour)
	case t.GetView() == candorv1.PayloadView_PAYLOAD_VIEW_IMAGE:
		pictures(b, t.GetTexts(), colour)
	case t.GetView() == candorv1.PayloadView_PAYLOAD_VIEW_JSON:
		documents(b, t.GetTexts())
	case len(t.GetTexts()) > 0:
		texts(b, t.GetTexts())
	default:
		table(b, t)
	}
}

// texts are shown as lines of text, cut where they would bury the rest.
func texts(b *strings.Builder, texts [][]byte) {
	p := page{b: b}
	for _, text := range texts {
		for line := range strings.Lines(string(text)) {
			if !p.line(strings.ReplaceAll(strings.TrimRight(line, "\r\n"), "\t", "    ")) {
				return
			}
		}
	}
}

// page is lines of text that are cut where they would bury the rest.
type page struct {
	b     *strings.Builder
	lines int
}

// line reports whether there is room for more.
func (p *page) line(text string) bool {
	if p.lines++; p.lines > maxTextLines {
		p.b.WriteString("  ... cut here; candor review show --json has all of it\n")
		return false
	}
	if utf8.RuneCountInString(text) > maxLineRunes {
		text = string([]rune(text)[:maxLineRunes]) + " ..."
	}
	p.b.WriteString("  | " + cli.Plain(text) + "\n")
	return true
}

// table is one line a value: its name, unit and typical range where the card gives them.
func table(b *strings.Builder, t *candorv1.PayloadTensor) {
	var rows [][]string
	features := t.GetFeatures()
	for i, v := range t.GetValues() {
		if i == maxValues {
			break
		}
		name, typical, note := fmt.Sprintf("[%d]", i), "", ""
		value := cli.Quantity(v)
		if i < len(features) {
			f := features[i]
			if f.GetName() != "" {
				name = f.GetName()
			}
			if f.GetUnit() != "" {
				value += " " + f.GetUnit()
			}
			typical, note = typicalRange(f, v)
		}
		rows = append(rows, []string{"  " + name, value, typical, note})
	}
	_ = cli.Columns(b, rows) // a strings.Builder doesn't fail
	if rest := len(t.GetValues()) - len(rows); rest > 0 {
		fmt.Fprintf(b, "  ... %s more; candor review show --json has all\n", cli.Count(rest, "value"))
	}
}

func typicalRange(f *candorv1.FeatureSpec, v float64) (text, note string) {
	switch {
	case f.TypicalMin != nil && f.TypicalMax != nil:
		text = "typically " + cli.Quantity(f.GetTypicalMin()) + " to " + cli.Quantity(f.GetTypicalMax())
	case f.TypicalMin != nil:
		text = "typically from " + cli.Quantity(f.GetTypicalMin())
	case f.TypicalMax != nil:
		text = "typically up to " + cli.Quantity(f.GetTypicalMax())
	}
	switch {
	case f.TypicalMin != nil && v < f.GetTypicalMin():
		note = "low"
	case f.TypicalMax != nil && v > f.GetTypicalMax():
		note = "high"
	}
	return text, note
}
