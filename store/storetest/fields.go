package storetest

import (
	"testing"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// Rows with several fields have an item, a final answer and ground truth for each.
func testFields(t *testing.T, d Driver) {
	rec, items := Deferral(d.Now(), "q", 4)
	for i, r := range rec.GetPrediction().GetRows() {
		r.Row, r.Field = uint32(i/2), []string{"vendor", "total"}[i%2]
		items[i].Row, items[i].Field = r.GetRow(), r.GetField()
	}
	prediction := items[0].PredictionID
	if err := d.Record(t.Context(), rec, items); err != nil {
		t.Fatal(err)
	}
	for i, r := range rec.GetPrediction().GetRows() {
		if item := uuid.MustParse(items[i].ID); uuid.UUID(r.GetReviewItem()) != item || len(r.GetPayloadSha256()) == 0 {
			t.Errorf("row %d, field %s has the review item %x", r.GetRow(), r.GetField(), r.GetReviewItem())
		}
	}
	now := d.Now()
	done := finish(t, d, items[3].ID, "ann", "1", now)
	id := uuid.MustParse(prediction)
	outcome := func(row uint32, field string) *candorv1.OutcomeRecord {
		return &candorv1.OutcomeRecord{PredictionId: id[:], Row: row, Field: field, Label: "1", RequestId: field, ObserveTimeUs: 5}
	}
	if err := d.RecordOutcome(t.Context(), outcome(1, "vendor")); err != nil {
		t.Fatal(err)
	}
	for _, o := range []*candorv1.OutcomeRecord{outcome(2, "total"), outcome(0, "iban"), {PredictionId: id[:], Label: "1", RequestId: "none"}} {
		wantError(t, "an outcome of a field that isn't there", d.RecordOutcome(t.Context(), o), audit.ErrNotFound)
	}
	for range 2 {
		for i := range items {
			if it := get(t, d, items[i].ID); it.Row != items[i].Row || it.Field != items[i].Field {
				t.Errorf("item %d is of row %d, field %q, want row %d, field %q", i, it.Row, it.Field, items[i].Row, items[i].Field)
			}
		}
		page, err := d.List(t.Context(), review.Filter{PredictionID: prediction, Limit: 10})
		if err != nil || len(page.Items) != 4 {
			t.Errorf("%d items, %v", len(page.Items), err)
		}
		finals, err := d.Finals(t.Context(), 0, 10)
		if err != nil || len(finals) != 1 || finals[0].Item.Field != "total" || finals[0].Item.Row != 1 || finals[0].Item.ID != done.ID {
			t.Errorf("finals %v, %v", finals, err)
		}
		got, err := d.Outcomes(t.Context(), prediction)
		if diff := diff([]*candorv1.OutcomeRecord{outcome(1, "vendor")}, got); err != nil || diff != "" {
			t.Errorf("outcomes (-want +got): %v\n%s", err, diff)
		}
		stored, err := d.Find(t.Context(), prediction)
		if err != nil || audit.Find(stored.Record.GetPrediction(), 1, "total") != 3 {
			t.Errorf("record %v, %v", stored.Record, err)
		}
		d = d.Reopen(t)
	}
}
