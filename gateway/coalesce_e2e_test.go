package gateway_test

import (
	"slices"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

func coalescing(more ...string) []string {
	return append([]string{"desk: {deadline: 1h, lease: 5m", "desk: {deadline: 1h, lease: 5m, coalesce: {max_rows: 3}"}, more...)
}

func (w *world) item(name string) *candorv1.ReviewItem {
	w.t.Helper()
	resp, err := w.reviews().GetReviewItem(as(auditorToken), &candorv1.GetReviewItemRequest{Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.GetItem()
}

// Callers who ask the same share one item; its one verdict answers all of them, each with its own record, feed and limits.
func TestOneVerdictForManyCallers(t *testing.T) {
	edits := append(withLimit(2, ", on_trip: review"), coalescing()...)
	w := start(t, edits...)
	first, mine := w.deferOne(deferredRow)
	second, alsoMine := w.deferOne(deferredRow)
	theirs := w.infer(t.Context(), request([][4]float32{deferredRow}, "candor_route"))
	third := theirs.param("candor_review_item")
	if w.item(second).GetJoinedTo() != first || w.item(third).GetJoinedTo() != first || w.item(first).GetJoined() != 2 {
		t.Fatalf("joined: %v, %v, to one with %d", w.item(second).GetJoinedTo(), w.item(third).GetJoinedTo(), w.item(first).GetJoined())
	}
	// The item is full, so the fourth row has one of its own. Other rows, fields and parameters do anyway.
	fourth, _ := w.deferOne(deferredRow)
	other, _ := w.deferOne([4]float32{.6, .55, .55, 1})
	if w.item(fourth).GetJoinedTo() != "" || w.item(other).GetJoinedTo() != "" {
		t.Errorf("the fourth joined %q, another row %q", w.item(fourth).GetJoinedTo(), w.item(other).GetJoinedTo())
	}
	if q := w.queue(auditorToken, "desk"); q.GetPendingCount() != 3 {
		t.Errorf("people have %d items to do", q.GetPendingCount())
	}

	// Three answers mean three actions, of which a limit lets two pass.
	stream := w.watch(clientToken, "")
	w.resolve(reviewerToken, first, "bad")
	final, held := 0, 0
	w.eventually(func() bool {
		final, held = 0, 0
		for _, name := range []string{first, second, third} {
			it := w.item(name)
			switch {
			case it.GetFinalTime() == nil:
			case it.GetVerdict().GetLabel() != "bad" || it.GetVerdict().GetAuthor() != "ann":
				t.Fatalf("the answer of %s: %v", name, it.GetVerdict())
			case it.GetHeldBy() == "limits/declines":
				held++
			default:
				final++
			}
		}
		return final+held == 3
	})
	if final != 2 || held != 1 {
		t.Errorf("%d released and %d held of three, with a limit of two", final, held)
	}
	got := []string{w.next(stream).GetPrediction().GetPredictionId(), w.next(stream).GetPrediction().GetPredictionId()}
	if p := w.prediction(mine); p.GetFinalTime() == nil {
		t.Errorf("the first caller has %v", p)
	}
	if !slices.Contains(got, mine) || !slices.Contains(got, alsoMine) {
		t.Errorf("the feed has %v, want %s and %s", got, mine, alsoMine)
	}
	if w.item(fourth).GetState() != candorv1.ReviewState_REVIEW_STATE_PENDING {
		t.Error("a row with an item of its own was answered, too")
	}
}

// Rows that differ in anything that the model sees are not the same, whatever a reviewer sees of them.
func TestWhatIsTheSame(t *testing.T) {
	w := start(t, coalescing("inputs: [{name: x, datatype: FP32, shape: [-1, 4]}]", "inputs: [{name: x, datatype: FP32, shape: [-1, 4], redact: true}]", "max_rows: 3", "max_rows: 50")...)
	ask := func(change func(*inference.ModelInferRequest)) string {
		req := request([][4]float32{deferredRow}, "candor_route")
		if change != nil {
			change(req)
		}
		a := w.infer(t.Context(), req)
		if a.err != nil {
			t.Fatal(a.err)
		}
		return a.param("candor_review_item")
	}
	text := func(s string) *inference.InferParameter {
		return &inference.InferParameter{ParameterChoice: &inference.InferParameter_StringParam{StringParam: s}}
	}
	first := ask(nil)
	for name, c := range map[string]struct {
		change func(*inference.ModelInferRequest)
		joins  bool
	}{
		"the same":   {nil, true},
		"another id": {func(r *inference.ModelInferRequest) { r.Id = "x" }, true},
		"a parameter of ours": {func(r *inference.ModelInferRequest) {
			r.Parameters = map[string]*inference.InferParameter{"candor_x": text("1")}
		}, true},
		"a parameter": {func(r *inference.ModelInferRequest) {
			r.Parameters = map[string]*inference.InferParameter{"account": text("1")}
		}, false},
		"another of the account": {func(r *inference.ModelInferRequest) {
			r.Parameters = map[string]*inference.InferParameter{"account": text("2")}
		}, false},
		"a redacted input": {func(r *inference.ModelInferRequest) {
			r.RawInputContents = request([][4]float32{{.6, .55, .55, 1}}).RawInputContents
		}, false},
	} {
		if to := w.item(ask(c.change)).GetJoinedTo(); (to == first) != c.joins {
			t.Errorf("%s: joined to %q", name, to)
		}
	}
	// Two rows of one call are two callers, too.
	a := w.infer(t.Context(), request([][4]float32{{.6, .55, .55, 2}, {.6, .55, .55, 2}}, "candor_route"))
	items := w.itemsOf(a.param("candor_prediction_id"))
	if len(items) != 2 || (items[0].GetJoinedTo() == "") == (items[1].GetJoinedTo() == "") {
		t.Errorf("two like rows of a call: %v", items)
	}
}

// Evidence is judged for itself: nothing that a certificate counts shares an item.
func TestEvidenceIsNotShared(t *testing.T) {
	w := start(t, append(coalescing(), promised("")...)...)
	var names []string
	for range 2 {
		names = append(names, w.infer(t.Context(), request([][4]float32{deferredRow}, "candor_route")).param("candor_review_item"))
	}
	if w.item(names[0]).GetJoined() != 0 || w.item(names[1]).GetJoinedTo() != "" {
		t.Errorf("evidence joined: %v", w.item(names[1]))
	}
}
