package storetest

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

var ledgerTests = []test{
	{"a record is found, also after a restart", testRecordIsFound},
	{"a queued record is found", testQueuedIsFound},
	{"queued records survive a restart", testQueuedSurvives},
	{"an unknown prediction isn't found", testFindUnknown},
	{"a prediction is recorded once", testRecordedOnce},
	{"a record and its items are stored together or not at all", testRecordIsAtomic},
	{"nobody fails for company", testFailuresAreAlone},
	{"outcomes", testOutcomes},
	{"the clock never goes back", testClock},
}

func testRecordIsFound(t *testing.T, d Driver) {
	var numbers []uint64
	var recs []*candorv1.Record
	before := d.Now()
	for range 3 {
		rec := Accept(uuid.Must(uuid.NewV7()))
		if err := d.Record(t.Context(), rec, nil); err != nil {
			t.Fatal(err)
		}
		recs = append(recs, rec)
	}
	after := d.Now()
	check := func(d Driver) {
		for i, rec := range recs {
			at := time.UnixMicro(rec.GetTimeUs())
			if at.Before(before) || at.After(after) {
				t.Errorf("time %v isn't between %v and %v", at, before, after)
			}
			found, err := d.Find(t.Context(), uuid.UUID(rec.GetPrediction().GetPredictionId()).String())
			if err != nil {
				t.Fatal(err)
			}
			if diff := diff(rec, found.Record); diff != "" {
				t.Errorf("record %d (-want +got):\n%s", i, diff)
			}
			if found.Writer == "" {
				t.Error("the writer is unknown")
			}
			numbers = append(numbers, found.Seq)
		}
	}
	check(d)
	check(d.Reopen(t))
	if want := []uint64{1, 2, 3, 1, 2, 3}; diff(want, numbers) != "" {
		t.Errorf("places in the log: %v, want %v", numbers, want)
	}
}

func testQueuedIsFound(t *testing.T, d Driver) {
	for i := range 200 {
		id := uuid.Must(uuid.NewV7())
		rec := Accept(id)
		rec.TimeUs = 1_790_000_000_000_000 + int64(i)
		if err := d.Enqueue(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		rec = proto.CloneOf(rec)
		if i%20 != 0 {
			continue
		}
		found, err := d.Find(t.Context(), id.String())
		if err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if diff := diff(rec, found.Record); diff != "" {
			t.Errorf("record %d (-want +got):\n%s", i, diff)
		}
	}
}

func testQueuedSurvives(t *testing.T, d Driver) {
	var all []uuid.UUID
	for range 500 {
		id := uuid.Must(uuid.NewV7())
		if err := d.Enqueue(t.Context(), Accept(id)); err != nil {
			t.Fatal(err)
		}
		all = append(all, id)
	}
	d = d.Reopen(t)
	for _, id := range all {
		if _, err := d.Find(t.Context(), id.String()); err != nil {
			t.Fatal(err)
		}
	}
}

func testFindUnknown(t *testing.T, d Driver) {
	for _, id := range []string{uuid.NewString(), "", "x", "../../etc/passwd"} {
		_, err := d.Find(t.Context(), id)
		wantError(t, fmt.Sprintf("Find %q", id), err, audit.ErrNotFound)
	}
}

func testRecordedOnce(t *testing.T, d Driver) {
	id := uuid.Must(uuid.NewV7())
	if err := d.Record(t.Context(), Accept(id), nil); err != nil {
		t.Fatal(err)
	}
	if err := d.Record(t.Context(), Accept(id), nil); err == nil {
		t.Error("a second record of one prediction was accepted")
	}
	for name, rec := range map[string]*candorv1.Record{
		"nothing":   nil,
		"no entry":  {},
		"a limit":   {Entry: &candorv1.Record_Limit{Limit: &candorv1.LimitRecord{}}},
		"no id":     {Entry: &candorv1.Record_Prediction{Prediction: &candorv1.PredictionRecord{}}},
		"not UTF-8": {Entry: &candorv1.Record_Prediction{Prediction: &candorv1.PredictionRecord{PredictionId: make([]byte, 16), Model: "\xff"}}},
	} {
		if err := d.Record(t.Context(), rec, nil); err == nil {
			t.Errorf("Record accepted %s", name)
		}
		if err := d.Enqueue(t.Context(), rec); err == nil {
			t.Errorf("Enqueue accepted %s", name)
		}
	}
}

func testRecordIsAtomic(t *testing.T, d Driver) {
	taken := put(t, d, "q", 1, nil)[0]
	for _, tc := range []struct {
		name  string
		spoil func(*candorv1.Record, []review.Item)
	}{
		{"an id that is taken", func(_ *candorv1.Record, it []review.Item) { it[2].ID = taken.ID }},
		{"one id twice", func(_ *candorv1.Record, it []review.Item) { it[2].ID = it[1].ID }},
		{"no id", func(_ *candorv1.Record, it []review.Item) { it[2].ID = "" }},
		{"an id in capitals", func(_ *candorv1.Record, it []review.Item) { it[2].ID = "0199AF00-0000-7000-8000-000000000000" }},
		{"another prediction", func(_ *candorv1.Record, it []review.Item) { it[2].PredictionID = uuid.NewString() }},
		{"a row that isn't there", func(_ *candorv1.Record, it []review.Item) { it[2].Row = 3 }},
		{"a field that isn't there", func(_ *candorv1.Record, it []review.Item) { it[2].Field = "total" }},
		{"a field of another row", func(r *candorv1.Record, it []review.Item) {
			r.GetPrediction().Rows[0].Field, r.GetPrediction().Rows[1].Field = "vendor", "total"
			r.GetPrediction().Rows[2].Field, r.GetPrediction().Rows[2].Row = "vendor", 1
			it[0].Field, it[1].Row, it[1].Field = "vendor", 0, "total"
			it[2].Row, it[2].Field = 1, "total"
		}},
		{"no queue", func(_ *candorv1.Record, it []review.Item) { it[2].Queue = "" }},
		{"a loss below 0", func(_ *candorv1.Record, it []review.Item) { it[2].ExpectedLoss = -1 }},
		{"a loss that isn't a number", func(_ *candorv1.Record, it []review.Item) { it[2].ExpectedLoss = math.NaN() }},
		{"an endless loss", func(_ *candorv1.Record, it []review.Item) { it[2].ExpectedLoss = math.Inf(1) }},
		{"a probability of 0", func(_ *candorv1.Record, it []review.Item) { it[2].SamplingProbability = 0 }},
		{"a probability above 1", func(_ *candorv1.Record, it []review.Item) { it[2].SamplingProbability = 1.1 }},
		{"no deadline", func(_ *candorv1.Record, it []review.Item) { it[2].Deadline = time.Time{} }},
		{"a default that isn't a number", func(_ *candorv1.Record, it []review.Item) { it[2].DefaultValue = proto.Float64(math.NaN()) }},
		{"a wrong digest", func(_ *candorv1.Record, it []review.Item) { it[2].Payload.Sha256 = "00" }},
		{"another digest in the record", func(r *candorv1.Record, _ []review.Item) {
			r.GetPrediction().Rows[2].PayloadSha256 = make([]byte, 32)
		}},
		{"another item in the record", func(r *candorv1.Record, _ []review.Item) {
			r.GetPrediction().Rows[2].ReviewItem = make([]byte, 16)
		}},
		{"text that isn't UTF-8", func(_ *candorv1.Record, it []review.Item) { it[2].Labels = []string{"\xff"} }},
		{"one certificate twice", func(_ *candorv1.Record, it []review.Item) {
			it[2].Sequences = append(it[2].Sequences, it[2].Sequences...)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rec, items := Deferral(d.Now(), "q", 3)
			tc.spoil(rec, items)
			if err := d.Record(t.Context(), rec, items); err == nil {
				t.Fatal("accepted")
			}
			_, err := d.Find(t.Context(), uuid.UUID(rec.GetPrediction().GetPredictionId()).String())
			wantError(t, "Find", err, audit.ErrNotFound)
			_, err = d.Get(t.Context(), items[0].ID)
			wantError(t, "Get of a good item", err, review.ErrNotFound)
		})
	}
	page, err := d.List(t.Context(), review.Filter{Limit: 10})
	if err != nil || len(page.Items) != 1 || page.Pending != 1 {
		t.Errorf("listed %d items, %d pending (%v); want the first alone", len(page.Items), page.Pending, err)
	}
	// A model that nobody has seen: what was learned of it in the refused transaction is gone with it.
	rec, items := Deferral(d.Now(), "q", 1)
	rec.GetPrediction().Model = "new"
	again := proto.CloneOf(rec)
	items[0].ID = taken.ID
	if err := d.Record(t.Context(), rec, items); err == nil {
		t.Fatal("a taken id was accepted")
	}
	if err := d.Record(t.Context(), again, nil); err != nil {
		t.Fatal(err)
	}
	sum, err := d.Summarize(t.Context(), audit.Query{Since: d.Now().Add(-time.Hour), Until: d.Now().Add(time.Hour), Model: "new"})
	if err != nil || sum.Total != 1 {
		t.Errorf("%d decisions of the new model are counted (%v), want 1", sum.Total, err)
	}
	found, err := d.Find(t.Context(), uuid.UUID(rec.GetPrediction().GetPredictionId()).String())
	if err != nil || found.Seq != 2 {
		t.Errorf("the log goes on at %d (%v); what was refused must leave no gap: want 2", found.Seq, err)
	}
}

// Calls at the same time may share a commit; one that is refused must not take others along, nor stay behind in the log.
func testFailuresAreAlone(t *testing.T, d Driver) {
	taken := uuid.Must(uuid.NewV7())
	if err := d.Record(t.Context(), Accept(taken), nil); err != nil {
		t.Fatal(err)
	}
	const callers, each = 8, 10
	good := make([][]uuid.UUID, callers)
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				id := uuid.Must(uuid.NewV7())
				if i%2 == 1 {
					if err := d.Record(t.Context(), Accept(taken), nil); err == nil {
						t.Error("a prediction was recorded twice")
					}
					continue
				}
				if err := d.Record(t.Context(), Accept(id), nil); err != nil {
					t.Errorf("a good record: %v", err)
				}
				good[c] = append(good[c], id)
			}
		})
	}
	wg.Wait()
	places := map[uint64]bool{1: true}
	for _, list := range good {
		for _, id := range list {
			found, err := d.Find(t.Context(), id.String())
			if err != nil {
				t.Fatal(err)
			}
			places[found.Seq] = true
		}
	}
	for i := range uint64(1 + callers*each/2) {
		if !places[i+1] {
			t.Errorf("the log has a gap at %d", i+1)
		}
	}
}

func testOutcomes(t *testing.T, d Driver) {
	id := uuid.Must(uuid.NewV7())
	outcome := func(row uint32, label, request string) *candorv1.OutcomeRecord {
		return &candorv1.OutcomeRecord{PredictionId: id[:], Row: row, Label: label, RequestId: request, ObserveTimeUs: 5}
	}
	wantError(t, "an outcome of nothing", d.RecordOutcome(t.Context(), outcome(0, "1", "r")), audit.ErrNotFound)
	if err := d.Enqueue(t.Context(), Accept(id)); err != nil {
		t.Fatal(err)
	}
	// The record may still be queued.
	for _, o := range []*candorv1.OutcomeRecord{outcome(0, "1", "a"), outcome(0, "2", "b"), outcome(0, "3", "a"), outcome(0, "1", "a")} {
		if err := d.RecordOutcome(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, "a row that isn't there", d.RecordOutcome(t.Context(), outcome(1, "1", "c")), audit.ErrNotFound)
	if err := d.RecordOutcome(t.Context(), outcome(0, "1", "")); err == nil {
		t.Error("an outcome without a request id was accepted")
	}
	for range 2 {
		got, err := d.Outcomes(t.Context(), id.String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := diff([]*candorv1.OutcomeRecord{outcome(0, "1", "a"), outcome(0, "2", "b")}, got); diff != "" {
			t.Errorf("outcomes (-want +got):\n%s", diff)
		}
		d = d.Reopen(t)
	}
	if got, err := d.Outcomes(t.Context(), uuid.NewString()); len(got) != 0 || err != nil && !errors.Is(err, audit.ErrNotFound) {
		t.Errorf("outcomes of nothing: %v, %v", got, err)
	}
}

func testClock(t *testing.T, d Driver) {
	last := d.Now()
	for range 3 {
		for range 1000 {
			now := d.Now()
			if now.Before(last) {
				t.Fatalf("the clock went from %v back to %v", last, now)
			}
			if now.Nanosecond()%1000 != 0 || now.Location() != time.UTC {
				t.Fatalf("%v isn't in whole microseconds UTC", now)
			}
			last = now
		}
		d = d.Reopen(t)
	}
	if off := time.Since(last).Abs(); off > time.Hour {
		t.Errorf("a fresh store's clock is %v off", off)
	}
}
