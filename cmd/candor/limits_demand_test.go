package main

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/cmd/candor/internal/stores"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// oneRecord is a log with one prediction.
type oneRecord struct {
	stores.Reader
	record *candorv1.Record
}

func (r oneRecord) Find(context.Context, string) (audit.Stored, error) {
	return audit.Stored{Record: r.record}, nil
}

// An answer that was held counts once: when it was held, or, where its limit couldn't count it then, when it left with what was stated.
func TestDemandOfHeldAnswers(t *testing.T) {
	id := uuid.New()
	prediction := &candorv1.PredictionRecord{PredictionId: id[:], Model: "fraud", Rows: []*candorv1.RowRecord{{ReviewItem: []byte("item")}}}
	cents := func(n int64) []*candorv1.LimitInput {
		return []*candorv1.LimitInput{{Source: "parameter:cents", Amount: n, StatedBy: "olga"}}
	}
	const held, out = candorv1.ReleaseState_RELEASE_STATE_HELD, candorv1.ReleaseState_RELEASE_STATE_RELEASED
	type verdict struct {
		state  candorv1.ReleaseState
		inputs []*candorv1.LimitInput
	}
	for name, tc := range map[string]struct {
		limit               string // that withheld the prediction's own answer
		verdicts            []verdict
		amounts             []int64
		withheld, uncounted int64
	}{
		"let out":                     {"", []verdict{{held, cents(7)}, {out, cents(7)}}, []int64{7}, 1, 0},
		"let out with what is stated": {"", []verdict{{held, nil}, {out, cents(7)}}, []int64{7}, 1, 0},
		"replaced, and let out":       {"", []verdict{{held, nil}, {held, nil}, {out, cents(7)}, {out, cents(7)}}, []int64{7}, 1, 0},
		"still held":                  {"", []verdict{{held, nil}}, nil, 1, 1},
		"let out by another limit":    {"", []verdict{{held, nil}, {out, nil}}, nil, 1, 1},
		"never held":                  {"", []verdict{{out, cents(7)}}, []int64{7}, 0, 0},
		"withheld before":             {"spent", []verdict{{held, nil}, {out, cents(7)}}, []int64{7}, 1, 0},
	} {
		rec := &candorv1.Record{TimeUs: 1, Entry: &candorv1.Record_Prediction{Prediction: prediction}}
		prediction.Rows[0].Limit, prediction.Rows[0].Action = tc.limit, "decline"
		d := &demand{def: limits.Definition{Action: "decline", Amount: "parameter:cents"}, reader: oneRecord{record: rec}}
		d.begin()
		d.prediction(rec, prediction)
		for i, v := range tc.verdicts {
			said := &candorv1.VerdictRecord{PredictionId: id[:], ReleaseState: v.state, Action: "decline", LimitInputs: v.inputs}
			if err := d.verdict(t.Context(), &candorv1.Record{TimeUs: int64(2 + i), Entry: &candorv1.Record_Verdict{Verdict: said}}); err != nil {
				t.Fatal(err)
			}
		}
		var amounts []int64
		for _, o := range d.offers {
			if amounts = append(amounts, o.Amount); !o.At.After(time.UnixMicro(1)) {
				t.Errorf("%s: counted at the time of its prediction, %v", name, o.At)
			}
		}
		if len(amounts) != len(tc.amounts) || len(amounts) > 0 && amounts[0] != tc.amounts[0] || d.withheld != tc.withheld || d.uncounted != tc.uncounted {
			t.Errorf("%s: %v counted, %d withheld, %d uncounted; want %v, %d, %d", name, amounts, d.withheld, d.uncounted, tc.amounts, tc.withheld, tc.uncounted)
		}
	}
}
