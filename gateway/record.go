package gateway

import (
	"context"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/fallback"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// recordCall makes what happened durable: in one transaction, before the reply, for everything that withholds, defers or
// replaces an answer; by the group commit for plain accepts.
func (g *Gateway) recordCall(c *call) error {
	c.record = g.recordOf(c)
	plain := !c.model.plan.cfg.GetAudit().GetStrict()
	for i := range c.rows {
		plain = plain && c.rows[i].plain()
	}
	var err error
	if plain {
		err = g.enqueue(c.record)
	} else {
		// The client may have gone; what was decided and leased is recorded all the same.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(&c.ctx), recordTimeout)
		defer cancel()
		err = g.ledger.Record(ctx, c.record, c.items)
	}
	if err == nil {
		return nil
	}
	g.refund(c)
	g.log.ErrorContext(&c.ctx, "the decision could not be recorded", slog.String("prediction_id", c.idText), slog.Any("error", err))
	g.metrics.recordFailures.Inc()
	return storeUnavailable()
}

// recordRefused leaves a trace of a call that no stage could answer and that ends in an error: whoever is given the prediction's id
// can have it explained. Nothing left with it, so the group commit is soon enough. Of a caller who went away nothing is kept.
func (g *Gateway) recordRefused(c *call) {
	if context.Cause(&c.ctx) == context.Canceled {
		return
	}
	for i := range c.rows {
		r := &c.rows[i]
		r.decision = router.Decision{Route: candorv1.Route_ROUTE_REJECT, Reasons: r.evidence.Faults}
		r.applied, r.answeredBy = candorv1.Route_ROUTE_REJECT, -1
		r.state = candorv1.AnswerState_ANSWER_STATE_WITHHELD
	}
	c.record = g.recordOf(c)
	if err := g.enqueue(c.record); err != nil {
		g.metrics.recordFailures.Inc()
		g.log.ErrorContext(&c.ctx, "a refused call could not be recorded", slog.String("prediction_id", c.idText), slog.Any("error", err))
	}
}

// recordTimeout bounds how long a reply waits for a store that doesn't answer.
const recordTimeout = 5 * time.Second

// recordRoom is the record of a call that one stage was asked for, its rows left out, in one piece. Messages are not copied, but used
// in place.
type recordRoom struct {
	record     candorv1.Record
	entry      candorv1.Record_Prediction
	prediction candorv1.PredictionRecord
	stage      candorv1.StageRecord
	stages     [1]*candorv1.StageRecord
}

// rowRoom is the record of a row with the optional numbers that it points to.
type rowRoom struct {
	row                                     candorv1.RowRecord
	confidence, threshold, primaryThreshold uint32
	rawConfidence                           uint32
}

func (g *Gateway) recordOf(c *call) *candorv1.Record {
	p := &c.room.prediction
	p.PredictionId, p.Consumer, p.Model, p.Mode = c.id[:], c.who.Name, c.model.name, c.mode()
	p.PolicyDigest, p.DurationUs, p.ConfidenceMethod = c.model.digest, micros(time.Since(c.start)), c.model.policy.Method
	p.RequestId = cut(c.req.ID, maxRequestID)
	if id := c.traceID(); id.IsValid() && c.trace.kept(c) {
		p.TraceId = id[:]
	}
	if len(c.stages) == 1 {
		p.Stages = append(c.room.stages[:0], &c.room.stage)
	} else {
		for range c.stages {
			p.Stages = append(p.Stages, new(candorv1.StageRecord))
		}
	}
	for i := range c.stages {
		fillStage(p.Stages[i], &c.stages[i], len(c.model.fields))
	}
	p.Rows = c.perRow.refs
	for i := range c.rows {
		p.Rows[i] = c.perRow.records[i].fill(&c.rows[i], p.ConfidenceMethod, c.model.plan.limitUnits)
		if name := c.fieldOf(&c.rows[i]).Name; name != "" {
			p.Rows[i].Field, p.Rows[i].Row = name, uint32(c.rows[i].row)
		}
	}
	rec := &c.room.record
	rec.TimeUs, rec.Entry, c.room.entry.Prediction = g.ledger.Now().UnixMicro(), &c.room.entry, p
	if len(c.rows) == 1 && c.rows[0].plain() && (p.RequestId != "" || len(p.Stages[0].Tried) > 0) {
		fit(rec, p)
	}
	return rec
}

const (
	// maxPlainAccept is the most that the record of one plain accept takes beside what limits ask of the request and say in a dry run, in
	// bytes, whatever a client or a model server sends, and however long the configuration's names are, as long as the model's version, the
	// label and the calibrator's name have at most 128 together.
	maxPlainAccept = 512
	// maxRequestID is the most that is kept of a client's id; less where maxPlainAccept leaves less.
	maxRequestID = 64
	maxDetail    = 160
)

// fit keeps the record of a plain accept within its bound: what its attempts were goes first, then the client's id. What limits asked of the
// request, and said in a dry run, stands beside the bound, and takes the place of neither.
func fit(rec *candorv1.Record, p *candorv1.PredictionRecord) {
	row := p.Rows[0]
	defer func(asked []*candorv1.LimitInput, said []*candorv1.LimitWord) {
		row.LimitInputs, row.Limits = asked, said
	}(row.LimitInputs, row.Limits)
	row.LimitInputs, row.Limits = nil, nil
	over := proto.Size(rec) - maxPlainAccept
	if over > 0 && len(p.Stages[0].Tried) > 0 {
		p.Stages[0].Tried = nil
		over = proto.Size(rec) - maxPlainAccept
	}
	if over > 0 {
		p.RequestId = cut(p.RequestId, max(0, len(p.RequestId)-over))
	}
}

func fillStage(out *candorv1.StageRecord, s *fallback.Stage, fields int) {
	out.Stage, out.Kind, out.Version, out.DurationUs, out.Attempts = s.Name, s.Kind, s.Version, micros(s.Duration), uint32(s.Attempts)
	out.Tried, out.WaitedUs = attemptRecords(s.Tried), micros(s.Waited)
	out.Rows, out.ModelCreatedS, out.Parent = uint32(len(s.Rows)/fields), s.Created, s.Parent
	for i := range s.Evidence {
		if by := s.Evidence[i].Calibrator; by != "" {
			out.Calibrator = by
			break
		}
	}
	if s.Failure != nil {
		out.Failure, out.FailureSource, out.Detail = s.Failure.Reason, s.Failure.Source, cut(s.Failure.Detail, maxDetail)
	} else {
		// A row that broke its card is told with the stage that gave it.
		for i := range s.Evidence {
			if ev := &s.Evidence[i]; len(ev.Faults) > 0 && s.Kind != candorv1.StepKind_STEP_KIND_ENSEMBLE {
				out.Detail = cut(ev.Detail, maxDetail)
				break
			}
		}
	}
}

// fill makes the record of a row. method is the prediction's, units are the plan's.
func (room *rowRoom) fill(r *row, method candorv1.ConfidenceMethod, units limitUnits) *candorv1.RowRecord {
	out := &room.row
	out.Route, out.AppliedRoute, out.Reasons, out.State = r.decision.Route, r.applied, r.decision.Reasons, r.state
	out.Action, out.Limit, out.PayloadSha256, out.Condition = r.action, r.limit, r.payload, r.decision.Condition
	if r.view != nil {
		out.Segment, out.Audited = r.segment, r.chosen && r.applied != candorv1.Route_ROUTE_DEFER
		out.SamplingPpm = *ppm(r.sampling())
		if l := r.license(); l != nil {
			out.Certificate = l.id
		}
	}
	if r.limitInputs != nil {
		out.LimitInputs = limitInputProtos(r.limitInputs, units)
	}
	if r.limitWords != nil {
		out.Limits = r.limitWords
	}
	out.ConfidencePpm = ppmInto(&room.confidence, r.decision.Confidence)
	out.RawConfidencePpm = ppmInto(&room.rawConfidence, r.decision.RawConfidence)
	if m := r.decision.Method; m != method {
		out.ConfidenceMethod = m
	}
	out.ThresholdPpm = ppmInto(&room.threshold, r.decision.Threshold)
	out.PrimaryThresholdPpm = ppmInto(&room.primaryThreshold, r.primaryThreshold)
	if r.answeredBy >= 0 {
		out.Label, out.Value = r.answer.Label, r.answer.Value
		if r.released {
			out.AnsweredBy = uint32(r.answeredBy) + 1
		}
		// The width of an interval is in the model's unit and can be more than the field holds: then the record has none.
		if !r.plain() && r.answer.Uncertainty <= maxPPM {
			out.UncertaintyPpm = *ppm(&r.answer.Uncertainty)
			out.UncertaintyKind = r.answer.UncertaintyKind
		}
	}
	if r.itemID != "" {
		id := uuid.MustParse(r.itemID)
		out.ReviewItem = id[:]
	}
	if !r.plain() || len(r.stageEvidence) > 1 {
		for _, se := range r.stageEvidence {
			out.Answers = append(out.Answers, &candorv1.RowAnswer{
				Stage: uint32(se.stage), Label: se.evidence.Label, Value: se.evidence.Value, ConfidencePpm: ppm(se.evidence.Confidence),
			})
		}
	}
	return out
}

const (
	million = 1e6
	// maxPPM is the largest number that parts per million can hold, about 4295.
	maxPPM = math.MaxUint32 / million
)

// ppm rounds a number in [0,maxPPM] to parts per million; nil stays nil.
func ppm(v *float64) *uint32 { return ppmInto(new(uint32), v) }

// ppmInto is ppm for a number that has its place.
func ppmInto(out *uint32, v *float64) *uint32 {
	if v == nil {
		return nil
	}
	*out = uint32(math.Round(math.Min(math.Max(*v, 0), maxPPM) * million))
	return out
}

func fromPPM(v *uint32) *float64 {
	if v == nil {
		return nil
	}
	out := float64(*v) / million
	return &out
}

func micros(d time.Duration) uint32 {
	return uint32(min(max(d.Microseconds(), 0), math.MaxUint32))
}

// cut shortens text to at most n bytes without cutting a character in two.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}
