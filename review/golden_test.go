package review_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

func question() review.Golden {
	return review.Golden{
		ID: uuid.NewString(), Queue: "q", Model: "m", Field: "f", Backend: "b", ModelVersion: "1", Labels: []string{"cat", "dog"},
		Answer: &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Label{Label: "cat"}}, Tolerance: 0.5,
	}
}

func TestGoldenCheck(t *testing.T) {
	g := question()
	if key, err := g.Check("ann"); err != nil || key != `label "cat"` {
		t.Errorf("key is %s (%v)", key, err)
	}
	for want, spoil := range map[string]func(*review.Golden){
		"answer is unset": func(g *review.Golden) { g.Answer = nil },
		"answer.value": func(g *review.Golden) {
			g.Answer = &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Value{Value: math.Inf(1)}}
		},
		"UUID":      func(g *review.Golden) { g.ID = "x" },
		"queue":     func(g *review.Golden) { g.Queue = "" },
		"tolerance": func(g *review.Golden) { g.Tolerance = math.NaN() },
	} {
		g := question()
		spoil(&g)
		if _, err := g.Check("ann"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
	if _, err := g.Check(""); err == nil {
		t.Error("a question of nobody's is taken")
	}
}

func TestGoldenBody(t *testing.T) {
	g := question()
	data, err := g.EncodeBody()
	if err != nil {
		t.Fatal(err)
	}
	got := review.Golden{ID: g.ID, Queue: g.Queue}
	if err := got.DecodeBody(data); err != nil {
		t.Fatal(err)
	}
	if got.Answer.GetLabel() != "cat" {
		t.Errorf("the answer is %v", got.Answer)
	}
	got.Answer = g.Answer
	if !reflect.DeepEqual(got, g) {
		t.Errorf("a question is read as %+v, want %+v", got, g)
	}
}

// Nothing of the item that shows a question says that somebody else waits for it.
func TestGoldenShow(t *testing.T) {
	g := question()
	it := g.Show(review.Item{ID: "i", Wanted: 3, Agree: 2, Join: &review.Join{}, Sequences: []review.Sequence{{}}})
	if it.Kind != candorv1.ReviewKind_REVIEW_KIND_GOLDEN || it.Golden != g.ID || it.Wanted != 1 || it.Join != nil || it.Sequences != nil || it.Awaited() {
		t.Errorf("the item is %+v", it)
	}
	if _, scored := it.Score(); scored {
		t.Error("an item without a verdict is scored")
	}
	it.Verdict = &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: "dog"}}
	if right, scored := it.Score(); right || !scored {
		t.Errorf("a wrong answer is right: %v, scored: %v", right, scored)
	}
}
