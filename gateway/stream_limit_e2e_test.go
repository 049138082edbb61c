package gateway_test

import (
	"context"
	"errors"
	"io"
	"strconv"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// A request on a stream has a place as a unary call has one, and is refused in the client's own frames, with advice.
func TestStreamIsShed(t *testing.T) {
	shed := []string{
		"fallback: {ensemble: both, threshold: {probability: 0.8}}", "", "review: {queue: desk, on_expire: reject}", "", "on_defer: withhold", "",
		"queues: {desk: {deadline: 1h, lease: 5m}}", "",
		"ensembles:\n  both: {version: \"1\", members: [{backend: a}, {backend: b}], quorum: 2, combiner: mean, remedial: {backend: old}}\n", "",
		"mode: enforce", "mode: observe", "payments: {identity", "payments: {priority: low, identity", "primary: {address: PRIMARY", "primary: {max_in_flight: 1, adaptive_limit: false, address: PRIMARY",
	}
	w := start(t, shed...)
	w.primary.Hang()
	defer w.primary.Resume()
	full := w.openStream()
	full.ask("has the place", [][4]float32{sureRow})
	if err := w.primary.AwaitCalls(bounded(t, ""), 1); err != nil {
		t.Fatal(err)
	}
	framed := w.openStream()
	framed.ask("x", [][4]float32{sureRow})
	_, a := framed.told("OVERLOADED")
	if ms, err := strconv.Atoi(a.param("candor_retry_after_ms")); err != nil || ms < 1 || a.resp.GetId() != "x" || a.param("candor_error_code") != strconv.Itoa(int(codes.ResourceExhausted)) {
		t.Errorf("%v", a.resp)
	}
	statuses := w.openStream("triton_grpc_error", "true")
	statuses.ask("x", [][4]float32{sureRow})
	err := statuses.failed()
	if wantError(t, err, codes.ResourceExhausted, "OVERLOADED"); toldBy(t, err).retry == nil {
		t.Errorf("no advice when to retry: %v", err)
	}
	plain := w.openBare()
	plain.ask("x", [][4]float32{sureRow})
	err = plain.failed()
	if wantError(t, err, codes.ResourceExhausted, "OVERLOADED"); toldBy(t, err).retry == nil {
		t.Errorf("no advice when to retry: %v", err)
	}
	w.primary.Resume()
	full.next()
	framed.ask("y", [][4]float32{sureRow})
	framed.next()
	full.end()
	framed.end()
	if n := w.metric(`candor_backend_shed_total{backend="primary",priority="low"}`); n != 3 {
		t.Errorf("%v requests were shed", n)
	}
}

// What is kept only because more might come for it holds no place.
func TestStreamAnsweredHoldsNoPlace(t *testing.T) {
	w, _ := bare(t, nil, "primary: {dialect", "primary: {max_in_flight: 1, adaptive_limit: false, dialect")
	c := w.openBare()
	for _, id := range []string{"1", "2", "3"} {
		c.ask(id, [][4]float32{sureRow})
		if a := c.next(); a.param("candor_answered_by") != "primary" {
			t.Errorf("%v", a.resp)
		}
		if n := w.backend("primary").GetInFlight(); n != 0 {
			t.Errorf("%d in flight", n)
		}
	}
	c.end()
}

// endless answers a request for ever.
func endless(ctx context.Context, req *inference.ModelInferRequest, send func(*inference.ModelInferResponse) error) error {
	for {
		if err := send(reply(ctx, req)); err != nil {
			return err
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A model that never ends holds a replaced configuration for the time of a drain, and no other request ends with it.
func TestReloadEndsEndlessAnswers(t *testing.T) {
	w, server := decoupled(t, func(ctx context.Context, req *inference.ModelInferRequest, send func(*inference.ModelInferResponse) error) error {
		if req.GetId() == "endless" {
			return endless(ctx, req, send)
		}
		return send(reply(ctx, req))
	}, "reflection: true", "reflection: true, drain_timeout: 0.3s")
	c := w.openStream()
	c.ask("endless", [][4]float32{sureRow})
	c.next()
	w.reload(strict, loose)
	c.ask("after", [][4]float32{sureRow})
	for answered, ended := false, false; !answered || !ended; {
		m := c.frame()
		a := answer{resp: m.GetInferResponse()}
		switch {
		case a.resp.GetId() == "after":
			if answered = true; a.param("candor_answered_by") != "primary" {
				t.Errorf("%v", m)
			}
		case m.GetErrorMessage() != "":
			if ended = true; a.param("candor_error") != "DEFERRED_TO_REVIEW" || a.resp.GetId() != "endless" || !a.resp.GetParameters()[oiptest.FinalParam].GetBoolParam() {
				t.Errorf("%v", m)
			}
		}
	}
	c.ask("still there", [][4]float32{sureRow})
	if a := c.next(); a.param("candor_answered_by") != "primary" {
		t.Errorf("%v", a.resp)
	}
	c.end()
	if s := w.backend("primary"); s.GetFailures() != 0 || server.Streams() != 2 {
		t.Errorf("%d streams, %v", server.Streams(), s)
	}
}

// An idle stream lets go of a backend that is gone from the configuration, without another request, also where its client sends no more.
func TestReloadLetsIdleStreamsGo(t *testing.T) {
	for _, closing := range []bool{false, true} {
		w, server := decoupled(t, nil, "reflection: true", "reflection: true, drain_timeout: 0.2s")
		ended := make(chan error, 1)
		server.ScriptStream(func(st *oiptest.Stream) error {
			req, err := st.Recv()
			if err != nil {
				return err
			}
			if err := st.Send(oiptest.Mark(reply(st.Context(), req), !closing)); err != nil {
				return err
			}
			if closing {
				ended <- endless(st.Context(), req, func(resp *inference.ModelInferResponse) error { return st.Send(oiptest.Mark(resp, false)) })
				return nil
			}
			_, err = st.Recv()
			ended <- err
			return nil
		})
		c := w.openStream()
		c.ask("1", [][4]float32{sureRow})
		c.next()
		if closing {
			if err := c.stream.CloseSend(); err != nil {
				t.Fatal(err)
			}
		}
		other := w.server(0, "3")
		w.reload(server.Addr(), other.Addr())
		if closing {
			for m, err := c.stream.Recv(); !errors.Is(err, io.EOF); m, err = c.stream.Recv() {
				if err != nil {
					t.Fatalf("%v %v", m, err)
				}
			}
		}
		if err := <-ended; err == nil {
			t.Errorf("the replaced server's stream ended with %v", err)
		}
		if !closing {
			c.ask("2", [][4]float32{sureRow})
			c.next()
			c.end()
			if other.Calls() != 1 {
				t.Errorf("%d requests reached the new server", other.Calls())
			}
		}
		if s := w.backend("primary"); s.GetBreaker() != candorv1.BreakerState_BREAKER_STATE_CLOSED {
			t.Errorf("%v", s)
		}
	}
}
