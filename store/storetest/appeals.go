package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

var appealTests = []test{
	{"an answer is disputed", testAppeal},
	{"what can't be appealed", testAppealRefuses},
}

// appealOf is an appeal of an item's answer, as a gateway makes it.
func appealOf(it review.Item, now time.Time) review.Item {
	return review.Item{
		ID: uuid.Must(uuid.NewV7()).String(), Queue: "appeals", PredictionID: it.PredictionID, Row: it.Row, Field: it.Field, Model: it.Model,
		Backend: it.Backend, ModelVersion: it.ModelVersion, Consumer: it.Consumer, Reasons: []candorv1.Reason{candorv1.Reason_REASON_APPEAL},
		Created: now, Deadline: now.Add(time.Hour), SamplingProbability: 1, Labels: it.Labels, AppealReason: "it was an 8",
		Excluded: []review.Exclusion{{Reviewer: "ann"}}, Superseded: []*candorv1.Verdict{it.Verdict}, Wanted: 1, Agree: 1,
	}
}

func testAppeal(t *testing.T, d Driver) {
	now := d.Now()
	first := finish(t, d, put(t, d, "q", 1, nil)[0].ID, "ann", "3", now)
	made := appealOf(first, now)
	got, err := d.Appeal(t.Context(), made, "shop", "r")
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != made.ID || got.Kind != candorv1.ReviewKind_REVIEW_KIND_APPEAL || got.Release != candorv1.ReleaseState_RELEASE_STATE_HELD ||
		got.State != candorv1.ReviewState_REVIEW_STATE_PENDING || got.AppealReason != made.AppealReason || len(got.Superseded) != 1 {
		t.Errorf("the appeal: %+v", got)
	}
	if diff := diff(first.Payload, got.Payload); diff != "" || got.Payload == nil {
		t.Errorf("its payload (-earlier +appeal):\n%s", diff)
	}
	events, err := d.Events(t.Context(), got.ID, 0, 10)
	if err != nil || len(events) != 1 || events[0].Actor != "shop" || events[0].Note != made.AppealReason {
		t.Errorf("events %v, %v", events, err)
	}
	d = d.Reopen(t)
	if diff := diff(got, get(t, d, got.ID)); diff != "" {
		t.Errorf("answered and stored (-answered +stored):\n%s", diff)
	}
	again, err := d.Appeal(t.Context(), appealOf(first, now), "shop", "r")
	if err != nil || again.ID != got.ID || !again.Repeated {
		t.Errorf("the same request: %s, repeated %t, %v; want %s", again.ID, again.Repeated, err, got.ID)
	}
	_, err = d.Appeal(t.Context(), appealOf(first, now), "shop", "another")
	var under *review.AppealedError
	if !errors.As(err, &under) || under.Item != got.ID || !errors.Is(err, review.ErrAppealed) {
		t.Errorf("another appeal: %v", err)
	}
	_, err = d.Next(t.Context(), review.Claim{Queue: "appeals", Holder: "ann", Senior: true, Now: now, LeaseFor: minute})
	wantError(t, "the one whose verdict it is about", err, review.ErrEmpty)
	final := finish(t, d, got.ID, "bob", "8", now)
	finals, err := d.Finals(t.Context(), 0, 10)
	if err != nil || len(finals) != 2 || finals[1].Item.ID != final.ID || finals[1].Item.Verdict.GetLabel() != "8" {
		t.Errorf("finals %v, %v", finals, err)
	}
	second, err := d.Appeal(t.Context(), appealOf(first, now), "shop", "third")
	if err != nil || second.Payload == nil {
		t.Errorf("an appeal after the first one ended: %v, %v", second.Payload, err)
	}
}

func testAppealRefuses(t *testing.T, d Driver) {
	now := d.Now()
	rec, items := Deferral(now, "q", 2)
	for i, r := range rec.GetPrediction().GetRows() {
		r.Row, r.Field = 0, []string{"vendor", "total"}[i]
		items[i].Row, items[i].Field = 0, r.Field
	}
	if err := d.Record(t.Context(), rec, items); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Appeal(t.Context(), appealOf(items[0], now), "shop", "r1"); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Appeal(t.Context(), appealOf(items[1], now), "shop", "r2"); err != nil {
		t.Errorf("another field of the row: %v", err)
	}
	for name, spoil := range map[string]func(*review.Item){
		"no queue":         func(it *review.Item) { it.Queue = "" },
		"no id":            func(it *review.Item) { it.ID = "" },
		"no prediction":    func(it *review.Item) { it.PredictionID = "" },
		"no deadline":      func(it *review.Item) { it.Deadline = time.Time{} },
		"an id in use":     func(it *review.Item) { it.ID = items[0].ID },
		"too much to want": func(it *review.Item) { it.Agree = 2 },
	} {
		it := appealOf(items[0], now)
		it.PredictionID = uuid.NewString()
		spoil(&it)
		if _, err := d.Appeal(t.Context(), it, "shop", name); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	// An answer that nobody reviewed has no payload to show.
	bare := appealOf(items[0], now)
	bare.PredictionID = uuid.NewString()
	if got, err := d.Appeal(t.Context(), bare, "shop", "bare"); err != nil || got.Payload != nil {
		t.Errorf("without an earlier item: %v, %v", got.Payload, err)
	}
}
