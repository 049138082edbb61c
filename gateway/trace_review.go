package gateway

import (
	"context"

	"go.opentelemetry.io/otel/trace"

	"github.com/candor-gateway/candor/review"
)

// A review takes minutes to days, and ends when its prediction's trace has long been kept or thrown away. So it is a trace of its own,
// and both know the other: the prediction's span links to the reviews that will follow, whose ids are made of their items'; the review's
// span links to the prediction's; and when it ends a span of no length in the prediction's trace says so, for viewers that show no links.

// reviewContext is the span of an item's review.
func reviewContext(itemID string) trace.SpanContext {
	t, s := review.TraceIDs(itemID)
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: t, SpanID: s, TraceFlags: trace.FlagsSampled})
}

// reviewLinks are those of a call to the reviews that it asks for.
func reviewLinks(c *call) []trace.Link {
	var links []trace.Link
	if c.trace.failure != nil {
		return nil // Its items may not have been stored.
	}
	for i := range c.items {
		if i == maxRowEvents {
			break
		}
		links = append(links, trace.Link{SpanContext: reviewContext(c.items[i].ID)})
	}
	return links
}

// review exports the spans of a review that has ended.
func (t *tracing) review(item *review.Item) {
	if t.provider == nil {
		return
	}
	own, prediction := reviewContext(item.ID), parseTraceparent(item.Traceparent)
	about := trace.WithAttributes(itemAttributes(item)...)
	opts := []trace.SpanStartOption{trace.WithNewRoot(), trace.WithTimestamp(item.Created), about}
	if prediction.IsValid() {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: prediction}))
	}
	_, span := t.tracer.Start(withIDs(context.Background(), own.TraceID(), own.SpanID()), spanReview, opts...)
	span.End(trace.WithTimestamp(item.FinalTime))
	if !prediction.IsValid() {
		return
	}
	ctx := trace.ContextWithSpanContext(context.Background(), prediction)
	_, back := t.tracer.Start(withIDs(ctx, prediction.TraceID(), newSpanID()), spanReview,
		trace.WithTimestamp(item.FinalTime), about, trace.WithLinks(trace.Link{SpanContext: own}))
	back.End(trace.WithTimestamp(item.FinalTime))
}
