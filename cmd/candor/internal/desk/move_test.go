package desk

import (
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestParseMove(t *testing.T) {
	animals := &candorv1.ReviewItem{Labels: []string{"cat", "dog", "s"}}
	digits := &candorv1.ReviewItem{Labels: []string{"3", "1", "2"}}
	amount := &candorv1.ReviewItem{Unit: "EUR"}
	for _, tt := range []struct {
		item *candorv1.ReviewItem
		line string
		// want is a label, a value, s or q behind a colon, or what the error says.
		want string
	}{
		{animals, "dog", "dog"},
		{animals, "  2 ", "dog"},
		{animals, "s", "s"}, // the label wins
		{animals, ":s", ":s"},
		{animals, "q", ":q"},
		{animals, "4", "none of the labels"},
		{animals, "0", "none of the labels"},
		{animals, "", "none of the labels"},
		{animals, "\x1b[A", `"\x1b[A" is none of the labels`},
		{digits, "2", "2"}, // a label, not the second of them
		{digits, "s", ":s"},
		{digits, "4", "none of the labels"},
		{amount, "12.5", "12.5"},
		{amount, "-3", "-3"},
		{amount, "NaN", "is no number"},
		{amount, "1e999", "is no number"},
		{amount, "ten", "is no number"},
		{amount, "q", ":q"},
		{amount, "u", ":u"},
		{amount, "?", ":?"},
		{amount, "n see page 2", ":n see page 2"},
		{animals, "s blurry", ":s blurry"},
		{animals, ":e  lawyers ", ":e lawyers"},
		{animals, "skip", "none of the labels"},
		{animals, "\u202es", "none of the labels"},
	} {
		m, err := parseMove(tt.line, tt.item)
		got := ""
		switch {
		case err != nil:
			got = err.Error()
		case m.command != 0:
			got = strings.TrimSpace(":" + string(m.command) + " " + m.rest)
		default:
			got = verdictText(m.verdict)
		}
		if got != tt.want && (err == nil || !strings.Contains(got, tt.want)) {
			t.Errorf("%q at labels %v: %s, want %s", tt.line, tt.item.GetLabels(), got, tt.want)
		}
	}
}

// The same verdict for the same claim is the same request; everything else is another one.
func TestRequestID(t *testing.T) {
	verdict := func(label, note string) *candorv1.Verdict {
		return &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: label}, Note: note}
	}
	first, again := requestIDOf(1, verdict("a", "n")), requestIDOf(1, verdict("a", "n"))
	if first != again {
		t.Errorf("a repetition is a new request: %s, %s", first, again)
	}
	seen := map[string]bool{}
	for _, id := range []string{
		requestIDOf(1, verdict("a", "")), requestIDOf(2, verdict("a", "")), requestIDOf(1, verdict("b", "")), requestIDOf(1, verdict("a", "n")),
	} {
		if seen[id] {
			t.Errorf("two verdicts share the request id %s", id)
		}
		seen[id] = true
	}
}

func TestItemName(t *testing.T) {
	const id = "01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11"
	for _, arg := range []string{id, "reviewItems/" + id} {
		if got, err := itemName(arg); err != nil || got != "reviewItems/"+id {
			t.Errorf("itemName(%q) = %q, %v", arg, got, err)
		}
	}
	if _, err := itemName("7"); err == nil || !strings.Contains(err.Error(), "candor review list") {
		t.Errorf("itemName(7): %v", err)
	}
}
