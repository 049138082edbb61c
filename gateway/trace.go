package gateway

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// tracing makes spans after the decision: ids are allocated first and sent on to the model servers, and spans are built from
// recorded timings only for calls that are kept. So a call that isn't kept costs two random numbers, and every deferred,
// fallback, withheld, failed, retried and hedged call is kept. For those that are kept although they weren't sampled at the start, the model
// servers' own spans are absent: they had been told that the call isn't sampled.
type tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	// ratio's bits.
	ratio atomic.Uint64
	// unsampled goes out with calls that nobody traces.
	unsampled metadata.MD
}

func newTracing(exporters []sdktrace.SpanExporter) *tracing {
	if len(exporters) == 0 {
		return &tracing{}
	}
	opts := []sdktrace.TracerProviderOption{
		sdktrace.WithIDGenerator(allocatedIDs{}), sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", "candor"))),
	}
	for _, e := range exporters {
		opts = append(opts, sdktrace.WithBatcher(e))
	}
	p := sdktrace.NewTracerProvider(opts...)
	return &tracing{
		provider: p, tracer: p.Tracer("github.com/candor-gateway/candor/gateway"),
		unsampled: metadata.Pairs(traceparentKey, traceparent(newTraceID(), newSpanID(), false)),
	}
}

// sample sets the share of plain accepts that are traced.
func (t *tracing) sample(ratio float64) { t.ratio.Store(math.Float64bits(ratio)) }

// closeTimeout bounds how long the last spans may take to leave.
const closeTimeout = 5 * time.Second

func (t *tracing) close() error {
	if t == nil || t.provider == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("telemetry: the last spans were not exported: %w", err)
	}
	return nil
}

// callTrace is the trace of one call. attempt may be called by several goroutines; everything else by the call's own.
type callTrace struct {
	t       *tracing
	parent  trace.SpanContext
	trace   trace.TraceID
	span    trace.SpanID
	sampled bool
	failure *Error

	mu sync.Mutex
	// asked are the stages whose model servers were called, in order; room and one are for the first.
	asked []*askedSpan
	room  [1]*askedSpan
	one   askedSpan
}

// begin allocates the ids of a call, and joins the caller's trace if there is one.
func (t *tracing) begin(ctx context.Context, ct *callTrace) {
	ct.t, ct.parent = t, incoming(ctx)
	ct.trace, ct.sampled = ct.parent.TraceID(), ct.parent.IsSampled()
	if t.provider == nil {
		return
	}
	ct.span = newSpanID()
	if !ct.trace.IsValid() {
		ct.trace = newTraceID()
		ct.sampled = rand.Float64() < math.Float64frombits(t.ratio.Load())
	}
}

func (ct *callTrace) traceID() trace.TraceID { return ct.trace }

func (ct *callTrace) fail(e *Error) { ct.failure = e }

// kept says whether the call's spans are exported.
func (ct *callTrace) kept(c *call) bool {
	if ct.t.provider == nil {
		// Nothing is exported here, but the caller's own trace can still be found by its id.
		return ct.parent.IsSampled()
	}
	if ct.sampled || ct.failure != nil {
		return true
	}
	for i := range c.stages {
		if repeated(&c.stages[i]) {
			return true
		}
	}
	for i := range c.rows {
		if r := &c.rows[i]; !r.plain() || r.decision.Route != candorv1.Route_ROUTE_ACCEPT {
			return true
		}
	}
	return false
}

// traceparent of the prediction's own span, for the review items that link to it; empty: there is no trace.
func (ct *callTrace) traceparent() string {
	if !ct.trace.IsValid() || !ct.span.IsValid() {
		return ""
	}
	return traceparent(ct.trace, ct.span, true)
}

// export builds the spans of a call that has ended.
func (ct *callTrace) export(c *call, end time.Time) {
	if ct.t.provider == nil || !ct.kept(c) {
		return
	}
	ctx := trace.ContextWithSpanContext(context.Background(), ct.parent)
	// What a further response of a stream is made of was asked for before it came.
	start := c.start
	for _, s := range c.stages {
		if !s.Start.IsZero() && s.Start.Before(start) {
			start = s.Start
		}
	}
	ctx, root := ct.t.tracer.Start(withIDs(ctx, ct.trace, ct.span), spanPredict,
		trace.WithTimestamp(start), trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(callAttributes(c)...), trace.WithLinks(reviewLinks(c)...))
	ct.mu.Lock()
	asked := slices.Clone(ct.asked)
	ct.mu.Unlock()
	ensembles := map[string]context.Context{}
	// Ensembles first: their members hang below them.
	for _, s := range c.stages {
		if s.Kind == candorv1.StepKind_STEP_KIND_ENSEMBLE {
			sctx, span := ct.t.tracer.Start(withIDs(ctx, ct.trace, newSpanID()), spanEnsemble, trace.WithTimestamp(s.Start), trace.WithAttributes(stageAttributes(s)...))
			mark(span, s.Failure)
			span.End(trace.WithTimestamp(s.Start.Add(s.Duration)))
			ensembles[s.Name] = sctx
		}
	}
	for _, s := range c.stages {
		if s.Kind == candorv1.StepKind_STEP_KIND_ENSEMBLE {
			continue
		}
		// Stages stand in the order in which they were asked, on both sides; a backend that was asked twice has one of each.
		i := slices.IndexFunc(asked, func(a *askedSpan) bool { return a.backend == s.Name })
		if i < 0 {
			continue
		}
		a := asked[i]
		asked = slices.Delete(asked, i, i+1)
		parent := ctx
		if e, ok := ensembles[s.Parent]; ok {
			parent = e
		}
		ct.exportStage(parent, c, a, s)
	}
	for i := range c.rows {
		if r := &c.rows[i]; !r.plain() && i < maxRowEvents {
			root.AddEvent(eventDecision, trace.WithTimestamp(end), trace.WithAttributes(rowAttributes(c, i)...))
		}
	}
	if ct.failure != nil {
		root.SetStatus(codes.Error, shortReason(ct.failure.Reason))
	}
	root.End(trace.WithTimestamp(end))
}

// maxRowEvents bounds a batch's part of its span.
const maxRowEvents = 32

type idsKey struct{}

type ids struct {
	trace trace.TraceID
	span  trace.SpanID
}

func withIDs(ctx context.Context, t trace.TraceID, s trace.SpanID) context.Context {
	return context.WithValue(ctx, idsKey{}, ids{t, s})
}

// allocatedIDs gives the SDK the ids that were allocated before the span was known to be kept.
type allocatedIDs struct{}

func (allocatedIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if v, ok := ctx.Value(idsKey{}).(ids); ok {
		return v.trace, v.span
	}
	return newTraceID(), newSpanID()
}

func (allocatedIDs) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	if v, ok := ctx.Value(idsKey{}).(ids); ok {
		return v.span
	}
	return newSpanID()
}
