package gateway_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// state is an operator's word on what an item's answer comes to.
func (w *world) state(token, item, requestID string, inputs ...*candorv1.LimitInput) (*candorv1.ReviewItem, error) {
	resp, err := w.limits().StateLimitInputs(as(token), &candorv1.StateLimitInputsRequest{
		ReviewItem: item, Inputs: inputs, Reason: "by the invoice", RequestId: requestID,
	})
	return resp.GetItem(), err
}

// looked is a store that counts how often held answers were looked for.
type looked struct {
	review.Store
	turns atomic.Int64
}

func (s *looked) Held(ctx context.Context, except []string, after review.HeldPlace, limit int) ([]review.Item, error) {
	s.turns.Add(1)
	return s.Store.Held(ctx, except, after, limit)
}

// An item from before its limit asked for an amount and a key is held, says what is wanted, and leaves when an operator has said it: counted
// like any other, by the limit of its key, and with who said it on record.
func TestItemFromBeforeItsLimit(t *testing.T) {
	const limit = `spent: {action: decline, window: 1h, on_trip: review, sum: {amount: {parameter: cents}, unit: USD cents, max: 2000}, key: {parameter: merchant}}`
	store := &looked{}
	w := startWith(t, options{deps: func(d *gateway.Deps) {
		store.Store = d.Reviews
		d.Reviews = store
	}})
	first, _ := w.deferOne(deferredRow)
	second, _ := w.deferOne(deferredRow)
	w.stop()
	w.yaml += "\nlimits: {" + limit + "}\n"
	w.run()
	item := w.resolve(reviewerToken, first, "bad")
	if item.GetReleaseState() != candorv1.ReleaseState_RELEASE_STATE_HELD || item.GetHeldBy() != "limits/spent" || len(item.GetLimitWants()) != 2 {
		t.Fatalf("answered: %v", item)
	}
	amount, key := item.GetLimitWants()[0], item.GetLimitWants()[1]
	if amount.GetSource() != "parameter:cents" || amount.GetUnit() != "USD cents" || amount.GetKey() || amount.GetLimit() != "limits/spent" ||
		key.GetSource() != "parameter:merchant as key" || !key.GetKey() || !strings.Contains(key.GetProblem(), "didn't ask for it yet") {
		t.Errorf("wants %v", item.GetLimitWants())
	}
	if l := w.limit("spent"); l.GetTripped() || l.GetUsed() != 0 {
		t.Errorf("limit %v", l)
	}

	cents := func(n int64) *candorv1.LimitInput { return &candorv1.LimitInput{Source: "parameter:cents", Amount: n} }
	merchant := &candorv1.LimitInput{Source: "parameter:merchant as key", Key: []byte("acme")}
	for says, in := range map[string]*candorv1.LimitInput{
		"the limits don't want \"parameter:fee\"": {Source: "parameter:fee", Amount: 1},
		"it is a key; send key":                   {Source: "parameter:merchant as key", Amount: 1},
		"it is an amount; send amount":            {Source: "parameter:cents", Key: []byte("x")},
		"send 0 to":                               {Source: "parameter:cents", Amount: -1},
	} {
		_, err := w.state(operatorToken, first, "bad", in)
		wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v, want %q", in, err, says)
		}
	}
	_, err := w.state(reviewerToken, first, "r", cents(700))
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	_, err = w.state(operatorToken, "reviewItems/01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11", "r", cents(700))
	wantError(t, err, codes.NotFound, "REVIEW_ITEM_NOT_FOUND")

	// Half of it is not enough, and can be said again.
	half, err := w.state(operatorToken, first, "s1", cents(7))
	if err != nil || half.GetReleaseState() != candorv1.ReleaseState_RELEASE_STATE_HELD || len(half.GetLimitWants()) != 1 {
		t.Fatalf("half is stated: %v, %v", half, err)
	}
	for range 2 { // A retry answers the same.
		done, err := w.state(operatorToken, first, "s2", cents(700), merchant)
		if err != nil || done.GetReleaseState() != candorv1.ReleaseState_RELEASE_STATE_RELEASED || done.GetHeldBy() != "" || len(done.GetLimitWants()) != 0 {
			t.Fatalf("all is stated: %v, %v", done, err)
		}
	}
	used := func(name string) int64 {
		got, err := w.limits().GetLimit(as(auditorToken), &candorv1.GetLimitRequest{Name: "limits/" + name})
		if err != nil {
			t.Fatal(err)
		}
		return got.GetLimit().GetUsed()
	}
	w.eventually(func() bool { return used("spent/keys/acme") == 700 })
	_, err = w.state(operatorToken, first, "s3", cents(1))
	wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")

	// What doesn't fit trips the limit, as it would have at the time, and is let out by a reset.
	if item := w.resolve(reviewerToken, second, "bad"); len(item.GetLimitWants()) != 2 {
		t.Fatalf("answered: %v", item)
	}
	held, err := w.state(operatorToken, second, "s4", cents(1900), merchant)
	if err != nil || held.GetReleaseState() != candorv1.ReleaseState_RELEASE_STATE_HELD || len(held.GetLimitWants()) != 0 {
		t.Fatalf("more than fits is stated: %v, %v", held, err)
	}
	if held.GetHeldBy() != "limits/spent/keys/acme" {
		t.Errorf("held by %q", held.GetHeldBy())
	}
	acme := func() *candorv1.Limit {
		got, err := w.limits().GetLimit(as(auditorToken), &candorv1.GetLimitRequest{Name: "limits/spent/keys/acme"})
		if err != nil {
			t.Fatal(err)
		}
		return got.GetLimit()
	}
	before := acme()
	if !before.GetTripped() || before.GetWithheldSinceTrip() == 0 {
		t.Errorf("limit %v", before)
	}
	// One whole turn lies between the first and the third after this.
	turns := store.turns.Load()
	w.eventually(func() bool { return store.turns.Load() >= turns+3 })
	if after := acme(); after.GetWithheldSinceTrip() != before.GetWithheldSinceTrip() {
		t.Errorf("%d answers are withheld, and then %d", before.GetWithheldSinceTrip(), after.GetWithheldSinceTrip())
	}
	w.stop()
	stated := statedOf(t, w)
	if len(stated) != 1 || stated[0] != "parameter:cents 700 USD cents by olga, parameter:merchant as key acme by olga" {
		t.Errorf("the log has %q", stated)
	}
}

// Answers that their limit can't count don't keep those behind them, of the same limit, from leaving after its reset, however many they are.
func TestUncountableAnswersStandBeforeNobody(t *testing.T) {
	w := start(t)
	predictions := w.predict(unsureRows(256))
	other, _ := w.deferOne(deferredRow)
	last, _ := w.deferOne(deferredRow)
	w.stop()
	w.yaml += "\nlimits: {spent: {action: decline, window: 1h, on_trip: review, sum: {amount: {parameter: cents}, unit: USD cents, max: 2000}}}\n"
	w.run()
	get := func(name string) *candorv1.ReviewItem {
		got, err := w.reviews().GetReviewItem(as(operatorToken), &candorv1.GetReviewItemRequest{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		return got.GetItem()
	}
	// Where the work beside the calls is first to end an item, the reviewer is told before it is held.
	answer := func(name string) {
		w.resolve(reviewerToken, name, "bad")
		w.eventually(func() bool { return get(name).GetHeldBy() == "limits/spent" })
	}
	var answered sync.WaitGroup
	for part := range slices.Chunk(predictions, 32) {
		answered.Go(func() {
			for _, p := range part {
				answer(p.GetDecision().GetReviewItem())
			}
		})
	}
	answered.Wait()
	stated := func(name, request string, cents int64) *candorv1.ReviewItem {
		item, err := w.state(operatorToken, name, request, &candorv1.LimitInput{Source: "parameter:cents", Amount: cents})
		if err != nil || item.GetHeldBy() != "limits/spent" || len(item.GetLimitWants()) != 0 {
			t.Fatalf("%d are stated: %v, %v", cents, item, err)
		}
		return item
	}
	answer(other)
	stated(other, "s1", 2500) // trips it
	stated(other, "s2", 5)
	answer(last)
	stated(last, "s3", 7)
	if _, err := w.reset(operatorToken, "spent", "r1"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{other, last} {
		w.eventually(func() bool { return get(name).GetReleaseState() == candorv1.ReleaseState_RELEASE_STATE_RELEASED })
	}
	if l := w.limit("spent"); l.GetTripped() || l.GetUsed()-l.GetLeased() != 12 {
		t.Errorf("limit %v", l)
	}
}

// statedOf are the amounts and keys in the world's log that people have stated, of each verdict that was released.
func statedOf(t *testing.T, w *world) []string {
	t.Helper()
	var out []string
	for rec := range w.log() {
		v := rec.GetVerdict()
		if v.GetReleaseState() != candorv1.ReleaseState_RELEASE_STATE_RELEASED {
			continue
		}
		var each []string
		for _, in := range v.GetLimitInputs() {
			text := in.GetSource() + " " + string(in.GetKey())
			if len(in.GetKey()) == 0 {
				text = fmt.Sprintf("%s %d %s", in.GetSource(), in.GetAmount(), in.GetUnit())
			}
			each = append(each, text+" by "+in.GetStatedBy())
		}
		out = append(out, strings.Join(each, ", "))
	}
	return out
}
