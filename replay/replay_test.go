package replay

import (
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func thresholdPolicy(at float64) *candorv1.Policy {
	return &candorv1.Policy{
		Mode: candorv1.Mode_MODE_ENFORCE, Confidence: candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB, Review: &candorv1.ReviewPolicy{Queue: "q"},
		Accept: &candorv1.Accept{License: &candorv1.Accept_Threshold{
			Threshold: &candorv1.Threshold{At: &candorv1.Threshold_Probability{Probability: at}},
		}},
		Actions: []*candorv1.ActionSpec{{Name: "decline", When: &candorv1.ActionCondition{LabelIn: []string{"b"}}}},
	}
}

// A log of 100 predictions a day for two days under .9. Of each day's hundred, row i has confidence i%: 11 are accepted. Deferred rows
// are judged: those under 80 % are wrong, and the answers with an even i are "b".
func log(t *testing.T) (m *Model, entries []*candorv1.Record, end time.Time) {
	t.Helper()
	_, policy := modelOf(t, thresholdPolicy(.9), "old")
	begin := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for day := range 2 {
		for i := range 100 {
			c := float64(i+1) / 100
			row := randomRow(c, []string{"b", "a"}[i%2])
			p := record(policy, "old", []*trueRow{row})
			at := begin.Add(time.Duration(day)*24*time.Hour + time.Duration(i)*time.Minute).UnixMicro()
			entries = append(entries, &candorv1.Record{TimeUs: at, Entry: &candorv1.Record_Prediction{Prediction: p}})
			r := p.GetRows()[0]
			if r.GetRoute() != candorv1.Route_ROUTE_DEFER {
				continue
			}
			r.ReviewItem = make([]byte, 16)
			verdict := &candorv1.VerdictRecord{PredictionId: p.GetPredictionId(), Author: "ana", Label: r.GetLabel()}
			if c < .8 {
				verdict.Label = "c"
			}
			entries = append(entries,
				// What a policy says is no verdict, and of two verdicts the later one counts.
				&candorv1.Record{TimeUs: at + 1, Entry: &candorv1.Record_Verdict{Verdict: &candorv1.VerdictRecord{
					PredictionId: p.GetPredictionId(), Author: "ben", Label: "d"}}},
				&candorv1.Record{TimeUs: at + 3, Entry: &candorv1.Record_Verdict{Verdict: &candorv1.VerdictRecord{
					PredictionId: p.GetPredictionId(), Author: "policy/on_expire", Label: "d"}}},
				&candorv1.Record{TimeUs: at + 2, Entry: &candorv1.Record_Verdict{Verdict: verdict}})
		}
	}
	m, _ = modelOf(t, thresholdPolicy(.695), "new")
	return m, entries, begin.Add(48 * time.Hour)
}

func randomRow(c float64, label string) *trueRow {
	row := &trueRow{}
	row.evidence = append(row.evidence, randomEvidence(steady(), "primary", false))
	row.evidence[0].Faults, row.evidence[0].Confidence, row.evidence[0].Label = nil, &c, label
	return row
}

func TestReport(t *testing.T) {
	m, entries, end := log(t)
	r := New([]*Model{m}, Options{Limit: 5, Until: end})
	for _, rec := range entries {
		r.Learn(rec)
	}
	for _, rec := range entries {
		r.Decide(rec)
	}
	stranger := &candorv1.PredictionRecord{Model: "other", Rows: []*candorv1.RowRecord{{}, {}}}
	r.Decide(&candorv1.Record{TimeUs: end.UnixMicro(), Entry: &candorv1.Record_Prediction{Prediction: stranger}})
	r.Decide(&candorv1.Record{TimeUs: end.UnixMicro(), Entry: &candorv1.Record_Gap{Gap: &candorv1.GapRecord{Records: 7}}})
	out := r.Report()
	if out.Predictions != 201 || out.Rows != 202 || out.Missing != 7 || len(out.Absent) != 1 || out.Absent[0] != (Count{"other", 2}) {
		t.Errorf("%+v", out)
	}
	got := out.Models[0]
	// 90 to 100 % is 11 of a hundred, 70 to 100 % is 31.
	if got.CoverageBefore.Rows != 22 || got.CoverageAfter.Rows != 62 || got.CoverageAfter.Of != 200 || got.Changed != 40 || len(got.Changes) != 5 {
		t.Errorf("coverage %+v, then %+v; %d changed", got.CoverageBefore, got.CoverageAfter, got.Changed)
	}
	if c := got.Changes[0]; c.From != Defer || c.To != Accept || *c.Confidence != .7 || *c.ThresholdBefore != .9 || *c.ThresholdAfter != .695 || c.Stage != "primary" {
		t.Errorf("the first change: %+v", c)
	}
	if got.Days != 2 || got.Review.DeferredBefore != 89 || got.Review.DeferredAfter != 69 || got.Review.DeferredMost != 69 {
		t.Errorf("%v days, %+v", got.Days, got.Review)
	}
	for _, e := range got.Errors {
		switch v := e.Verdicts; e.Group {
		case NewlyAccepted:
			// 70 to 79 % are wrong, 80 to 89 % right.
			if e.Rows != 40 || e.Chosen != 40 || e.Open != 0 || v.Judged != 40 || v.Wrong != 20 || v.Rate != .5 || v.Status != Estimated {
				t.Errorf("%+v", e)
			}
		case StillAccepted:
			if e.Rows != 22 || e.Unsampled != 22 || v.Status != InsufficientData {
				t.Errorf("%+v", e)
			}
		case AcceptedAfter:
			// Of 22 of the 62 rows nothing is known: the interval allows for all of them being right, or wrong.
			if v.Rate != .5 || v.High < .5*40/62+22./62 || v.Low > .5*40/62 {
				t.Errorf("%+v", e)
			}
		}
	}
	if a := got.Actions; len(a) != 1 || a[0].Before != 10 || a[0].After != 30 || a[0].Most != 30 {
		t.Errorf("%+v", a)
	}
}

// What callers get in mode observe is the model's answer, whatever is decided.
func TestModes(t *testing.T) {
	observe := thresholdPolicy(.9)
	observe.Mode = candorv1.Mode_MODE_OBSERVE
	_, policy := modelOf(t, observe, "old")
	m, _ := modelOf(t, thresholdPolicy(.9), "new")
	r := New([]*Model{m}, Options{Until: time.Unix(2, 0)})
	for _, c := range []float64{.95, .5} {
		p := record(policy, "old", []*trueRow{randomRow(c, "a")})
		r.Decide(&candorv1.Record{TimeUs: 1, Entry: &candorv1.Record_Prediction{Prediction: p}})
	}
	got := r.Report().Models[0]
	if got.Changed != 0 || len(got.Decided) != 2 {
		t.Errorf("what is decided changes: %+v", got.Decided)
	}
	if want := (Cell{Accept, Defer, 1, .5}); len(got.Callers) != 2 || got.Callers[1] != want {
		t.Errorf("callers get %+v", got.Callers)
	}
}

// What has another version, calibrator or confidence is not guessed at.
func TestUndecidedByCause(t *testing.T) {
	_, policy := modelOf(t, thresholdPolicy(.9), "old")
	for name, c := range map[string]struct {
		change func(*candorv1.PredictionRecord)
		want   Cause
	}{
		"version":    {func(p *candorv1.PredictionRecord) { p.Stages[0].Version = "0" }, CauseVersion},
		"backend":    {func(p *candorv1.PredictionRecord) { p.Stages[0].Stage = "xgb" }, CauseVersion},
		"calibrator": {func(p *candorv1.PredictionRecord) { p.Stages[0].Calibrator = "t@1" }, CauseCalibrator},
		"method": {func(p *candorv1.PredictionRecord) {
			p.ConfidenceMethod = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MARGIN
		}, CauseMethod},
		"on the threshold": {func(p *candorv1.PredictionRecord) { *p.Rows[0].ConfidencePpm = 700000 }, CauseRounding},
		"fields":           {func(p *candorv1.PredictionRecord) { p.Rows[0].Field = "total" }, CauseFields},
		"no stage":         {func(p *candorv1.PredictionRecord) { p.Stages = nil }, CauseRecord},
		"refused": {func(p *candorv1.PredictionRecord) {
			p.Stages[0].Failure = candorv1.Reason_REASON_BACKEND_FAILURE
			p.Rows[0] = &candorv1.RowRecord{
				Route: candorv1.Route_ROUTE_REJECT, AppliedRoute: candorv1.Route_ROUTE_REJECT, Reasons: []candorv1.Reason{candorv1.Reason_REASON_BACKEND_FAILURE},
			}
		}, CauseRefused},
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := modelOf(t, thresholdPolicy(.7), "new")
			p := record(policy, "old", []*trueRow{randomRow(.95, "a")})
			c.change(p)
			r := New([]*Model{m}, Options{})
			r.Decide(&candorv1.Record{TimeUs: 1, Entry: &candorv1.Record_Prediction{Prediction: p}})
			got := r.Report().Models[0]
			if len(got.Undecided) != 1 || got.Undecided[0].Cause != c.want || got.CoverageLeast != 0 || got.CoverageMost != 1 {
				t.Errorf("%+v, want %s", got.Undecided, c.want)
			}
		})
	}
}
