package gateway

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"

	"github.com/candor-gateway/candor/backend"
	"github.com/candor-gateway/candor/fallback"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// askedSpan is what is known of the span of one stage before its model server is called: the id that goes out. When it was is the
// stage's to say. It is the stage's backend.Headers.
type askedSpan struct {
	ct      *callTrace
	backend string
	span    trace.SpanID
	// alike: what goes out is the same for all calls that aren't sampled, so it is for each attempt.
	alike bool
	// further are the ids that went out with attempts after the first. ct.mu guards them.
	further []furtherSpan
}

type furtherSpan struct {
	number int
	span   trace.SpanID
}

// Again lets a model server's spans of a further attempt hang below that attempt.
func (a *askedSpan) Again(ctx context.Context, number int) context.Context {
	if a.alike {
		return ctx
	}
	span := newSpanID()
	a.ct.mu.Lock()
	a.further = append(a.further, furtherSpan{number, span})
	a.ct.mu.Unlock()
	md, _ := metadata.FromOutgoingContext(ctx)
	md.Set(traceparentKey, traceparent(a.ct.trace, span, a.ct.sampled))
	return metadata.NewOutgoingContext(ctx, md)
}

// attempt puts the trace into what a model server is sent (W3C Trace Context), under a span id of its own; the second result does so
// for further attempts. Where nothing is exported there will be no such span, and the model server's hang below the caller's.
func (ct *callTrace) attempt(ctx context.Context, backend string, kind candorv1.StepKind) (context.Context, backend.Headers) {
	if !ct.trace.IsValid() {
		return ctx, nil
	}
	if ct.t.provider == nil {
		return metadata.AppendToOutgoingContext(ctx, traceparentKey, traceparent(ct.trace, ct.parent.SpanID(), ct.sampled)), nil
	}
	// Nobody is likely to look for this call's ids at the model server, and a header that is new in every call costs both sides
	// more than the rest of the trace. So one that says "not sampled" serves all. A fallback's calls have their own: their
	// prediction's spans are kept.
	alike := !ct.sampled && !ct.parent.IsValid() && kind == candorv1.StepKind_STEP_KIND_PRIMARY
	ct.mu.Lock()
	a := &ct.one
	if ct.asked == nil {
		ct.asked = ct.room[:0]
	} else {
		a = new(askedSpan)
	}
	*a = askedSpan{ct: ct, backend: backend, span: newSpanID(), alike: alike}
	ct.asked = append(ct.asked, a)
	ct.mu.Unlock()
	if alike {
		return metadata.NewOutgoingContext(ctx, ct.t.unsampled), a
	}
	return metadata.AppendToOutgoingContext(ctx, traceparentKey, traceparent(ct.trace, a.span, ct.sampled)), a
}

// unasked forgets what was asked: it turned out that it had to be asked in another way, which is the stage. Nobody uses its Headers.
func (ct *callTrace) unasked() {
	ct.mu.Lock()
	defer ct.mu.Unlock()
	ct.asked = nil
}

// exportStage builds the span of a stage below parent: that of its one attempt, or one that has a span of each below it. The ids are
// those that went out.
func (ct *callTrace) exportStage(parent context.Context, c *call, a *askedSpan, s fallback.Stage) {
	id, kind := a.span, trace.SpanKindClient
	if len(s.Tried) > 0 {
		id, kind = newSpanID(), trace.SpanKindInternal
	}
	end := s.Start.Add(s.Duration)
	ctx, span := ct.t.tracer.Start(withIDs(parent, ct.trace, id), spanBackend, trace.WithTimestamp(s.Start), trace.WithSpanKind(kind),
		trace.WithAttributes(stageAttributes(s)...))
	mark(span, s.Failure)
	if b := c.model.plan.backends[a.backend]; b != nil {
		events := b.EventsSince(s.Start)
		for _, e := range slices.Backward(events) {
			if !e.Time.After(end) {
				span.AddEvent(eventBackend, trace.WithTimestamp(e.Time), trace.WithAttributes(eventAttributes(e)...))
			}
		}
	}
	ct.mu.Lock()
	further := slices.Clone(a.further)
	ct.mu.Unlock()
	for _, t := range s.Tried {
		id := newSpanID()
		if t.Number == 1 {
			id = a.span
		} else if i := slices.IndexFunc(further, func(f furtherSpan) bool { return f.number == t.Number }); i >= 0 {
			id = further[i].span
		}
		_, one := ct.t.tracer.Start(withIDs(ctx, ct.trace, id), spanAttempt, trace.WithTimestamp(t.Start), trace.WithSpanKind(trace.SpanKindClient),
			trace.WithAttributes(attemptAttributes(t)...))
		mark(one, t.Failure)
		one.End(trace.WithTimestamp(t.Start.Add(t.Duration)))
	}
	span.End(trace.WithTimestamp(end))
}

func attemptAttributes(t fallback.Attempt) []attribute.KeyValue {
	how, result := "first", "answered"
	switch {
	case t.Hedge:
		how = "hedge"
	case t.Number > 1:
		how = "retry"
	}
	switch {
	case t.Lost:
		result = "lost"
	case t.Failure != nil:
		result = "failed"
	}
	kv := []attribute.KeyValue{
		attribute.Int(attrAttempt, t.Number), attribute.String(attrAttemptKind, how), attribute.String(attrResult, result),
		attribute.Float64(attrWaited, t.Waited.Seconds()),
	}
	if t.Replica != "" {
		kv = append(kv, attribute.String(attrReplica, t.Replica))
	}
	return append(kv, failureAttributes(t.Failure)...)
}

func eventAttributes(e backend.Event) []attribute.KeyValue {
	kv := []attribute.KeyValue{attribute.String(attrEvent, shortEvent(e.Kind))}
	if e.Replica != "" {
		kv = append(kv, attribute.String(attrReplica, e.Replica))
	}
	if e.Why != "" {
		kv = append(kv, attribute.String(attrWhy, e.Why))
	}
	return kv
}
