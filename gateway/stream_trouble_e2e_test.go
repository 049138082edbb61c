package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/review"
)

// What is wrong with one request is said in band, and the stream goes on.
func TestStreamRefusals(t *testing.T) {
	w := start(t)
	c := w.openStream()
	bad := request([][4]float32{sureRow})
	bad.Id, bad.RawInputContents = "short", [][]byte{{1, 2, 3}}
	c.send(bad)
	message, a := c.told("INVALID_REQUEST")
	if a.resp.GetId() != "short" || !strings.Contains(message, "raw_input_contents") || !a.resp.GetParameters()[oiptest.FinalParam].GetBoolParam() {
		t.Errorf("%q %v", message, a.resp)
	}
	unknown := request([][4]float32{sureRow})
	unknown.Id, unknown.ModelName = "nobody's", "nope"
	c.send(unknown)
	if message, a := c.told("MODEL_NOT_FOUND"); a.resp.GetId() != "nobody's" || a.resp.GetModelName() != "nope" || !strings.Contains(message, "fraud") {
		t.Errorf("%q %v", message, a.resp)
	}
	version := request([][4]float32{sureRow})
	version.ModelVersion = "9"
	c.send(version)
	c.told("VERSION_NOT_SERVED")
	c.ask("good", [][4]float32{sureRow})
	if a := c.next(); a.resp.GetId() != "good" {
		t.Errorf("%v", a.resp)
	}
	c.end()
	if n := w.metric(`candor_refused_total{reason="MODEL_NOT_FOUND"}`); n != 1 {
		t.Errorf("%v refused", n)
	}
}

// Bytes that are no request are said to be none, in band, and the stream goes on.
func TestStreamOfUnreadableRequests(t *testing.T) {
	w := start(t)
	desc := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
	stream, err := w.conn.NewStream(bounded(t, clientToken), desc, inference.GRPCInferenceService_ModelStreamInfer_FullMethodName, grpc.ForceCodecV2(wire.Codec{}))
	if err != nil {
		t.Fatal(err)
	}
	good, err := proto.Marshal(request([][4]float32{sureRow}))
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range [][]byte{{0x0a, 0x20, 'x'}, good[:len(good)/2], {0x1a, 1, 0xff}, nil, good} {
		if err := stream.SendMsg(wire.NewFrame(data)); err != nil {
			t.Fatal(err)
		}
		m := new(inference.ModelStreamInferResponse)
		if err := stream.RecvMsg(m); err != nil {
			t.Fatal(err)
		}
		reason := m.GetInferResponse().GetParameters()["candor_error"].GetStringParam()
		switch {
		case len(data) == len(good) && m.GetErrorMessage() != "":
			t.Errorf("%v", m)
		case data == nil && reason != "MODEL_NOT_FOUND", data != nil && len(data) < len(good) && reason != "INVALID_REQUEST":
			t.Errorf("%q: %v", data, m)
		}
	}
}

// Anonymous callers have a grant for fraud alone, and whoever has no identity gets no stream at all.
func TestStreamGrants(t *testing.T) {
	w := start(t, "models:\n  fraud:", "models:\n  other: {primary: a, policy: {mode: observe}}\n  fraud:")
	stream, err := inference.NewGRPCInferenceServiceClient(w.conn).ModelStreamInfer(bounded(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	c := &chat{t: t, stream: stream}
	req := request([][4]float32{sureRow})
	req.ModelName = "other"
	c.send(req)
	c.told("PERMISSION_DENIED")
	stream, err = inference.NewGRPCInferenceServiceClient(w.conn).ModelStreamInfer(bounded(t, "stolen"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = stream.Recv()
	wantError(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
}

// Clients of Triton that ask for statuses get them, and the stream ends with the first.
func TestStreamEndsOnErrorWhenAsked(t *testing.T) {
	w := start(t)
	c := w.openStream("triton_grpc_error", "true")
	c.ask("1", [][4]float32{sureRow})
	c.next()
	c.ask("2", [][4]float32{deferredRow})
	err := c.failed()
	md := wantError(t, err, codes.FailedPrecondition, "DEFERRED_TO_REVIEW")
	if r := toldBy(t, err).resource; r == nil || r.GetResourceName() != md["review_item"] || md["prediction_id"] == "" {
		t.Errorf("%v", err)
	}
}

// The model server's own errors come in band. Its word decides what they mean: a refusal is the client's own fault, a crash and what
// nobody knows take their route.
func TestStreamErrorsOfTheModelServer(t *testing.T) {
	w := start(t)
	said := []string{
		"[request id: 1] unexpected shape for input 'x' for model 'm'. Expected [-1,4], got [1,5].",
		"Failed to process the request(s) for model instance 'm_0_0', message: RuntimeError: boom",
		"the moon is in the wrong house",
		"[request id: 4] Exceeds maximum queue size",
	}
	w.primary.ScriptStream(func(st *oiptest.Stream) error {
		for _, message := range said {
			req, err := st.Recv()
			if err != nil {
				return err
			}
			if err := st.SendError(req.GetId(), message); err != nil {
				return err
			}
		}
		_, err := st.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		return fmt.Errorf("more: %w", err)
	})
	c := w.openStream()
	c.ask("1", [][4]float32{fallbackRow})
	message, a := c.told("BACKEND_ERROR")
	if !strings.Contains(message, "unexpected shape") || a.param("candor_error_code") != fmt.Sprint(int(codes.InvalidArgument)) {
		t.Errorf("%q %v", message, a.resp)
	}
	for _, id := range []string{"2", "3", "4"} {
		c.ask(id, [][4]float32{fallbackRow})
		a := c.next()
		if a.resp.GetId() != id || a.param("candor_answered_by") != "both" || !a.resp.GetParameters()[oiptest.FinalParam].GetBoolParam() {
			t.Errorf("%s: %v", id, a.resp)
		}
	}
	c.end()
	if s := w.backend("primary"); s.GetFailures() != 1 || s.GetCalls() != 4 || !strings.Contains(s.GetLastFailure(), "boom") {
		t.Errorf("%v", s)
	}
}

// Ten thousand requests that the gateway or the model server refuses open no breaker.
func TestStreamBadInputOpensNoBreaker(t *testing.T) {
	w := start(t, "BREAKER", "{min_calls: 5}")
	const each = 5000
	w.primary.ScriptStream(func(st *oiptest.Stream) error {
		for {
			req, err := st.Recv()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if req.GetId() == "good" {
				err = st.Send(oiptest.Mark(reply(st.Context(), req), true))
			} else {
				err = st.SendError(req.GetId(), "inference request batch-size must be <= 4 for 'm'")
			}
			if err != nil {
				return err
			}
		}
	})
	// More than the other tests have: it is many requests for a busy machine with the race detector.
	ctx, cancel := context.WithTimeout(as(clientToken), 2*time.Minute)
	defer cancel()
	stream, err := inference.NewGRPCInferenceServiceClient(w.conn).ModelStreamInfer(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c := &chat{t: t, stream: stream}
	done := make(chan error, 1)
	go func() {
		bad := request([][4]float32{sureRow})
		bad.RawInputContents = nil
		fine := request([][4]float32{sureRow})
		for range each {
			if err := errors.Join(c.stream.Send(bad), c.stream.Send(fine)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range 2 * each {
		if m := c.frame(); m.GetErrorMessage() == "" {
			t.Fatalf("answered: %v", m)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	c.ask("good", [][4]float32{sureRow})
	if a := c.next(); a.param("candor_answered_by") != "primary" {
		t.Errorf("%v", a.resp)
	}
	c.end()
	if s := w.backend("primary"); s.GetBreaker() != candorv1.BreakerState_BREAKER_STATE_CLOSED || s.GetFailures() != 0 {
		t.Errorf("%v", s)
	}
}

// A caller's deadline ends the stream; what is outstanding takes its route before. Our share of the time is short, and on a busy
// machine the client's own clock may be first: so it is tried again.
func TestStreamDeadline(t *testing.T) {
	w := start(t, "      fallback: {ensemble: both, threshold: {probability: 0.8}}\n", "")
	w.primary.Hang()
	w.eventually(func() bool {
		ctx, cancel := context.WithTimeout(as(clientToken), 300*time.Millisecond)
		defer cancel()
		stream, err := inference.NewGRPCInferenceServiceClient(w.conn).ModelStreamInfer(ctx)
		if err == nil {
			_ = stream.Send(request([][4]float32{sureRow})) // its only error is the stream's, which Recv tells
		}
		for err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != codes.DeadlineExceeded {
			t.Fatal(err)
		}
		resp, err := w.reviews().ListReviewItems(as(reviewerToken), &candorv1.ListReviewItemsRequest{})
		return err == nil && len(resp.GetItems()) > 0
	})
}

// A model server without streams is asked by ModelInfer, from the first request on.
func TestStreamToAServerWithoutStreams(t *testing.T) {
	w := start(t)
	none := func(*oiptest.Stream) error { return status.Error(codes.Unimplemented, "Method not implemented!") }
	w.primary.ScriptStream(none, none)
	c := w.openStream()
	for _, id := range []string{"1", "2", "3"} {
		c.ask(id, [][4]float32{sureRow})
	}
	for _, id := range []string{"1", "2", "3"} {
		a := c.next()
		if a.resp.GetId() != id || a.param("candor_answered_by") != "primary" || !a.resp.GetParameters()[oiptest.FinalParam].GetBoolParam() {
			t.Errorf("%v", a.resp)
		}
	}
	c.ask("4", [][4]float32{deferredRow})
	c.told("DEFERRED_TO_REVIEW")
	c.end()
	s := w.backend("primary")
	if w.primary.Streams() > 2 || w.primary.Calls() != 4 || s.GetFailures() != 0 || s.GetInFlight() != 0 {
		t.Errorf("%d streams, %d requests, %v", w.primary.Streams(), w.primary.Calls(), s)
	}
}

// The span of a request that was asked by ModelInfer after all has the id that went out with that.
func TestSpanOfAStreamToAServerWithoutStreams(t *testing.T) {
	w, s := traced(t, "1")
	none := func(*oiptest.Stream) error { return status.Error(codes.Unimplemented, "Method not implemented!") }
	w.primary.ScriptStream(none, none)
	c := w.openStream()
	c.ask("1", [][4]float32{sureRow})
	c.next()
	c.end()
	_, sent, _ := sentTo(t, w.primary)
	asked := named(s.exported(w), "candor.backend")
	if len(asked) != 1 || asked[0].SpanContext.SpanID().String() != sent {
		t.Errorf("spans %v, the model server was sent %s", asked, sent)
	}
}

// An open breaker refuses requests on streams as it refuses calls, and lets the same stream's requests through when it has closed.
func TestStreamAndBreaker(t *testing.T) {
	w := start(t, "BREAKER", "{min_calls: 2, open_for: 0.1s, probes: 1}")
	c := w.openStream()
	w.primary.FailWith(status.Error(codes.Internal, "Failed to process the request(s) for model instance 'm_0'"))
	for range 2 {
		c.ask("x", [][4]float32{fallbackRow})
		c.next()
	}
	w.primary.FailWith(nil)
	if s := w.backend("primary"); s.GetBreakerOpened() != 1 || w.primary.Streams() != 1 {
		t.Errorf("%d streams, %v", w.primary.Streams(), s)
	}
	before := w.primary.Calls()
	c.ask("refused", [][4]float32{fallbackRow})
	if a := c.next(); a.param("candor_answered_by") != "both" || (strings.Contains(a.param("candor_reasons"), "BREAKER_OPEN") && w.primary.Calls() != before) {
		t.Errorf("%v", a.resp)
	}
	w.eventually(func() bool {
		c.ask("again", [][4]float32{row(.99, .95, .5)})
		return c.next().param("candor_answered_by") == "primary"
	})
	c.end()
	if s := w.backend("primary"); s.GetBreaker() != candorv1.BreakerState_BREAKER_STATE_CLOSED {
		t.Errorf("%v", s)
	}
}

// shattered panics wherever it is asked to store a prediction.
type shattered struct{ gateway.Ledger }

func (shattered) Enqueue(context.Context, *candorv1.Record) error { panic("no such luck") }

func (shattered) Record(context.Context, *candorv1.Record, []review.Item) error {
	panic("no such luck")
}

// A defect in dealing with one request of a stream that broke leaves nothing behind of the others either.
func TestPanicOnAStreamThatBroke(t *testing.T) {
	w := startWith(t, options{deps: func(d *gateway.Deps) {
		d.Ledger, d.Log = shattered{d.Ledger}, slog.New(slog.DiscardHandler)
	}})
	w.primary.ScriptStream(func(st *oiptest.Stream) error {
		for range 3 {
			if _, err := st.Recv(); err != nil {
				return err
			}
		}
		return status.Error(codes.Internal, "the model is broken")
	})
	c := w.openStream()
	for _, id := range []string{"x", "y", "z"} {
		c.ask(id, [][4]float32{row(.6, .97, .5)})
	}
	wantError(t, c.failed(), codes.Internal, "INTERNAL")
	w.eventually(func() bool { return w.backend("primary").GetInFlight() == 0 })
	if n := w.metric("candor_panics_total"); n != 1 {
		t.Errorf("%v panics", n)
	}
}

// A defect ends its own stream and no other.
func TestPanicOnAStream(t *testing.T) {
	w := startWith(t, options{deps: func(d *gateway.Deps) {
		d.Ledger, d.Log = broken{d.Ledger}, slog.New(slog.DiscardHandler)
	}})
	other := w.openStream()
	c := w.openStream()
	c.ask("x", [][4]float32{sureRow})
	wantError(t, c.failed(), codes.Internal, "INTERNAL")
	other.ask("y", [][4]float32{fallbackRow})
	if a := other.next(); a.param("candor_answered_by") != "both" {
		t.Errorf("%v", a.resp)
	}
	other.end()
	w.eventually(func() bool { return w.backend("primary").GetInFlight() == 0 })
	if n := w.metric("candor_panics_total"); n != 1 {
		t.Errorf("%v panics", n)
	}
}
