package storetest

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

var goldenTests = []test{
	{"questions are kept", testGoldens},
	{"a golden item looks like any other", testGoldenItem},
	{"golden items are balanced", testGoldenBalance},
	{"a golden item is for one reviewer", testGoldenGivenBack},
}

func labelAnswer(label string) *candorv1.VerdictAnswer {
	return &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Label{Label: label}}
}

// golden is a question.
func golden(queue, label string) review.Golden {
	return review.Golden{
		ID: uuid.Must(uuid.NewV7()).String(), Queue: queue, Model: "digits", Field: "digit", Backend: "small", ModelVersion: "3", Consumer: "shop",
		Labels: []string{"0", "1"}, Unit: "EUR", Answer: labelAnswer(label), Tolerance: 0.25,
		Payload: &candorv1.ReviewPayload{Tensors: []*candorv1.PayloadTensor{{Name: "image", Datatype: "FP32", Shape: []int64{1}, Values: []float64{1}}}},
		Answers: []*candorv1.StageAnswer{{Stage: "small", Label: "1"}},
	}
}

func addGolden(t *testing.T, d Driver, g review.Golden) review.Golden {
	t.Helper()
	got, err := d.AddGolden(t.Context(), g, review.By{Name: "sue"}, g.ID, d.Now())
	if err != nil {
		t.Fatalf("AddGolden: %v", err)
	}
	return got
}

// showGolden claims a golden item of a queue.
func showGolden(t *testing.T, d Driver, queue, holder, request string) (review.Item, error) {
	t.Helper()
	now := d.Now()
	return d.NextGolden(t.Context(), review.Claim{Queue: queue, Holder: holder, Now: now, LeaseFor: minute, RequestID: request}, review.Item{
		ID: uuid.Must(uuid.NewV7()).String(), PredictionID: uuid.Must(uuid.NewV7()).String(), Created: now, Deadline: now.Add(time.Hour),
		SamplingProbability: 1, ExpectedLoss: 0.5,
	})
}

func testGoldens(t *testing.T, d Driver) {
	now := d.Now()
	want := golden("q", "1")
	got, err := d.AddGolden(t.Context(), want, review.By{Name: "sue", Remote: "192.0.2.7"}, "r", now)
	if err != nil || got.Position == 0 || got.By != "sue" || !got.Created.Equal(now) || got.Payload.GetSha256() == "" {
		t.Fatalf("added: %+v, %v", got, err)
	}
	want.Position, want.By, want.Created, want.Payload.Sha256 = got.Position, "sue", now, got.Payload.GetSha256()
	if diff := diff(want, got); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
	again, err := d.AddGolden(t.Context(), golden("q", "0"), review.By{Name: "sue"}, "r", now.Add(time.Hour))
	if diff := diff(got, again); err != nil || diff != "" {
		t.Errorf("the same request (-first +second): %v\n%s", err, diff)
	}
	other := addGolden(t, d, golden("p", "0"))
	third := addGolden(t, d, golden("q", "0"))
	d = d.Reopen(t)
	list := func(what, queue string, before uint64, limit int, want ...review.Golden) {
		t.Helper()
		got, err := d.Goldens(t.Context(), queue, before, limit)
		if diff := diff(want, got); err != nil || diff != "" {
			t.Errorf("%s (-want +got): %v\n%s", what, err, diff)
		}
	}
	list("all", "", 0, 10, third, other, got)
	list("of a queue", "q", 0, 10, third, got)
	list("a page", "", 0, 2, third, other)
	list("the next page", "", other.Position, 2, got)
	list("none", "z", 0, 2)
	if err := d.DeleteGolden(t.Context(), third.ID, review.By{Name: "sue", Remote: "192.0.2.8"}, now); err != nil {
		t.Fatal(err)
	}
	list("after a deletion", "q", 0, 10, got)
	var recorded []string
	for _, r := range adminRecords(t, d) {
		recorded = append(recorded, r.GetVerb()+" "+r.GetSubject()+" "+r.GetBy()+" "+r.GetRemote())
	}
	if diff := diff([]string{
		"golden.create " + review.GoldenName(got.ID) + " sue 192.0.2.7", "golden.create " + review.GoldenName(other.ID) + " sue ",
		"golden.create " + review.GoldenName(third.ID) + " sue ", "golden.delete " + review.GoldenName(third.ID) + " sue 192.0.2.8",
	}, recorded); diff != "" {
		t.Errorf("recorded (-want +got):\n%s", diff)
	}
	wantError(t, "a second deletion", d.DeleteGolden(t.Context(), third.ID, review.By{Name: "sue"}, now), review.ErrNotFound)
	for name, spoil := range map[string]func(*review.Golden){
		"no queue":  func(g *review.Golden) { g.Queue = "" },
		"no answer": func(g *review.Golden) { g.Answer = nil },
		"no finite one": func(g *review.Golden) {
			g.Answer = &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Value{Value: math.NaN()}}
		},
		"no tolerance":   func(g *review.Golden) { g.Tolerance = -1 },
		"an id in use":   func(g *review.Golden) { g.ID = got.ID },
		"no id":          func(g *review.Golden) { g.ID = "" },
		"a wrong digest": func(g *review.Golden) { g.Payload.Sha256 = "00" },
	} {
		g := golden("q", "1")
		spoil(&g)
		if _, err := d.AddGolden(t.Context(), g, review.By{Name: "sue"}, name, now); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func testGoldenItem(t *testing.T, d Driver) {
	g := addGolden(t, d, golden("q", "1"))
	it, err := showGolden(t, d, "q", "ann", "r")
	if err != nil {
		t.Fatal(err)
	}
	if it.Kind != candorv1.ReviewKind_REVIEW_KIND_GOLDEN || it.Golden != g.ID || it.Queue != "q" || it.Epoch != 1 || it.Holder != "ann" ||
		it.State != candorv1.ReviewState_REVIEW_STATE_CLAIMED || it.Model != g.Model || it.Field != g.Field || it.ExpectedLoss != 0.5 ||
		it.LeaseUntil.Sub(it.ClaimedAt) != time.Minute || it.GoldenTolerance != 0.25 || it.Wanted != 1 || it.Agree != 1 {
		t.Errorf("the item: %+v", it)
	}
	if diff := diff(g.Payload, it.Payload) + diff(g.Answer, it.GoldenAnswer) + diff(g.Labels, it.Labels); diff != "" {
		t.Errorf("it shows another question:\n%s", diff)
	}
	want := []candorv1.ReviewEventKind{candorv1.ReviewEventKind_REVIEW_EVENT_KIND_CREATED, candorv1.ReviewEventKind_REVIEW_EVENT_KIND_CLAIMED}
	if got := happened(t, d, it.ID); diff(want, got) != "" {
		t.Errorf("what happened: %v", got)
	}
	if diff := diff(it, get(t, d, it.ID)); diff != "" {
		t.Errorf("answered and stored (-answered +stored):\n%s", diff)
	}
	// A client that didn't hear asks again; whether by a golden claim or another, it gets the same.
	again, err := showGolden(t, d, "q", "ann", "r")
	if err != nil || again.ID != it.ID || !again.Repeated {
		t.Errorf("the same request: %s, %v", again.ID, err)
	}
	again, err = d.Next(t.Context(), review.Claim{Queue: "q", Holder: "ann", Now: d.Now(), LeaseFor: minute, RequestID: "r"})
	if err != nil || again.ID != it.ID || !again.Repeated {
		t.Errorf("the same request as an ordinary claim: %s, %v", again.ID, err)
	}
	for _, hidden := range []bool{false, true} {
		page, err := d.List(t.Context(), review.Filter{NoGolden: hidden, Limit: 10})
		if err != nil || len(page.Items) != map[bool]int{false: 1, true: 0}[hidden] {
			t.Errorf("listed without golden ones %t: %v, %v", hidden, ids(page.Items), err)
		}
	}
	now := d.Now()
	r := windowed(it, now, "1")
	settled := change(t, d, it.ID, r)
	if got, err := d.Goldens(t.Context(), "q", 0, 1); err != nil || got[0].Shown != 0 {
		t.Errorf("a verdict that can be undone counts: %+v, %v", got, err)
	}
	change(t, d, it.ID, review.Finalize{Now: settled.UndoUntil, Gated: out})
	if got, err := d.Goldens(t.Context(), "q", 0, 1); err != nil || got[0].Shown != 1 || got[0].Right != 1 {
		t.Errorf("a right verdict: %+v, %v", got, err)
	}
	bob, err := showGolden(t, d, "", "bob", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Finish(t.Context(), d, bob.ID, resolve(bob, d.Now(), "0", "r"), out); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Goldens(t.Context(), "q", 0, 1); err != nil || got[0].Shown != 2 || got[0].Right != 1 {
		t.Errorf("a wrong verdict: %+v, %v", got, err)
	}
	if n := wantFinals(t, d, func(review.Item) {}); n != 0 {
		t.Errorf("the feed has %d answers that nobody waits for", n)
	}
	if err := d.DeleteGolden(t.Context(), g.ID, review.By{Name: "sue"}, now); err != nil {
		t.Fatal(err)
	}
	if got := get(t, d, it.ID); got.GoldenAnswer == nil || got.Verdict.GetLabel() != "1" || len(got.Payload.GetTensors()) != 1 {
		t.Errorf("an item of a question that is gone: %+v", got)
	}
}

func testGoldenBalance(t *testing.T, d Driver) {
	for range 9 {
		addGolden(t, d, golden("q", "0"))
	}
	for range 3 {
		addGolden(t, d, golden("q", "1"))
	}
	addGolden(t, d, golden("p", "2"))
	own := golden("q", "3")
	own.Consumer = "ann"
	addGolden(t, d, own)
	for _, holder := range []string{"ann", "bob"} {
		shown, labels := map[string]bool{}, map[string]int{}
		for i := range 6 {
			it, err := showGolden(t, d, "q", holder, fmt.Sprint("r", i))
			if err != nil {
				t.Fatal(err)
			}
			if shown[it.Golden] {
				t.Errorf("%s was shown question %s twice", holder, it.Golden)
			}
			shown[it.Golden] = true
			labels[it.GoldenAnswer.GetLabel()]++
		}
		if holder == "ann" && (labels["0"] != 3 || labels["1"] != 3) {
			t.Errorf("ann was shown %v; want as many of each, and nothing of hers", labels)
		}
		if holder == "bob" && (labels["0"] < 2 || labels["1"] < 2 || labels["3"] != 1) {
			t.Errorf("bob was shown %v; want as many of each as there are", labels)
		}
	}
	_, err := showGolden(t, d, "z", "ann", "")
	wantError(t, "a queue without questions", err, review.ErrEmpty)
	claim := review.Claim{Queue: "q", Queues: []string{"p"}, Holder: "ann", Now: d.Now(), LeaseFor: minute}
	_, err = d.NextGolden(t.Context(), claim, review.Item{})
	wantError(t, "a queue that isn't allowed", err, review.ErrEmpty)
	for range 10 {
		if _, err = showGolden(t, d, "p", "ann", ""); err != nil {
			break
		}
	}
	if !errors.Is(err, review.ErrEmpty) {
		t.Errorf("the questions don't end: %v", err)
	}
}

func testGoldenGivenBack(t *testing.T, d Driver) {
	addGolden(t, d, golden("q", "1"))
	for _, tc := range []struct {
		name, holder string
		act          func(review.Item, time.Time) review.Act
	}{
		{"released", "ann", func(it review.Item, now time.Time) review.Act { return review.Release{Lease: lease(it), Now: now} }},
		{"skipped", "bob", func(it review.Item, now time.Time) review.Act {
			return review.Skip{Lease: lease(it), Now: now, Reason: "x"}
		}},
		{"escalated", "cid", func(it review.Item, now time.Time) review.Act {
			return review.Escalate{Lease: lease(it), Now: now, Queue: "p", Note: "x"}
		}},
	} {
		it, err := showGolden(t, d, "q", tc.holder, "")
		if err != nil {
			t.Fatal(err)
		}
		got := change(t, d, it.ID, tc.act(it, d.Now()))
		if got.State != candorv1.ReviewState_REVIEW_STATE_WITHDRAWN || !got.Final() || got.Verdict != nil {
			t.Errorf("%s: %+v", tc.name, got)
		}
	}
	left, err := showGolden(t, d, "q", "dan", "")
	if err != nil {
		t.Fatal(err)
	}
	later := left.LeaseUntil.Add(time.Second)
	wantClaim(t, "another, when the lease is over", d, left.ID, "eve", true, later, review.ErrExcluded)
	if next, err := claimNext(t, d, "q", "dan", later); err != nil || next.ID != left.ID {
		t.Errorf("its reviewer gets %s, %v", next.ID, err)
	}
	got := change(t, d, left.ID, review.Expire{Now: left.Deadline, Verdict: Verdict("nobody waits for it")})
	if got.Verdict != nil || got.Release != candorv1.ReleaseState_RELEASE_STATE_RELEASED {
		t.Errorf("expired: %v, %v", got.Verdict, got.Release)
	}
}
