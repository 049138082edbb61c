package gateway

import (
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/candor-gateway/candor/fallback"
	"github.com/candor-gateway/candor/review"
)

// Names of spans, events and attributes, all in this one file: OpenTelemetry's RPC conventions are still being renamed.
const (
	spanPredict   = "candor.predict"
	spanBackend   = "candor.backend"
	spanAttempt   = "candor.attempt"
	spanEnsemble  = "candor.ensemble"
	spanReview    = "candor.review"
	eventDecision = "candor.decision"
	eventBackend  = "candor.backend_event"

	attrPrediction  = "candor.prediction_id"
	attrModel       = "candor.model"
	attrConsumer    = "candor.consumer"
	attrMode        = "candor.mode"
	attrRows        = "candor.rows"
	attrPolicy      = "candor.policy"
	attrStage       = "candor.stage"
	attrKind        = "candor.stage_kind"
	attrVersion     = "candor.version"
	attrAttempts    = "candor.attempts"
	attrReplica     = "candor.replica"
	attrAttempt     = "candor.attempt"
	attrAttemptKind = "candor.attempt_kind"
	attrResult      = "candor.result"
	attrWaited      = "candor.waited_s"
	attrShed        = "candor.shed"
	attrEvent       = "candor.event"
	attrWhy         = "candor.why"
	attrDefaulted   = "candor.default_deadline_s"
	attrReason      = "candor.reason"
	attrSource      = "candor.failure_source"
	attrRow         = "candor.row"
	attrField       = "candor.field"
	attrRoute       = "candor.route"
	attrApplied     = "candor.applied_route"
	attrReasons     = "candor.reasons"
	attrConfidence  = "candor.confidence"
	attrThreshold   = "candor.threshold"
	attrItem        = "candor.review_item"
	attrQueue       = "candor.queue"
	attrLimit       = "candor.limit"
	attrAnsweredBy  = "candor.answered_by"
	attrAuthor      = "candor.author"
)

func callAttributes(c *call) []attribute.KeyValue {
	kv := []attribute.KeyValue{
		attribute.String(attrPrediction, c.idText), attribute.String(attrModel, c.model.name),
		attribute.String(attrConsumer, c.who.Name), attribute.String(attrMode, modeName(c.mode())),
		attribute.Int(attrRows, c.requestRows), attribute.String(attrPolicy, digestText(c.model.digest)),
	}
	if c.defaulted > 0 {
		kv = append(kv, attribute.Float64(attrDefaulted, c.defaulted.Seconds()))
	}
	return kv
}

func stageAttributes(s fallback.Stage) []attribute.KeyValue {
	kv := []attribute.KeyValue{
		attribute.String(attrStage, s.Name), attribute.String(attrKind, short(s.Kind.String())),
		attribute.String(attrVersion, s.Version), attribute.Int(attrRows, len(s.Rows)), attribute.Int(attrAttempts, s.Attempts),
	}
	if s.Replica != "" {
		kv = append(kv, attribute.String(attrReplica, s.Replica))
	}
	if s.Waited > 0 {
		kv = append(kv, attribute.Float64(attrWaited, s.Waited.Seconds()))
	}
	if shed(&s) {
		kv = append(kv, attribute.Bool(attrShed, true))
	}
	return append(kv, failureAttributes(s.Failure)...)
}

func failureAttributes(f *fallback.Failure) []attribute.KeyValue {
	if f == nil {
		return nil
	}
	return []attribute.KeyValue{attribute.String(attrReason, short(f.Reason.String())), attribute.String(attrSource, short(f.Source.String()))}
}

func rowAttributes(c *call, i int) []attribute.KeyValue {
	r := &c.rows[i]
	kv := []attribute.KeyValue{
		attribute.Int(attrRow, r.row), attribute.String(attrRoute, short(r.decision.Route.String())),
		attribute.String(attrApplied, short(r.applied.String())), attribute.String(attrReasons, reasonsText(r.decision.Reasons)),
		attribute.String(attrAnsweredBy, c.answeredBy(r)),
	}
	if name := c.fieldOf(r).Name; name != "" {
		kv = append(kv, attribute.String(attrField, name))
	}
	if r.decision.Confidence != nil {
		kv = append(kv, attribute.Float64(attrConfidence, *r.decision.Confidence))
	}
	if r.decision.Threshold != nil {
		kv = append(kv, attribute.Float64(attrThreshold, *r.decision.Threshold))
	}
	if r.itemID != "" {
		kv = append(kv, attribute.String(attrItem, r.itemID))
	}
	if r.limit != "" {
		kv = append(kv, attribute.String(attrLimit, r.limit))
	}
	return kv
}

func itemAttributes(i *review.Item) []attribute.KeyValue {
	kv := []attribute.KeyValue{
		attribute.String(attrItem, i.ID), attribute.String(attrPrediction, i.PredictionID), attribute.Int(attrRow, int(i.Row)),
		attribute.String(attrQueue, i.Queue), attribute.String(attrModel, i.Model), attribute.String(attrAuthor, i.Verdict.GetAuthor()),
	}
	if i.Field != "" {
		kv = append(kv, attribute.String(attrField, i.Field))
	}
	return kv
}

func mark(span trace.Span, f *fallback.Failure) {
	if f != nil {
		span.SetStatus(codes.Error, f.Detail)
	}
}

// observe counts and traces a call when it has ended, however it ended.
func (g *Gateway) observe(c *call) {
	end := time.Now()
	g.metrics.count(c, end, c.trace.failure)
	g.monitors.rows(c)
	c.trace.export(c, end)
}
