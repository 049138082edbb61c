package gateway_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"

	"github.com/candor-gateway/candor/gateway"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// spans keeps what is exported; the SDK's own exporter in memory forgets it at shutdown, which is when it comes.
type spans struct {
	mu  sync.Mutex
	all tracetest.SpanStubs
}

func (s *spans) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, tracetest.SpanStubsFromReadOnlySpans(spans)...)
	return nil
}

func (*spans) Shutdown(context.Context) error { return nil }

// traced starts a world that samples this share of plain accepts.
func traced(t *testing.T, ratio string, edits ...string) (*world, *spans) {
	s := &spans{}
	o := options{deps: func(d *gateway.Deps) { d.Spans = []sdktrace.SpanExporter{s} }}
	edits = append([]string{"store: {identity: test", "telemetry: {sample_ratio: " + ratio + "}\nstore: {identity: test"}, edits...)
	return startWith(t, o, edits...), s
}

// exported stops the world and answers its spans.
func (s *spans) exported(w *world) tracetest.SpanStubs {
	w.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all
}

func named(all tracetest.SpanStubs, name string) tracetest.SpanStubs {
	return slices.DeleteFunc(slices.Clone(all), func(s tracetest.SpanStub) bool { return s.Name != name })
}

func attr(s tracetest.SpanStub, key string) string {
	for _, kv := range s.Attributes {
		if string(kv.Key) == key {
			return kv.Value.String()
		}
	}
	return ""
}

// sentTo is the trace and span id that a model server was sent with its last call.
func sentTo(t *testing.T, s *oiptest.Server) (traceID, spanID, flags string) {
	t.Helper()
	v := s.Last().Metadata.Get("traceparent")
	if len(v) != 1 {
		t.Fatalf("the model server got the traceparents %q", v)
	}
	parts := strings.Split(v[0], "-")
	if len(parts) != 4 || parts[0] != "00" {
		t.Fatalf("traceparent %q", v[0])
	}
	return parts[1], parts[2], parts[3]
}

// A fallback is always kept; its spans are a tree, and each attempt carries the id that its model server was sent.
func TestSpansOfAFallback(t *testing.T) {
	w, s := traced(t, "0")
	a := w.infer(t.Context(), request([][4]float32{sureRow, fallbackRow}))
	if a.err != nil {
		t.Fatal(a.err)
	}
	story := w.explain(a.param("candor_prediction_id"))
	all := s.exported(w)

	roots, ensembles, attempts := named(all, "candor.predict"), named(all, "candor.ensemble"), named(all, "candor.backend")
	if len(roots) != 1 || len(ensembles) != 1 || len(attempts) != 3 || len(all) != 5 {
		t.Fatalf("%d predict, %d ensemble, %d backend of %d spans", len(roots), len(ensembles), len(attempts), len(all))
	}
	root := roots[0]
	if root.Parent.IsValid() || root.SpanKind != trace.SpanKindServer || attr(root, "candor.prediction_id") != a.param("candor_prediction_id") || attr(root, "candor.consumer") != "anyone" {
		t.Errorf("root %v", root)
	}
	if ensembles[0].Parent.SpanID() != root.SpanContext.SpanID() {
		t.Error("the ensemble hangs elsewhere")
	}
	for stage, server := range map[string]*oiptest.Server{"primary": w.primary, "a": w.a, "b": w.b} {
		i := slices.IndexFunc(attempts, func(s tracetest.SpanStub) bool { return attr(s, "candor.stage") == stage })
		if i < 0 {
			t.Fatalf("no span of %s", stage)
		}
		traceID, spanID, flags := sentTo(t, server)
		got, above := attempts[i], ensembles[0]
		if stage == "primary" {
			above = root
		}
		// The primary was asked before anybody knew that this call would be kept: it was told what all unsampled calls tell.
		known := stage != "primary"
		if (got.SpanContext.TraceID().String() == traceID) != known || (got.SpanContext.SpanID().String() == spanID) != known ||
			got.Parent.SpanID() != above.SpanContext.SpanID() || got.SpanKind != trace.SpanKindClient {
			t.Errorf("%s: span %v below %v, sent %s %s", stage, got.SpanContext.SpanID(), got.Parent.SpanID(), traceID, spanID)
		}
		if flags != "00" {
			t.Errorf("%s was told flags %s of a call that was not sampled at its start", stage, flags)
		}
		within(t, got, above)
		if (traceID == story.GetPredictions()[0].GetTraceId()) != known {
			t.Errorf("the record says trace %s, the model server was sent %s", story.GetPredictions()[0].GetTraceId(), traceID)
		}
	}
	within(t, ensembles[0], root)
	if len(root.Events) != 1 || root.Events[0].Name != "candor.decision" {
		t.Errorf("events %v", root.Events)
	}
}

// within wants a span to be inside the time of the one above it.
func within(t *testing.T, s, above tracetest.SpanStub) {
	t.Helper()
	if s.StartTime.Before(above.StartTime) || s.EndTime.After(above.EndTime) {
		t.Errorf("%s %s: %v to %v is outside of %v to %v", s.Name, attr(s, "candor.stage"), s.StartTime, s.EndTime, above.StartTime, above.EndTime)
	}
}

// A plain accept is kept when it was sampled, or when its caller's trace is, and joins that.
func TestSampling(t *testing.T) {
	const theirs = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"
	for name, c := range map[string]struct {
		ratio, parent string
		kept          bool
		flags         string
	}{
		"none sampled":            {"0", "", false, "00"},
		"all sampled":             {"1", "", true, "01"},
		"the caller's is sampled": {"0", theirs + "01", true, "01"},
		"the caller's is not":     {"1", theirs + "00", false, "00"},
		"nonsense":                {"1", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", true, "01"},
	} {
		t.Run(name, func(t *testing.T) {
			w, s := traced(t, c.ratio)
			ctx := t.Context()
			if c.parent != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", c.parent)
			}
			a := w.infer(ctx, request([][4]float32{sureRow}))
			if a.err != nil {
				t.Fatal(a.err)
			}
			all := s.exported(w)
			if kept := len(all) > 0; kept != c.kept || (kept && len(all) != 2) {
				t.Errorf("%d spans", len(all))
			}
			traceID, _, flags := sentTo(t, w.primary)
			if joined := strings.HasPrefix(c.parent, "00-"+traceID); flags != c.flags || joined != strings.HasPrefix(c.parent, theirs) {
				t.Errorf("sent trace %s, flags %s", traceID, flags)
			}
			if c.kept && strings.HasPrefix(c.parent, theirs) && named(all, "candor.predict")[0].Parent.SpanID().String() != "b7ad6b7169203331" {
				t.Error("the caller's span is not the parent")
			}
			// A trace id that leads nowhere is not told.
			if p := a.predictions[0]; (p.GetTraceId() != "") != c.kept {
				t.Errorf("trace id %q", p.GetTraceId())
			}
		})
	}
}

// Failed calls are kept, and say so.
func TestSpansOfFailures(t *testing.T) {
	w, s := traced(t, "0", nobodyElse, "")
	w.primary.Kill()
	a := w.infer(t.Context(), request([][4]float32{sureRow}))
	md := toldBy(t, a.err).info.GetMetadata()
	all := s.exported(w)
	roots, attempts := named(all, "candor.predict"), named(all, "candor.backend")
	if len(roots) != 1 || len(attempts) != 1 || roots[0].Status.Code != codes.Error || attempts[0].Status.Code != codes.Error {
		t.Fatalf("spans %v", all)
	}
	if md["trace_id"] != roots[0].SpanContext.TraceID().String() || md["prediction_id"] != attr(roots[0], "candor.prediction_id") {
		t.Errorf("the error says %v", md)
	}
}

// A backend that is asked twice in one call has two spans.
func TestSpansOfOneBackendTwice(t *testing.T) {
	w, s := traced(t, "0", "remedial: {backend: old}", "remedial: {backend: a}")
	w.b.Kill()
	a := w.infer(t.Context(), request([][4]float32{fallbackRow}))
	if a.err != nil {
		t.Fatal(a.err)
	}
	var sent []string
	for _, c := range w.a.History() {
		sent = append(sent, strings.Split(c.Metadata.Get("traceparent")[0], "-")[2])
	}
	var got []string
	for _, span := range named(s.exported(w), "candor.backend") {
		if attr(span, "candor.stage") == "a" {
			got = append(got, span.SpanContext.SpanID().String())
		}
	}
	slices.Sort(sent)
	slices.Sort(got)
	if len(sent) != 2 || !slices.Equal(got, sent) {
		t.Errorf("spans %q, the model server was sent %q", got, sent)
	}
}

// A review is a trace of its own. From either of the two traces one finds the other, and the item names both.
func TestSpanOfAReview(t *testing.T) {
	w, s := traced(t, "0", "telemetry: {sample_ratio: 0}", "telemetry: {sample_ratio: 0, trace_url: 'https://traces.example/{trace_id}?span={span_id}'}")
	name, id := w.deferOne(deferredRow)
	w.resolve(reviewerToken, name, "good")
	item := w.look(auditorToken, name)
	all := s.exported(w)
	root, reviews := named(all, "candor.predict")[0].SpanContext, named(all, "candor.review")
	if len(reviews) != 2 {
		t.Fatalf("review spans %v", reviews)
	}
	own, back := reviews[0], reviews[1]
	if own.Parent.IsValid() || own.SpanContext.TraceID() == root.TraceID() || attr(own, "candor.prediction_id") != id || attr(own, "candor.author") != "ann" || !own.EndTime.After(own.StartTime) {
		t.Errorf("review span %v", own)
	}
	if back.Parent.SpanID() != root.SpanID() || back.SpanContext.TraceID() != root.TraceID() || !back.StartTime.Equal(own.EndTime) || !back.EndTime.Equal(back.StartTime) {
		t.Errorf("span in the prediction's trace %v", back)
	}
	for what, l := range map[string]struct {
		links []sdktrace.Link
		to    trace.SpanContext
	}{
		"the review":                {own.Links, root},
		"the prediction":            {named(all, "candor.predict")[0].Links, own.SpanContext},
		"the prediction's way back": {back.Links, own.SpanContext},
	} {
		if len(l.links) != 1 || l.links[0].SpanContext.TraceID() != l.to.TraceID() || l.links[0].SpanContext.SpanID() != l.to.SpanID() {
			t.Errorf("%s links to %v, want %v", what, l.links, l.to)
		}
	}
	for got, want := range map[string]string{
		item.GetTraceparent():       "00-" + root.TraceID().String() + "-" + root.SpanID().String() + "-01",
		item.GetReviewTraceparent(): "00-" + own.SpanContext.TraceID().String() + "-" + own.SpanContext.SpanID().String() + "-01",
		item.GetTraceUrl():          "https://traces.example/" + root.TraceID().String() + "?span=" + root.SpanID().String(),
		item.GetReviewTraceUrl():    "https://traces.example/" + own.SpanContext.TraceID().String() + "?span=" + own.SpanContext.SpanID().String(),
	} {
		if got != want {
			t.Errorf("the item says %q, want %q", got, want)
		}
	}
}

// Until a review has ended there is no trace of it to be named, and who judges it is not led to what the model said.
func TestTraceOfAnOpenReview(t *testing.T) {
	w, _ := traced(t, "0", "telemetry: {sample_ratio: 0}", "telemetry: {sample_ratio: 0, trace_url: 'https://traces.example/{trace_id}'}")
	name, _ := w.deferOne(deferredRow)
	for token, traced := range map[string]bool{auditorToken: true, reviewerToken: false} {
		if it := w.look(token, name); (it.GetTraceUrl() != "") != traced || (it.GetTraceparent() != "") != traced || it.GetReviewTraceparent() != "" || it.GetReviewTraceUrl() != "" {
			t.Errorf("%q: traces %q %q %q %q", token, it.GetTraceUrl(), it.GetTraceparent(), it.GetReviewTraceparent(), it.GetReviewTraceUrl())
		}
	}
}
