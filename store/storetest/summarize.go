package storetest

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

var summarizeTests = []test{{"decisions are counted", testSummarize}, {"bad queries are refused", testSummarizeRefuses}}

func testSummarize(t *testing.T, d Driver) {
	since := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	until := since.Add(2 * time.Hour)
	newest := map[string]string{}
	// record stores one prediction with as many equal rows, an offset from since.
	record := func(offset time.Duration, rows int, change func(*candorv1.PredictionRecord, *candorv1.RowRecord)) {
		t.Helper()
		id := uuid.Must(uuid.NewV7())
		rec := Accept(id)
		rec.TimeUs = since.Add(offset).UnixMicro()
		p := rec.GetPrediction()
		if change != nil {
			change(p, p.Rows[0])
		}
		for range rows - 1 {
			p.Rows = append(p.Rows, p.Rows[0])
		}
		var err error
		if rows%2 == 0 {
			err = d.Record(t.Context(), rec, nil)
		} else {
			err = d.Enqueue(t.Context(), rec)
		}
		if err != nil {
			t.Fatal(err)
		}
		newest[p.Rows[0].Action] = id.String()
	}
	declined := func(p *candorv1.PredictionRecord, r *candorv1.RowRecord) {
		p.Stages = append(p.Stages, &candorv1.StageRecord{Stage: "ensemble", Version: "e1"})
		r.Action, r.Route, r.AnsweredBy = "decline", candorv1.Route_ROUTE_FALLBACK, 2
		r.Reasons = []candorv1.Reason{candorv1.Reason_REASON_LOW_CONFIDENCE, candorv1.Reason_REASON_REMEDIAL}
	}
	rejected := func(p *candorv1.PredictionRecord, r *candorv1.RowRecord) {
		p.Consumer = "bank"
		r.Action, r.Route, r.AnsweredBy, r.Reasons = "", candorv1.Route_ROUTE_REJECT, 0, nil
	}
	record(-2*time.Hour-time.Microsecond, 5, nil) // before the span before
	record(-2*time.Hour, 2, nil)
	record(-time.Microsecond, 3, declined)
	record(0, 4, nil)
	record(time.Hour, 7, declined)
	record(time.Hour, 1, rejected)
	record(2*time.Hour-time.Microsecond, 6, declined)
	example := newest["decline"]
	record(2*time.Hour, 9, nil) // the first instant after the span

	group := func(count, before int64, keys ...string) audit.Group {
		return audit.Group{Keys: keys, Count: count, CountBefore: before}
	}
	const (
		byReason   = candorv1.GroupBy_GROUP_BY_REASON
		byVersion  = candorv1.GroupBy_GROUP_BY_VERSION
		byModel    = candorv1.GroupBy_GROUP_BY_MODEL
		byConsumer = candorv1.GroupBy_GROUP_BY_CONSUMER
		byRoute    = candorv1.GroupBy_GROUP_BY_ROUTE
		byAction   = candorv1.GroupBy_GROUP_BY_ACTION
		byStage    = candorv1.GroupBy_GROUP_BY_STAGE
	)
	for _, tc := range []struct {
		name string
		q    audit.Query
		want audit.Summary
	}{
		{"everything", audit.Query{}, audit.Summary{Groups: []audit.Group{group(18, 5)}, Total: 18, TotalBefore: 5}},
		{"why did declines double", audit.Query{Action: "decline", By: []candorv1.GroupBy{byReason, byVersion}}, audit.Summary{
			Groups: []audit.Group{group(13, 3, "LOW_CONFIDENCE", "e1"), group(13, 3, "REMEDIAL", "e1")}, Total: 13, TotalBefore: 3,
		}},
		{"by route and stage", audit.Query{By: []candorv1.GroupBy{byRoute, byStage}}, audit.Summary{
			Groups: []audit.Group{group(13, 3, "FALLBACK", "ensemble"), group(4, 2, "ACCEPT", "small"), group(1, 0, "REJECT", "")},
			Total:  18, TotalBefore: 5,
		}},
		{"by reason and version", audit.Query{Route: candorv1.Route_ROUTE_REJECT, By: []candorv1.GroupBy{byReason, byVersion}}, audit.Summary{
			Groups: []audit.Group{group(1, 0, "UNSPECIFIED", "3")}, Total: 1,
		}},
		{"by consumer, model and action", audit.Query{Model: "digits", By: []candorv1.GroupBy{byConsumer, byModel, byAction}}, audit.Summary{
			Groups: []audit.Group{group(13, 3, "shop", "digits", "decline"), group(4, 2, "shop", "digits", "approve"), group(1, 0, "bank", "digits", "")},
			Total:  18, TotalBefore: 5,
		}},
		{"of one consumer", audit.Query{Consumer: "bank"}, audit.Summary{Groups: []audit.Group{group(1, 0)}, Total: 1}},
		{"of nobody", audit.Query{Consumer: "x"}, audit.Summary{}},
		{"of another model", audit.Query{Model: "x"}, audit.Summary{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.q.Since, tc.q.Until = since, until
			got, err := d.Summarize(t.Context(), tc.q)
			if err != nil {
				t.Fatal(err)
			}
			for i, g := range got.Groups {
				if (g.Example == "") != (g.Count == 0) {
					t.Errorf("%v: %d rows, example %q", g.Keys, g.Count, g.Example)
				}
				if tc.q.Action == "decline" && g.Example != example {
					t.Errorf("%v: example %q, want the newest, %q", g.Keys, g.Example, example)
				}
				got.Groups[i].Example = ""
			}
			if diff := diff(tc.want, got); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
		})
	}
}

func testSummarizeRefuses(t *testing.T, d Driver) {
	now := d.Now()
	by := candorv1.GroupBy_GROUP_BY_MODEL
	for name, q := range map[string]audit.Query{
		"no span":         {Since: now, Until: now},
		"a negative span": {Since: now, Until: now.Add(-time.Hour)},
		"five keys":       {Since: now, Until: now.Add(time.Hour), By: []candorv1.GroupBy{by, by, by, by, by}},
		"no key":          {Since: now, Until: now.Add(time.Hour), By: []candorv1.GroupBy{0}},
		"an unknown key":  {Since: now, Until: now.Add(time.Hour), By: []candorv1.GroupBy{99}},
	} {
		if _, err := d.Summarize(t.Context(), q); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
