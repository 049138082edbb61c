package gateway_test

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// A model server that dies takes its stream with it, and nothing else: each outstanding request takes its route, and the next one
// opens a new stream when the server is back.
func TestStreamCutInTheMiddle(t *testing.T) {
	w := start(t)
	c := w.openStream()
	c.ask("before", [][4]float32{sureRow})
	c.next()
	w.primary.Hang()
	c.ask("1", [][4]float32{fallbackRow})
	c.ask("2", [][4]float32{deferredRow})
	if err := w.primary.AwaitCalls(bounded(t, ""), 2); err != nil {
		t.Fatal(err)
	}
	w.primary.Kill()
	if a := c.next(); a.resp.GetId() != "1" || a.param("candor_answered_by") != "both" || !strings.Contains(a.param("candor_reasons"), "BACKEND_FAILURE") {
		t.Errorf("%v", a.resp)
	}
	if _, a := c.told("DEFERRED_TO_REVIEW"); a.resp.GetId() != "2" {
		t.Errorf("%v", a.resp)
	}
	// While it is away requests are answered all the same.
	c.ask("3", [][4]float32{fallbackRow})
	if a := c.next(); a.resp.GetId() != "3" || a.param("candor_answered_by") != "both" {
		t.Errorf("%v", a.resp)
	}
	w.primary.Resume()
	w.primary.Restart()
	w.eventually(func() bool {
		c.ask("after", [][4]float32{row(.99, .95, .5)})
		return c.next().param("candor_answered_by") == "primary"
	})
	c.end()
	if s := w.backend("primary"); s.GetInFlight() != 0 {
		t.Errorf("%v", s)
	}
}

// A decoupled request that is cut after its first response: the rest takes the route of what has no answer.
func TestStreamCutBetweenResponses(t *testing.T) {
	hold := make(chan struct{})
	w, server := decoupled(t, func(ctx context.Context, req *inference.ModelInferRequest, send func(*inference.ModelInferResponse) error) error {
		if err := send(reply(ctx, req)); err != nil {
			return err
		}
		close(hold)
		<-ctx.Done()
		return ctx.Err()
	})
	c := w.openStream()
	c.ask("x", [][4]float32{sureRow})
	c.next()
	<-hold
	server.Kill()
	message, a := c.told("DEFERRED_TO_REVIEW")
	if a.param("candor_response_index") != "1" || a.param("candor_fault") == "" || !a.resp.GetParameters()[oiptest.FinalParam].GetBoolParam() {
		t.Errorf("%q %v", message, a.resp)
	}
	c.end()
}

// A model server that ends a stream before it has answered fails the requests on it, once.
func TestStreamEndedEarly(t *testing.T) {
	w := start(t)
	for _, end := range []error{nil, status.Error(codes.Internal, "out of cheese")} {
		w.primary.ScriptStream(func(st *oiptest.Stream) error {
			for range 2 {
				if _, err := st.Recv(); err != nil {
					return err
				}
			}
			return end
		})
		c := w.openStream()
		for _, id := range []string{"1", "2"} {
			c.ask(id, [][4]float32{fallbackRow})
		}
		for _, id := range []string{"1", "2"} {
			if a := c.next(); a.resp.GetId() != id || a.param("candor_answered_by") != "both" {
				t.Errorf("%v", a.resp)
			}
		}
		c.end()
	}
	if s := w.backend("primary"); s.GetFailures() != 2 || s.GetLastFailure() != "out of cheese" {
		t.Errorf("%v", s)
	}
}

// Bytes that are no frame end the stream that brought them.
func TestStreamOfGarbage(t *testing.T) {
	w := start(t)
	w.primary.ScriptStream(func(st *oiptest.Stream) error {
		if _, err := st.Recv(); err != nil {
			return err
		}
		if err := st.SendBytes([]byte{0x12, 0x05, 0xff}); err != nil {
			return err
		}
		<-st.Context().Done()
		return nil
	})
	c := w.openStream()
	c.ask("x", [][4]float32{fallbackRow})
	if a := c.next(); a.param("candor_answered_by") != "both" || !strings.Contains(a.param("candor_reasons"), "CONTRACT_FAILURE") {
		t.Errorf("%v", a.resp)
	}
	c.ask("y", [][4]float32{sureRow})
	if a := c.next(); a.param("candor_answered_by") != "primary" {
		t.Errorf("%v", a.resp)
	}
	c.end()
}

// A response that breaks the card is no answer, and the stream goes on.
func TestStreamBreaksItsCard(t *testing.T) {
	w := start(t)
	c := w.openStream()
	c.ask("x", [][4]float32{row(1.7, .95, .5)})
	if a := c.next(); a.param("candor_answered_by") != "both" || !strings.Contains(a.param("candor_reasons"), "CONTRACT_FAILURE") {
		t.Errorf("%v", a.resp)
	}
	c.end()
	if s := w.backend("primary"); s.GetContractFailures() != 1 {
		t.Errorf("%v", s)
	}
}

// A model server that hangs is given up after an attempt's time, and counts as a failure. (backend's tests of its clock say what
// counts as silence.)
func TestStreamSilence(t *testing.T) {
	w := start(t, "timeout: 5s, breaker: BREAKER, card: &card", "timeout: 1s, breaker: BREAKER, card: &card")
	w.primary.Hang()
	c := w.openStream()
	c.ask("x", [][4]float32{fallbackRow})
	if a := c.next(); a.param("candor_answered_by") != "both" || !strings.Contains(a.param("candor_reasons"), "DEADLINE") {
		t.Errorf("%v", a.resp)
	}
	w.primary.Resume()
	if s := w.backend("primary"); s.GetFailures() != 1 || !strings.Contains(s.GetLastFailure(), "no answer within") {
		t.Errorf("%v", s)
	}
	c.ask("y", [][4]float32{sureRow})
	if a := c.next(); a.param("candor_answered_by") != "primary" {
		t.Errorf("%v", a.resp)
	}
	c.end()
}
