package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/cmd/candor/internal/stores"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/sqlite"
)

// demand is the answers in a log that a limit would be asked about, or counts as its denominator.
type demand struct {
	def    limits.Definition
	reader stores.Reader
	offers []limits.Offer
	// withheld of those with the limit's action were, by limits.
	withheld int64
	// uncounted have no amount or key in the log, so that nothing can be said of them.
	uncounted int64
	// held are answers that were withheld, and leave later if they do: they count once. unsaid are those of them that could not be counted
	// then: they are when the log says more.
	held, unsaid map[answerKey]bool
	// who asked for a prediction, and what limits asked of its rows; what the log says earlier than the span is looked up.
	who    map[[16]byte]asked
	inputs map[answerKey][]*candorv1.LimitInput
}

type answerKey struct {
	prediction [16]byte
	row        uint32
	field      string
}

type asked struct{ model, consumer string }

// scanLog hands out the log's records of a span of time.
func scanLog(ctx context.Context, reader stores.Reader, since, until time.Time) (iter.Seq2[*candorv1.Record, error], error) {
	switch s := reader.(type) {
	case *sqlite.Store:
		scan, err := s.Scan(ctx, since, until)
		if err != nil {
			return nil, err
		}
		return scan.All(ctx), nil
	case *postgres.Store:
		scan, err := s.Scan(ctx, since, until)
		if err != nil {
			return nil, err
		}
		return scan.All(ctx), nil
	}
	return nil, fmt.Errorf("a log in a %T can't be scanned", reader)
}

func (d *demand) read(ctx context.Context, since, until time.Time) error {
	records, err := scanLog(ctx, d.reader, since, until)
	if err != nil {
		return err
	}
	d.begin()
	// Each writer's records come in order, one writer after the other: what people answered may come before what they were asked.
	var verdicts []*candorv1.Record
	for rec, err := range records {
		if err != nil {
			return err
		}
		switch e := rec.GetEntry().(type) {
		case *candorv1.Record_Prediction:
			d.prediction(rec, e.Prediction)
		case *candorv1.Record_Verdict:
			if d.counts(e.Verdict.GetAction()) && (e.Verdict.GetAction() != "" || left(e.Verdict)) {
				verdicts = append(verdicts, rec)
			}
		}
	}
	for _, rec := range verdicts {
		if err := d.verdict(ctx, rec); err != nil {
			return err
		}
	}
	return nil
}

func (d *demand) begin() {
	d.held, d.unsaid = map[answerKey]bool{}, map[answerKey]bool{}
	d.who, d.inputs = map[[16]byte]asked{}, map[answerKey][]*candorv1.LimitInput{}
}

// left says of a verdict without an action that it was an answer to somebody.
func left(v *candorv1.VerdictRecord) bool {
	return v.GetReleaseState() == candorv1.ReleaseState_RELEASE_STATE_RELEASED && (v.GetLabel() != "" || v.Value != nil) &&
		v.GetKind() != candorv1.ReviewKind_REVIEW_KIND_AUDIT && v.GetKind() != candorv1.ReviewKind_REVIEW_KIND_GOLDEN
}

// covers says whether the limit bounds answers to this consumer from this model.
func (d *demand) covers(who asked) bool {
	return (d.def.Model == "" || d.def.Model == who.model) && (d.def.Consumer == "" || d.def.Consumer == who.consumer)
}

// counts says whether the limit looks at answers with the action.
func (d *demand) counts(action string) bool {
	r := d.def.Ratio
	return action == d.def.Action || r != nil && (r.Denominator == nil || slices.Contains(r.Denominator, action))
}

// answer takes in what the log says of an answer that left, or was withheld.
func (d *demand) answer(key answerKey, withheld bool, at int64, action string, inputs []*candorv1.LimitInput) {
	if d.held[key] {
		return
	}
	again := d.unsaid[key]
	if again {
		delete(d.unsaid, key)
		d.uncounted--
	} else if withheld && action == d.def.Action {
		d.withheld++
	}
	counted := d.offer(at, action, inputs)
	if withheld || again {
		d.held[key], d.unsaid[key] = counted, !counted
	}
}

// offer adds an answer, if the log has what the limit counts of it.
func (d *demand) offer(at int64, action string, inputs []*candorv1.LimitInput) (counted bool) {
	o := limits.Offer{At: time.UnixMicro(at), Action: action}
	for _, source := range []limits.Source{d.def.Amount, d.def.Key} {
		if source == "" || source == d.def.Amount && action != d.def.Action {
			continue
		}
		i := slices.IndexFunc(inputs, func(in *candorv1.LimitInput) bool { return in.GetSource() == string(source) && in.GetFault() == "" })
		if i < 0 {
			d.uncounted++
			return false
		}
		if source == d.def.Amount {
			o.Amount = inputs[i].GetAmount()
		} else {
			o.Key = string(inputs[i].GetKey())
		}
	}
	d.offers = append(d.offers, o)
	return true
}

func (d *demand) prediction(rec *candorv1.Record, p *candorv1.PredictionRecord) {
	who := asked{p.GetModel(), p.GetConsumer()}
	for i, r := range p.GetRows() {
		row, field := audit.Place(p, i)
		key := answerKey{[16]byte(p.GetPredictionId()), row, field}
		if len(r.GetReviewItem()) > 0 {
			d.who[key.prediction] = who
			if len(r.GetLimitInputs()) > 0 {
				d.inputs[key] = r.GetLimitInputs()
			}
		}
		if !d.counts(r.GetAction()) || !d.covers(who) {
			continue
		}
		if r.GetLimit() != "" || r.GetAnsweredBy() != 0 {
			d.answer(key, r.GetLimit() != "", rec.GetTimeUs(), r.GetAction(), r.GetLimitInputs())
		}
	}
}

func (d *demand) verdict(ctx context.Context, rec *candorv1.Record) error {
	v := rec.GetVerdict()
	if len(v.GetPredictionId()) != len(uuid.UUID{}) {
		return nil
	}
	id := [16]byte(v.GetPredictionId())
	key := answerKey{id, v.GetRow(), v.GetField()}
	who, ok := d.who[id]
	if wants := d.def.Amount != "" || d.def.Key != ""; !ok || wants && d.inputs[key] == nil {
		stored, err := d.reader.Find(ctx, uuid.UUID(id).String())
		if errors.Is(err, audit.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		p := stored.Record.GetPrediction()
		who = asked{p.GetModel(), p.GetConsumer()}
		d.who[id] = who
		if i := audit.Find(p, v.GetRow(), v.GetField()); i >= 0 {
			d.inputs[key] = p.GetRows()[i].GetLimitInputs()
		}
	}
	if d.covers(who) {
		withheld := v.GetReleaseState() == candorv1.ReleaseState_RELEASE_STATE_HELD
		d.answer(key, withheld, rec.GetTimeUs(), v.GetAction(), slices.Concat(v.GetLimitInputs(), d.inputs[key]))
	}
	return nil
}
