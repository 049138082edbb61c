package review_test

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// freshItem is the least that a store takes, and the record of its decision.
func freshItem() (*candorv1.PredictionRecord, review.Item) {
	id, prediction := uuid.New(), uuid.New()
	at := time.Date(2026, 11, 20, 12, 0, 0, 999, time.FixedZone("", 3600))
	return &candorv1.PredictionRecord{PredictionId: prediction[:], Rows: []*candorv1.RowRecord{{}}}, review.Item{
		ID: id.String(), PredictionID: prediction.String(), Queue: "q", SamplingProbability: 1, Created: at, Deadline: at.Add(time.Hour),
	}
}

// A new item is pending and unjudged whatever it says, and the record learns of it.
func TestFreshOf(t *testing.T) {
	p, it := freshItem()
	it.State, it.Holder, it.Epoch = candorv1.ReviewState_REVIEW_STATE_CLAIMED, "ann", 7
	it.Verdicts, it.FinalTime, it.JoinedTo = []*candorv1.Verdict{{}}, it.Created, "x"
	it.Payload = &candorv1.ReviewPayload{}
	n, err := review.FreshOf(p, it)
	if err != nil {
		t.Fatal(err)
	}
	if n.State != candorv1.ReviewState_REVIEW_STATE_PENDING || n.Holder != "" || n.Epoch != 0 || n.Verdicts != nil || n.Final() || n.JoinedTo != "" {
		t.Errorf("a new item is %+v", n.Item)
	}
	if n.Release != candorv1.ReleaseState_RELEASE_STATE_HELD || n.Wanted != 1 || n.Agree != 1 || n.Revision != 1 {
		t.Errorf("a new item is released %v, with %d of %d, revision %d", n.Release, n.Agree, n.Wanted, n.Revision)
	}
	if n.Created.Nanosecond() != 0 || n.Created.Location() != time.UTC {
		t.Errorf("created at %v, want whole microseconds in UTC", n.Created)
	}
	if n.Data == nil || len(n.Sum) != 32 {
		t.Errorf("an empty payload is kept as %v with digest %x: it would count as removed", n.Data, n.Sum)
	}
	if id := uuid.MustParse(it.ID); !bytes.Equal(p.Rows[0].ReviewItem, id[:]) || !bytes.Equal(p.Rows[0].PayloadSha256, n.Sum) {
		t.Errorf("the record's row is %v", p.Rows[0])
	}
}

func TestFreshOfRefuses(t *testing.T) {
	nan := math.NaN()
	for want, spoil := range map[string]func(*candorv1.PredictionRecord, *review.Item){
		"kind is":               func(_ *candorv1.PredictionRecord, it *review.Item) { it.Kind = candorv1.ReviewKind_REVIEW_KIND_GOLDEN },
		"in lower case":         func(_ *candorv1.PredictionRecord, it *review.Item) { it.ID = strings.ToUpper(uuid.NewString()) },
		"prediction_id":         func(_ *candorv1.PredictionRecord, it *review.Item) { it.PredictionID = "x" },
		"isn't the record's":    func(p *candorv1.PredictionRecord, _ *review.Item) { p.PredictionId[0] ^= 1 },
		"the record has 1 rows": func(_ *candorv1.PredictionRecord, it *review.Item) { it.Row = 1 },
		"another review_item":   func(p *candorv1.PredictionRecord, _ *review.Item) { p.Rows[0].ReviewItem = make([]byte, 16) },
		"another payload": func(p *candorv1.PredictionRecord, it *review.Item) {
			it.Payload, p.Rows[0].PayloadSha256 = &candorv1.ReviewPayload{}, make([]byte, 32)
		},
		"queue is empty":       func(_ *candorv1.PredictionRecord, it *review.Item) { it.Queue = "" },
		"expected_loss":        func(_ *candorv1.PredictionRecord, it *review.Item) { it.ExpectedLoss = math.Inf(1) },
		"sampling_probability": func(_ *candorv1.PredictionRecord, it *review.Item) { it.SamplingProbability = nan },
		"created and deadline": func(_ *candorv1.PredictionRecord, it *review.Item) { it.Deadline = time.Time{} },
		"default_value":        func(_ *candorv1.PredictionRecord, it *review.Item) { it.DefaultValue = &nan },
		"no more than wanted":  func(_ *candorv1.PredictionRecord, it *review.Item) { it.Agree = 2 },
		": tolerance":          func(_ *candorv1.PredictionRecord, it *review.Item) { it.Tolerance = -1 },
		"golden_tolerance":     func(_ *candorv1.PredictionRecord, it *review.Item) { it.GoldenTolerance = nan },
		"join.key":             func(_ *candorv1.PredictionRecord, it *review.Item) { it.Join = &review.Join{Key: []byte("short")} },
		"name everyone once": func(_ *candorv1.PredictionRecord, it *review.Item) {
			it.Excluded = []review.Exclusion{{Reviewer: "ann"}, {Reviewer: "ann"}}
		},
		"twice": func(_ *candorv1.PredictionRecord, it *review.Item) {
			it.Sequences = []review.Sequence{{Certificate: "c"}, {Certificate: "c"}}
		},
	} {
		p, it := freshItem()
		spoil(p, &it)
		if _, err := review.FreshOf(p, it); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
}
