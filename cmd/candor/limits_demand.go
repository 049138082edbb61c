package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/cmd/candor/internal/stores"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/sqlite"
)

// demand is the answers in a log that a limit would be asked about.
type demand struct {
	action, model, consumer string
	reader                  stores.Reader
	times                   []time.Time
	// withheld of them were, by limits.
	withheld int64
	// held are answers that were withheld, and leave later if they do: they count once.
	held map[answerKey]bool
	// who asked for a prediction; what the log says earlier than the span is looked up.
	who map[[16]byte]asked
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
	d.held, d.who = map[answerKey]bool{}, map[[16]byte]asked{}
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
			if e.Verdict.GetAction() == d.action {
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

// covers says whether the limit bounds answers to this consumer from this model.
func (d *demand) covers(who asked) bool {
	return (d.model == "" || d.model == who.model) && (d.consumer == "" || d.consumer == who.consumer)
}

func (d *demand) prediction(rec *candorv1.Record, p *candorv1.PredictionRecord) {
	who := asked{p.GetModel(), p.GetConsumer()}
	for i, r := range p.GetRows() {
		if len(r.GetReviewItem()) > 0 {
			d.who[[16]byte(p.GetPredictionId())] = who
		}
		if r.GetAction() != d.action || !d.covers(who) {
			continue
		}
		key := answerKey{[16]byte(p.GetPredictionId()), uint32(i), r.GetField()}
		if r.GetField() != "" {
			key.row = r.GetRow()
		}
		switch {
		case r.GetLimit() != "":
			d.held[key] = true
			d.withheld++
		case r.GetAnsweredBy() == 0:
			continue
		}
		d.times = append(d.times, time.UnixMicro(rec.GetTimeUs()))
	}
}

func (d *demand) verdict(ctx context.Context, rec *candorv1.Record) error {
	v := rec.GetVerdict()
	if len(v.GetPredictionId()) != len(uuid.UUID{}) {
		return nil
	}
	id := [16]byte(v.GetPredictionId())
	who, ok := d.who[id]
	if !ok {
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
	}
	key := answerKey{id, v.GetRow(), v.GetField()}
	if !d.covers(who) || d.held[key] {
		return nil
	}
	if v.GetReleaseState() == candorv1.ReleaseState_RELEASE_STATE_HELD {
		d.held[key] = true
		d.withheld++
	}
	d.times = append(d.times, time.UnixMicro(rec.GetTimeUs()))
	return nil
}
