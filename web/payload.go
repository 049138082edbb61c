package web

import (
	"fmt"
	"math"
	"unicode/utf8"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// What of a payload a page shows. More of it would make a page that nobody reads and that a browser struggles with; the page says
// what it left out.
const (
	maxFeatures  = 1000
	maxTextBytes = 200_000
	maxTexts     = 50
)

// payload is what there is to judge, ready to be shown.
type payload struct {
	// Absent is why there is nothing to show; empty: there is.
	Absent  string
	Sha256  string
	Tensors []tensor
}

// tensor is one input, in the form that its card declares. At most one of Features, Texts, Pictures and Trees is set.
type tensor struct {
	Name, Kind string
	Features   []feature
	Texts      []text
	Pictures   []picture
	Trees      []tree
	// Problem says why it isn't shown as declared; Left how much was left out.
	Problem, Left string
}

type text struct {
	Runs []run
	// Left is the bytes that were left out.
	Left int64
}

// payloadOf prepares a payload of the item whose address is href.
func payloadOf(p *candorv1.ReviewPayload, href string) payload {
	out := payload{Sha256: p.GetSha256()}
	switch {
	case p.GetDeleted():
		out.Absent = "The input was removed, by retention or on request. What is left of it is its digest."
		return out
	case len(p.GetTensors()) == 0:
		out.Absent = "The input is not kept: the model's card redacts it."
		return out
	}
	for i, t := range p.GetTensors() {
		out.Tensors = append(out.Tensors, tensorOf(t, fmt.Sprintf("%s/image/%d", href, i), fmt.Sprintf("%s/file/%d", href, i)))
	}
	return out
}

// tensorOf shows a tensor by its declared view; image and file are the addresses of its elements' pictures and bytes, without the
// element's number.
func tensorOf(t *candorv1.PayloadTensor, image, file string) tensor {
	out := tensor{Name: t.GetName(), Kind: fmt.Sprintf("%s %s", t.GetDatatype(), shapeText(t.GetShape()))}
	if len(t.GetValues()) == 0 && len(t.GetTexts()) == 0 {
		out.Problem = "It was too large to be kept with the item."
		return out
	}
	switch t.GetView() {
	case candorv1.PayloadView_PAYLOAD_VIEW_GRAY_IMAGE:
		if height, width, ok := greySize(t); ok {
			out.Pictures = []picture{{Href: image + "/0", Grey: true, Width: width, Height: height}}
			return out
		}
		out.Problem = "It is declared as a grey image, and its shape is not that of one. These are its numbers."
	case candorv1.PayloadView_PAYLOAD_VIEW_IMAGE:
		out.Pictures, out.Left = picturesOf(t, image, file)
		return out
	case candorv1.PayloadView_PAYLOAD_VIEW_JSON:
		for _, doc := range first(t.GetTexts(), maxTexts) {
			tr, err := treeOf(doc)
			if err != nil {
				// Half of the documents as trees and half as texts would be no help.
				out.Trees, out.Problem = nil, "It is declared as JSON, and can't be read as such: "+err.Error()+". This is its text."
				break
			}
			out.Trees = append(out.Trees, tr)
		}
		if out.Trees != nil {
			out.Left = leftOut(len(t.GetTexts()), maxTexts, "document")
			return out
		}
	}
	// A table, a text, or what was declared as something that it isn't.
	if len(t.GetTexts()) > 0 {
		for _, b := range first(t.GetTexts(), maxTexts) {
			out.Texts = append(out.Texts, textOf(b))
		}
		out.Left = leftOut(len(t.GetTexts()), maxTexts, "text")
		return out
	}
	out.Features = featuresOf(t)
	out.Left = leftOut(len(t.GetValues()), maxFeatures, "number")
	return out
}

func first[T any](all []T, n int) []T { return all[:min(n, len(all))] }

func leftOut(n, most int, noun string) string {
	if n <= most {
		return ""
	}
	return fmt.Sprintf("%s more not shown.", count(int64(n-most), noun))
}

func textOf(b []byte) text {
	shown := b
	if len(b) > maxTextBytes {
		shown = b[:maxTextBytes]
		// Not in the middle of a character.
		for n := 0; n < utf8.UTFMax-1 && len(shown) > 0 && !utf8.RuneStart(b[len(shown)]); n++ {
			shown = shown[:len(shown)-1]
		}
	}
	return text{Runs: runs(shown), Left: int64(len(b) - len(shown))}
}

func shapeText(shape []int64) string {
	if len(shape) == 0 {
		return "one value"
	}
	out := ""
	for i, n := range shape {
		if i > 0 {
			out += "×"
		}
		out += fmt.Sprint(n)
	}
	return out
}

// feature is a number of a table, with what is typical for it.
type feature struct {
	Name, Value, Unit, Typical string
	// Note is "below typical" or "above typical"; empty: neither.
	Note string
	// The bar: x positions in hundredths of its width. Bar false: nothing typical is declared on both sides.
	Bar              bool
	From, Width, Dot float64
}

func featuresOf(t *candorv1.PayloadTensor) []feature {
	specs := t.GetFeatures()
	var out []feature
	for i, v := range first(t.GetValues(), maxFeatures) {
		f := feature{Name: fmt.Sprintf("[%d]", i), Value: number(v)}
		if i < len(specs) {
			f.describe(specs[i], v)
		}
		out = append(out, f)
	}
	return out
}

func (f *feature) describe(spec *candorv1.FeatureSpec, v float64) {
	if spec.GetName() != "" {
		f.Name = spec.GetName()
	}
	f.Unit = spec.GetUnit()
	low, high := spec.GetTypicalMin(), spec.GetTypicalMax()
	switch {
	case spec.TypicalMin != nil && spec.TypicalMax != nil:
		f.Typical = number(low) + " to " + number(high)
	case spec.TypicalMin != nil:
		f.Typical = "from " + number(low)
	case spec.TypicalMax != nil:
		f.Typical = "up to " + number(high)
	}
	switch {
	case math.IsNaN(v) && f.Typical != "":
		f.Note = "no number"
	case spec.TypicalMin != nil && v < low:
		f.Note = "below typical"
	case spec.TypicalMax != nil && v > high:
		f.Note = "above typical"
	}
	if spec.TypicalMin == nil || spec.TypicalMax == nil || !(high > low) || math.IsNaN(v) {
		return
	}
	// The typical range is the middle half of the bar; what is farther outside than the bar reaches is at its end.
	const from, width, margin = 25, 50, 2
	f.Bar, f.From, f.Width = true, from, width
	f.Dot = min(max(from+width*(v-low)/(high-low), margin), 100-margin)
}
