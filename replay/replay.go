package replay

import (
	"slices"
	"strings"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Replay decides records again. It takes two passes over the log, so that neither needs the other's order: Learn gets every record
// since the span began, verdicts come late; Decide those of the span itself. It belongs to one goroutine; its memory grows with
// verdicts and outcomes, not with predictions.
type Replay struct {
	models  map[string]*tally
	options Options
	// verdicts by people, and outcomes.
	verdicts, outcomes map[rowKey]truth
	report             Report
	absent             map[string]uint64
	first              int64
}

// rowKey is a row of a prediction.
type rowKey struct {
	prediction [16]byte
	row        uint32
}

// truth is what is right for a row.
type truth struct {
	timeUS int64
	label  string
	value  *float64
}

// Options of New.
type Options struct {
	// Limit of the changed rows that are listed of each model.
	Limit int
	// Until is the end of the span.
	Until time.Time
	// Model is the only one that counts; empty: all do.
	Model string
}

// New begins a replay under the models of a configuration.
func New(models []*Model, o Options) *Replay {
	r := &Replay{
		models: map[string]*tally{}, options: o, verdicts: map[rowKey]truth{}, outcomes: map[rowKey]truth{}, absent: map[string]uint64{},
	}
	for _, m := range models {
		if o.Model == "" || o.Model == m.Name {
			r.models[m.Name] = newTally(m, r)
		}
	}
	return r
}

// policyAuthor begins the names of authors that are no people.
const policyAuthor = "policy/"

// Learn takes verdicts and outcomes; other records are left alone. Of several about a row the latest counts.
func (r *Replay) Learn(rec *candorv1.Record) {
	switch {
	case rec.GetVerdict() != nil:
		v := rec.GetVerdict()
		judged := v.GetLabel() != "" || v.Value != nil
		if judged && !strings.HasPrefix(v.GetAuthor(), policyAuthor) && v.GetReason() != candorv1.Reason_REASON_REVIEW_EXPIRED {
			learn(r.verdicts, rec.GetTimeUs(), v.GetPredictionId(), v.GetRow(), v.GetLabel(), v.Value)
		}
	case rec.GetOutcome() != nil:
		o := rec.GetOutcome()
		learn(r.outcomes, rec.GetTimeUs(), o.GetPredictionId(), o.GetRow(), o.GetLabel(), o.Value)
	}
}

func learn(into map[rowKey]truth, timeUS int64, id []byte, row uint32, label string, value *float64) {
	k := rowKey{row: row}
	if copy(k.prediction[:], id) != len(k.prediction) {
		return
	}
	if before, ok := into[k]; !ok || before.timeUS <= timeUS {
		into[k] = truth{timeUS, label, value}
	}
}

// Decide takes a prediction of the span, or the log's word that some are missing; other records are left alone.
func (r *Replay) Decide(rec *candorv1.Record) {
	r.report.Missing += rec.GetGap().GetRecords()
	p := rec.GetPrediction()
	if p == nil || r.options.Model != "" && r.options.Model != p.GetModel() {
		return
	}
	rows := uint64(len(p.GetRows()))
	t := r.models[p.GetModel()]
	if t == nil {
		r.absent[p.GetModel()] += rows
	} else {
		t.add(rec.GetTimeUs(), p)
	}
	r.report.Predictions++
	r.report.Rows += rows
	if r.first == 0 || rec.GetTimeUs() < r.first {
		r.first = rec.GetTimeUs()
	}
}

// Report sums up.
func (r *Replay) Report() *Report {
	out := r.report
	out.Until = r.options.Until.UTC()
	out.Since = out.Until
	if r.first > 0 {
		out.Since = time.UnixMicro(r.first).UTC()
	}
	days := out.Until.Sub(out.Since).Hours() / 24
	out.Models = []ModelReport{} // in JSON a list, also of none
	for _, t := range r.models {
		if t.rows > 0 {
			out.Models = append(out.Models, t.report(days))
		}
	}
	slices.SortFunc(out.Models, func(a, b ModelReport) int { return strings.Compare(a.Model, b.Model) })
	for name, rows := range r.absent {
		out.Absent = append(out.Absent, Count{name, rows})
	}
	slices.SortFunc(out.Absent, func(a, b Count) int { return strings.Compare(a.Name, b.Name) })
	return &out
}
