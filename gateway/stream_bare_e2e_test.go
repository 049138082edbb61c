package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// Clients of MLServer read bare responses, whatever the model server sends, and the first error ends their stream.
func TestBareClient(t *testing.T) {
	w := start(t)
	c := w.openBare()
	c.ask("1", [][4]float32{sureRow})
	if a := c.next(); a.resp.GetId() != "1" || a.param("candor_route") != "ACCEPT" {
		t.Errorf("%v", a.resp)
	}
	c.ask("2", [][4]float32{fallbackRow})
	if a := c.next(); a.resp.GetId() != "2" || a.param("candor_answered_by") != "both" {
		t.Errorf("%v", a.resp)
	}
	c.ask("3", [][4]float32{deferredRow})
	err := c.failed()
	wantError(t, err, codes.FailedPrecondition, "DEFERRED_TO_REVIEW")
	if toldBy(t, err).resource == nil {
		t.Errorf("no item in %v", err)
	}
	c = w.openBare()
	c.ask("1", nil)
	wantError(t, c.failed(), codes.InvalidArgument, "INVALID_REQUEST")
}

// wholeStream reads all requests of a stream before it answers, n times, under the first one's id, as models on MLServer do.
func wholeStream(n int) func(*oiptest.Stream) error {
	return func(st *oiptest.Stream) error {
		var first *inference.ModelInferRequest
		for {
			req, err := st.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			if first == nil {
				first = req
			}
		}
		for range n {
			if err := st.Send(reply(st.Context(), first)); err != nil {
				return err
			}
		}
		return nil
	}
}

// Between a client and a server without frames everything is as it is without a gateway: one stream, whose end the client says.
func TestBareClientBareServer(t *testing.T) {
	w, server := bare(t, nil)
	for requests := 1; requests <= 3; requests++ {
		server.ScriptStream(wholeStream(2))
		c := w.openBare()
		for i := range requests {
			c.ask(fmt.Sprint(i), [][4]float32{sureRow})
		}
		if err := c.stream.CloseSend(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if a := c.next(); a.resp.GetId() != "0" || a.param("candor_route") != "ACCEPT" || a.param("candor_answered_by") != "primary" {
				t.Errorf("%d requests: %v", requests, a.resp)
			}
		}
		c.end()
	}
	if server.Streams() != 3 {
		t.Errorf("%d streams", server.Streams())
	}
	if s := w.backend("primary"); s.GetFailures() != 0 || s.GetInFlight() != 0 {
		t.Errorf("%v", s)
	}
	// Each request answered by itself, with the first one's id on all of them.
	c := w.openBare()
	for i, p := range []float32{.91, .92, .93} {
		c.ask(fmt.Sprint(i), [][4]float32{row(p, .5, .5)})
		if a := c.next(); a.resp.GetId() != fmt.Sprint(i) || a.floats(t, "probabilities")[1] != p {
			t.Errorf("%v", a.resp)
		}
	}
	c.end()
}

// With several requests on such a stream nobody knows whose a response is. So it has the id that the server gives it, no ensemble is
// asked about what may be another request, and no person is shown it.
func TestBareStreamIsVague(t *testing.T) {
	w, server := bare(t, nil, "on_defer: withhold", "on_defer: provisional")
	server.ScriptStream(wholeStream(2))
	c := w.openBare()
	c.ask("first", [][4]float32{fallbackRow})
	c.ask("second", [][4]float32{row(.6, .02, .5)})
	if err := c.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		a := c.next()
		if a.resp.GetId() != "first" || a.param("candor_route") != "DEFER" || a.param("candor_answered_by") != "primary" {
			t.Errorf("%v", a.resp)
		}
		if item := w.claim(reviewerToken, a.param("candor_review_item")); item.GetPayload() != nil {
			t.Errorf("the item shows %v", item.GetPayload())
		}
	}
	c.end()
	if w.a.Calls()+w.b.Calls() != 0 {
		t.Error("the fallback was asked about somebody's request")
	}
	// Alone on its stream a request is who it is.
	server.ScriptStream(wholeStream(1))
	c = w.openBare()
	c.ask("alone", [][4]float32{fallbackRow})
	if err := c.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if a := c.next(); a.param("candor_answered_by") != "both" {
		t.Errorf("%v", a.resp)
	}
	c.end()
	// A break ends the client's stream, which can't be told what is missing.
	server.ScriptStream(func(st *oiptest.Stream) error {
		for range 2 {
			if _, err := st.Recv(); err != nil {
				return err
			}
		}
		return status.Error(codes.Internal, "boom")
	})
	c = w.openBare()
	c.ask("1", [][4]float32{fallbackRow})
	c.ask("2", [][4]float32{fallbackRow})
	if err := c.failed(); status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "boom") {
		t.Errorf("%v", err)
	}
	if s := w.backend("primary"); s.GetFailures() != 1 {
		t.Errorf("%v", s)
	}
}

// An error of such a server ends its stream. Requests that were not answered take their routes; a client that waits for the end is
// told that it is not the right one.
func TestBareServerFails(t *testing.T) {
	w, server := bare(t, nil)
	server.ScriptStream(func(st *oiptest.Stream) error {
		if _, err := st.Recv(); err != nil {
			return err
		}
		return status.Error(codes.Internal, "boom")
	})
	c := w.openBare()
	c.ask("1", [][4]float32{fallbackRow})
	if a := c.next(); a.resp.GetId() != "1" || a.param("candor_answered_by") != "both" {
		t.Errorf("%v", a.resp)
	}
	c.end()

	server.ScriptStream(func(st *oiptest.Stream) error {
		if err := wholeStream(1)(st); err != nil {
			return err
		}
		return status.Error(codes.Internal, "bang")
	})
	c = w.openBare()
	c.ask("2", [][4]float32{sureRow})
	if err := c.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	c.next()
	if err := c.failed(); status.Code(err) != codes.Internal || !strings.Contains(err.Error(), "bang") {
		t.Errorf("%v", err)
	}
}

// A client of Triton's in front of MLServer: each request has a stream of its own, so that models which wait for its end answer
// although the client's stays open, and the last response can be marked.
func TestTritonClientBareServer(t *testing.T) {
	w, server := bare(t, nil)
	server.ScriptStream(wholeStream(3), wholeStream(2), wholeStream(0))
	c := w.openStream()
	for i, n := range []int{3, 2, 0} {
		req := request([][4]float32{sureRow})
		req.Id = fmt.Sprint(i)
		req.Parameters = map[string]*inference.InferParameter{
			oiptest.WantFinalParam: {ParameterChoice: &inference.InferParameter_BoolParam{BoolParam: true}},
		}
		c.send(req)
		for j := range n {
			a := c.next()
			if p := a.resp.GetParameters()[oiptest.FinalParam]; a.resp.GetId() != req.Id || a.param("candor_response_index") != fmt.Sprint(j) ||
				p == nil || p.GetBoolParam() {
				t.Errorf("%v", a.resp)
			}
		}
		if a := c.next(); len(a.resp.GetOutputs()) > 0 || a.resp.GetId() != req.Id || !a.resp.GetParameters()[oiptest.FinalParam].GetBoolParam() {
			t.Errorf("the last response is %v", a.resp)
		}
	}
	server.ScriptStream(func(st *oiptest.Stream) error { return status.Error(codes.InvalidArgument, "not like this") })
	c.ask("refused", [][4]float32{fallbackRow})
	if message, a := c.told("BACKEND_ERROR"); a.resp.GetId() != "refused" || !strings.Contains(message, "not like this") {
		t.Errorf("%q %v", message, a.resp)
	}
	server.ScriptStream(func(*oiptest.Stream) error { return status.Error(codes.Internal, "boom") })
	c.ask("failed", [][4]float32{fallbackRow})
	if a := c.next(); a.resp.GetId() != "failed" || a.param("candor_answered_by") != "both" {
		t.Errorf("%v", a.resp)
	}
	server.ScriptStream(func(st *oiptest.Stream) error {
		if err := wholeStream(1)(st); err != nil {
			return err
		}
		return status.Error(codes.Internal, "bang")
	})
	c.ask("cut", [][4]float32{sureRow})
	c.next()
	if _, a := c.told("DEFERRED_TO_REVIEW"); a.param("candor_response_index") != "1" || !strings.Contains(a.param("candor_fault"), "bang") {
		t.Errorf("%v", a.resp)
	}
	c.end()
	if server.Streams() != 6 {
		t.Errorf("%d streams", server.Streams())
	}
}

// A model that reads its stream whole, and a client that neither ends it nor reads Triton's frames: the silence is the client's,
// and counts against nobody.
func TestBareSilenceIsTheClients(t *testing.T) {
	w, server := bare(t, func(ctx context.Context, _ *inference.ModelInferRequest, _ func(*inference.ModelInferResponse) error) error {
		<-ctx.Done()
		return ctx.Err()
	}, "timeout: 5s, breaker: BREAKER, card: &card", "timeout: 1s, breaker: {min_calls: 1}, card: &card")
	c := w.openBare()
	c.ask("1", [][4]float32{fallbackRow})
	if a := c.next(); a.param("candor_answered_by") != "both" || !strings.Contains(a.param("candor_reasons"), "DEADLINE") {
		t.Errorf("%v", a.resp)
	}
	if s := w.backend("primary"); s.GetFailures() != 0 || server.Streams() != 1 {
		t.Errorf("%v", s)
	}
	c.end()
}
