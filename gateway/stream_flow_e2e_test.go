package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// stalled waits until a count that has begun stands still, and answers it.
func stalled(w *world, count *atomic.Int64) int64 {
	w.t.Helper()
	const still = 40 // tries, of 5 ms, without a change
	last, same := int64(0), 0
	w.eventually(func() bool {
		if n := count.Load(); n != last {
			last, same = n, 0
		} else if n > 0 {
			same++
		}
		return same >= still
	})
	return last
}

// A client that does not read makes its model server wait, not the gateway's memory grow.
func TestStreamBackpressure(t *testing.T) {
	const responses, size, bound, read = 400, 1 << 18, 64 << 20 / (1 << 18), 20
	var sent atomic.Int64
	w, _ := decoupled(t, func(ctx context.Context, req *inference.ModelInferRequest, send func(*inference.ModelInferResponse) error) error {
		for range responses {
			resp := reply(ctx, req)
			resp.Parameters = map[string]*inference.InferParameter{
				"padding": {ParameterChoice: &inference.InferParameter_StringParam{StringParam: strings.Repeat("x", size)}},
			}
			if err := send(resp); err != nil {
				return err
			}
			sent.Add(1)
		}
		return nil
	})
	c := w.openStream()
	c.ask("x", [][4]float32{sureRow})
	n := stalled(w, &sent)
	if n >= bound {
		t.Fatalf("%d responses of %d bytes were taken for a client that reads none", n, size)
	}
	// It goes on when the client does.
	for i := range read {
		if a := c.next(); a.param("candor_response_index") != fmt.Sprint(i) {
			t.Fatalf("%d: %v", i, a.param("candor_response_index"))
		}
	}
	w.eventually(func() bool { return sent.Load() > n })
}

// An error that ends a stream ends it also while answers wait for a client that reads none.
func TestStreamErrorEndsABlockedStream(t *testing.T) {
	var sent atomic.Int64
	ended := make(chan struct{})
	w, _ := decoupled(t, func(ctx context.Context, req *inference.ModelInferRequest, send func(*inference.ModelInferResponse) error) error {
		defer close(ended)
		for {
			resp := reply(ctx, req)
			resp.Parameters = map[string]*inference.InferParameter{
				"padding": {ParameterChoice: &inference.InferParameter_StringParam{StringParam: strings.Repeat("x", 1<<18)}},
			}
			if err := send(resp); err != nil {
				return err
			}
			sent.Add(1)
		}
	})
	c := w.openStream("triton_grpc_error", "true")
	c.ask("x", [][4]float32{sureRow})
	stalled(w, &sent)
	unknown := request([][4]float32{sureRow})
	unknown.ModelName = "nope"
	c.send(unknown)
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the model server still works for a stream that has ended")
	}
	var err error
	for err == nil {
		_, err = c.stream.Recv()
	}
	wantError(t, err, codes.NotFound, "MODEL_NOT_FOUND")
}

// A client that sends ahead of a slow model server is read only as far as the bound on outstanding requests.
func TestStreamOutstandingIsBounded(t *testing.T) {
	const outstanding, requests = 128, 1000
	w := start(t)
	var taken atomic.Int64
	release := make(chan struct{})
	w.primary.ScriptStream(func(st *oiptest.Stream) error {
		reqs := make(chan *inference.ModelInferRequest, requests)
		go func() {
			defer close(reqs)
			for {
				req, err := st.Recv()
				if err != nil {
					return
				}
				taken.Add(1)
				reqs <- req
			}
		}()
		<-release
		for req := range reqs {
			// Without the mark: then nothing says that a request is finished, and it must not hold its room for ever.
			if err := st.Send(reply(st.Context(), req)); err != nil {
				return err
			}
		}
		return nil
	})
	c := w.openStream()
	done := make(chan error, 1)
	go func() {
		for i := range requests {
			req := request([][4]float32{sureRow})
			req.Id = fmt.Sprint(i)
			if err := c.stream.Send(req); err != nil {
				done <- err
				return
			}
		}
		done <- c.stream.CloseSend()
	}()
	w.eventually(func() bool { return taken.Load() >= outstanding })
	if n := stalled(w, &taken); n != outstanding {
		t.Errorf("%d requests were sent on, want %d", n, outstanding)
	}
	close(release)
	for i := range requests {
		if a := c.next(); a.resp.GetId() != fmt.Sprint(i) {
			t.Fatalf("%d: %v", i, a.resp)
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if m, err := c.stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("%v %v", m, err)
	}
}

// A client that goes away takes its streams at the model servers with it.
func TestStreamCancellation(t *testing.T) {
	w := start(t, "models:\n  fraud:", "models:\n  other: {primary: a, policy: {mode: observe}}\n  fraud:")
	ended := make(chan error, 2)
	for _, s := range []*oiptest.Server{w.primary, w.a} {
		s.ScriptStream(func(st *oiptest.Stream) error {
			if _, err := st.Recv(); err != nil {
				return err
			}
			<-st.Context().Done()
			ended <- st.Context().Err()
			return nil
		})
	}
	c := w.openStream()
	c.ask("1", [][4]float32{fallbackRow})
	req := request([][4]float32{sureRow})
	req.ModelName = "other"
	c.send(req)
	for _, s := range []*oiptest.Server{w.primary, w.a} {
		if err := s.AwaitCalls(bounded(t, ""), 1); err != nil {
			t.Fatal(err)
		}
	}
	c.cancel()
	for range 2 {
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		case <-time.After(time.Minute):
			t.Fatal("the model server still works for nobody")
		}
	}
	w.eventually(func() bool { return w.backend("primary").GetInFlight() == 0 })
	if s := w.backend("primary"); s.GetFailures() != 0 {
		t.Errorf("a client that went away counts as a failure: %v", s)
	}
	if w.a.CallsTo("m") != 1 || w.b.Calls() != 0 {
		t.Error("the fallback was asked for nobody")
	}
}

// The client's half-close reaches the model server, and the stream ends when all is answered.
func TestStreamHalfClose(t *testing.T) {
	w := start(t)
	w.primary.ScriptStream(func(st *oiptest.Stream) error {
		var reqs []*inference.ModelInferRequest
		for {
			req, err := st.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			reqs = append(reqs, req)
		}
		slices.Reverse(reqs)
		for _, req := range reqs {
			if err := st.Send(oiptest.Mark(reply(st.Context(), req), true)); err != nil {
				return err
			}
		}
		return nil
	})
	c := w.openStream()
	for _, id := range []string{"1", "2", "3"} {
		c.ask(id, [][4]float32{sureRow})
	}
	if err := c.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"3", "2", "1"} {
		if a := c.next(); a.resp.GetId() != id {
			t.Errorf("%v", a.resp)
		}
	}
	c.end()
	w.openStream().end() // without a request
}

// A shutdown lets outstanding requests be answered, reads no more of them, and ends streams that are idle.
func TestStreamDrain(t *testing.T) {
	w := start(t, "reflection: true", "reflection: true, drain_timeout: 1h")
	conn := w.dial()
	defer func() { _ = conn.Close() }()
	idle, busy := w.openStreamOn(conn), w.openStreamOn(conn)
	idle.ask("x", [][4]float32{sureRow})
	idle.next()
	w.primary.Hang()
	busy.ask("y", [][4]float32{sureRow})
	if err := w.primary.AwaitCalls(bounded(t, ""), 2); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		w.stop()
	}()
	if err := idle.failed(); toldBy(t, err).retry == nil {
		t.Errorf("%v", err)
	} else {
		wantError(t, err, codes.Unavailable, "DRAINING")
	}
	w.primary.Resume()
	if a := busy.next(); a.resp.GetId() != "y" || a.param("candor_route") != "ACCEPT" {
		t.Errorf("%v", a.resp)
	}
	wantError(t, busy.failed(), codes.Unavailable, "DRAINING")
	select {
	case <-stopped:
	case <-time.After(time.Minute):
		t.Fatal("the gateway waits for streams")
	}
}

// A stream that never ends is cut off with the drain time.
func TestStreamDrainHasAnEnd(t *testing.T) {
	w := start(t, "reflection: true", "reflection: true, drain_timeout: 0.1s")
	conn := w.dial()
	defer func() { _ = conn.Close() }()
	w.primary.ScriptStream(func(st *oiptest.Stream) error {
		req, err := st.Recv()
		for err == nil {
			err = st.Send(oiptest.Mark(reply(st.Context(), req), false))
		}
		return err
	})
	c := w.openStreamOn(conn)
	c.ask("x", [][4]float32{sureRow})
	c.next()
	done := make(chan error, 1)
	go func() {
		for {
			if _, err := c.stream.Recv(); err != nil {
				done <- err
				return
			}
		}
	}()
	w.stop()
	if err := <-done; status.Code(err) == codes.OK {
		t.Errorf("%v", err)
	}
}
