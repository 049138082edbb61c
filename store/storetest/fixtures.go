package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// Accept is the record of one accepted row, as a gateway makes it.
func Accept(id uuid.UUID) *candorv1.Record {
	return &candorv1.Record{Entry: &candorv1.Record_Prediction{Prediction: &candorv1.PredictionRecord{
		PredictionId: id[:], Consumer: "shop", Model: "digits", Mode: candorv1.Mode_MODE_ENFORCE,
		PolicyDigest: []byte("8 bytes!"), DurationUs: 1234,
		ConfidenceMethod: candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB,
		Stages:           []*candorv1.StageRecord{{Stage: "small", Version: "3", DurationUs: 1100, Attempts: 1, Rows: 1}},
		Rows: []*candorv1.RowRecord{{
			Route: candorv1.Route_ROUTE_ACCEPT, AppliedRoute: candorv1.Route_ROUTE_ACCEPT,
			Reasons:       []candorv1.Reason{candorv1.Reason_REASON_CONFIDENT},
			ConfidencePpm: proto.Uint32(991_000), ThresholdPpm: proto.Uint32(900_000),
			Label: "7", Action: "approve", AnsweredBy: 1, State: candorv1.AnswerState_ANSWER_STATE_FINAL,
		}},
	}}}
}

// Deferral is a record with n deferred rows, and their items, of the queue.
func Deferral(now time.Time, queue string, n int) (*candorv1.Record, []review.Item) {
	id := uuid.Must(uuid.NewV7())
	rec := Accept(id)
	p := rec.GetPrediction()
	p.Rows = nil
	items := make([]review.Item, n)
	for i := range items {
		p.Rows = append(p.Rows, &candorv1.RowRecord{
			Route: candorv1.Route_ROUTE_DEFER, AppliedRoute: candorv1.Route_ROUTE_DEFER,
			Reasons: []candorv1.Reason{candorv1.Reason_REASON_LOW_CONFIDENCE}, State: candorv1.AnswerState_ANSWER_STATE_PENDING,
		})
		items[i] = review.Item{
			ID: uuid.Must(uuid.NewV7()).String(), Queue: queue,
			State: candorv1.ReviewState_REVIEW_STATE_PENDING, Release: candorv1.ReleaseState_RELEASE_STATE_HELD,
			PredictionID: id.String(), Row: uint32(i), Model: "digits", Backend: "small", ModelVersion: "3", Consumer: "shop",
			Reasons:      []candorv1.Reason{candorv1.Reason_REASON_LOW_CONFIDENCE, candorv1.Reason_REASON_FALLBACK_EXHAUSTED},
			ExpectedLoss: 0.25, Created: now, Deadline: now.Add(time.Hour),
			OnExpire: candorv1.ExpireAction_EXPIRE_ACTION_DEFAULT, DefaultLabel: "unknown", DefaultValue: proto.Float64(1.5),
			Labels: []string{"0", "1", "line\nbreak", "ü"}, Unit: "EUR",
			Payload: &candorv1.ReviewPayload{Tensors: []*candorv1.PayloadTensor{
				{Name: "image", Datatype: "FP32", Shape: []int64{2, 2}, Values: []float64{0, 1, 2, float64(i)}},
			}},
			Answers: []*candorv1.StageAnswer{
				{Stage: "small", Version: "3", Label: "7", Confidence: proto.Float64(0.6), Probabilities: []float64{0.6, 0.4}},
				{Stage: "ensemble", Label: "1", Value: proto.Float64(-1)},
			},
			Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", SamplingProbability: 1,
			Sequences: []review.Sequence{{
				Certificate: "a/" + uuid.NewString(), Probability: 0.5, Least: 0.25, Confidence: math.Nextafter(0.3, 1), Label: "7",
				Value: proto.Float64(1.0 / 3), Accepted: true, Foreign: true,
			}},
			LimitInputs: []*candorv1.LimitInput{
				{Source: "parameter:cents", Amount: 250}, {Source: "input:x[3] as key", Key: []byte{0xff, 0}}, {Source: "parameter:p", Fault: "is missing"},
			},
			PolicyDigest: []byte("8 bytes!"), Kind: candorv1.ReviewKind_REVIEW_KIND_DEFERRED, Wanted: 1, Agree: 1, Revision: 1,
		}
	}
	return rec, items
}

// Verdict says label.
func Verdict(label string) *candorv1.Verdict {
	return &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: label}, Reason: "looked at it", Note: "twice"}
}

// put stores n items of a queue in one record; change, when given, is applied to each before.
func put(t *testing.T, d Driver, queue string, n int, change func(i int, it *review.Item)) []review.Item {
	t.Helper()
	rec, items := Deferral(d.Now(), queue, n)
	for i := range items {
		if change != nil {
			change(i, &items[i])
		}
	}
	if err := d.Record(t.Context(), rec, items); err != nil {
		t.Fatalf("Record: %v", err)
	}
	return items
}

// claimNext claims the next item of a queue for a minute.
func claimNext(t *testing.T, d Driver, queue, holder string, now time.Time) (review.Item, error) {
	t.Helper()
	return d.Next(t.Context(), review.Claim{Queue: queue, Holder: holder, Now: now, LeaseFor: minute})
}

// claimID claims one item for a minute, as a senior, and must succeed.
func claimID(t *testing.T, d Driver, id, holder string, now time.Time) review.Item {
	t.Helper()
	it, err := d.Next(t.Context(), review.Claim{ID: id, Holder: holder, Senior: true, Now: now, LeaseFor: minute})
	if err != nil {
		t.Fatalf("Next of %s: %v", id, err)
	}
	return it
}

func minute(string) time.Duration { return time.Minute }

func lease(it review.Item) review.Lease { return review.Lease{Holder: it.Holder, Epoch: it.Epoch} }

// resolve is a verdict without a window.
func resolve(it review.Item, now time.Time, label, request string) review.Resolve {
	return review.Resolve{Lease: lease(it), Now: now, Verdict: Verdict(label), RequestID: request}
}

var out = review.Gated{Release: candorv1.ReleaseState_RELEASE_STATE_RELEASED, Action: "approve"}

// Finish gives a verdict that has no window, and makes it final. The same request again answers the item as it is.
func Finish(ctx context.Context, s review.Store, id string, r review.Resolve, g review.Gated) (review.Item, error) {
	it, err := s.Change(ctx, id, r)
	if err != nil || it.Final() {
		return it, err
	}
	return s.Change(ctx, id, review.Finalize{Now: r.Now, Gated: g})
}

// finish claims an item, gives a verdict and makes it final.
func finish(t *testing.T, d Driver, id, holder, label string, now time.Time) review.Item {
	t.Helper()
	it, err := Finish(t.Context(), d, id, resolve(claimID(t, d, id, holder, now), now, label, "r-"+id), out)
	if err != nil {
		t.Fatalf("finish %s: %v", id, err)
	}
	return it
}

// change applies an act, which must succeed.
func change(t *testing.T, d Driver, id string, a review.Act) review.Item {
	t.Helper()
	it, err := d.Change(t.Context(), id, a)
	if err != nil {
		t.Fatalf("%T: %v", a, err)
	}
	return it
}

// refused applies an act, which must answer an error and leave the item as it is.
func refused(t *testing.T, what string, d Driver, id string, a review.Act, want error) {
	t.Helper()
	before := get(t, d, id)
	_, err := d.Change(t.Context(), id, a)
	wantError(t, what, err, want)
	if diff := diff(before, get(t, d, id)); diff != "" {
		t.Errorf("%s, refused, has changed the item (-before +after):\n%s", what, diff)
	}
}

// happened are the kinds of an item's events.
func happened(t *testing.T, d Driver, id string) (out []candorv1.ReviewEventKind) {
	t.Helper()
	events, err := d.Events(t.Context(), id, 0, 1000)
	if err != nil {
		t.Fatalf("Events of %s: %v", id, err)
	}
	for _, e := range events {
		out = append(out, e.Kind)
	}
	return out
}

func wantState(t *testing.T, what string, it review.Item, want candorv1.ReviewState) {
	t.Helper()
	if it.State != want {
		t.Errorf("%s: %v, want %v", what, it.State, want)
	}
}

func get(t *testing.T, d Driver, id string) review.Item {
	t.Helper()
	it, err := d.Get(t.Context(), id)
	if err != nil {
		t.Fatalf("Get %s: %v", id, err)
	}
	return it
}

func wantError(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

// diff compares items, or anything else that holds protos and times.
func diff(want, got any) string {
	return cmp.Diff(want, got, protocmp.Transform(), cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0))
}

func ids(items []review.Item) string {
	var out []string
	for _, it := range items {
		out = append(out, it.ID)
	}
	return fmt.Sprint(out)
}
