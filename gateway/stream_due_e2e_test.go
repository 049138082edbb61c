package gateway_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/candor-gateway/candor/gen/inference"
)

// talkative answers the request "front" again and again until free is closed, and each other one once, in their order.
func talkative(free <-chan struct{}) func(context.Context, *inference.ModelInferRequest, func(*inference.ModelInferResponse) error) error {
	return func(ctx context.Context, req *inference.ModelInferRequest, send func(*inference.ModelInferResponse) error) error {
		for {
			if err := send(reply(ctx, req)); err != nil || req.GetId() != "front" {
				return err
			}
			select {
			case <-free:
				return nil
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

// nothingBehind takes the fallback and review away.
var nothingBehind = []string{
	"fallback: {ensemble: both, threshold: {probability: 0.8}}", "", "review: {queue: desk, on_expire: reject}", "", "on_defer: withhold", "",
}

// untilOf reads on until a message for the id comes.
func (c *chat) untilOf(id string) *inference.ModelStreamInferResponse {
	c.t.Helper()
	for {
		if m := c.frame(); m.GetInferResponse().GetId() == id {
			return m
		}
	}
}

// A request behind a decoupled one that goes on has the time of a unary call, and takes its route when that is over; what the model server
// says of it later is nobody's. The others on the stream notice nothing.
func TestStreamRequestHasATimeOfItsOwn(t *testing.T) {
	for _, tc := range []struct {
		name   string
		edits  []string
		within time.Duration // the stream's; 0: it has no deadline
	}{
		{"the default, and a fallback", []string{"reflection: true", "reflection: true, default_deadline: 2s"}, 0},
		{"the default alone", append([]string{"reflection: true", "reflection: true, default_deadline: 1s"}, nothingBehind...), 0},
		{"half of the stream's, and a fallback", nil, 8 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			free := make(chan struct{})
			w, _ := decoupled(t, talkative(free), tc.edits...)
			ctx := as(clientToken)
			if tc.within > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, tc.within)
				defer cancel()
			}
			c := w.openStreamIn(ctx)
			c.ask("front", [][4]float32{sureRow})
			c.next()
			c.ask("behind", [][4]float32{row(.99, .95, .5)})
			m := c.untilOf("behind")
			a := answer{resp: m.GetInferResponse()}
			if len(tc.edits) > 2 {
				if m.GetErrorMessage() == "" || a.param("candor_error") != "DEADLINE_EXCEEDED" || !strings.Contains(m.GetErrorMessage(), "behind other requests of the stream") {
					t.Errorf("%v", m)
				}
			} else if m.GetErrorMessage() != "" || a.param("candor_answered_by") != "both" || !strings.Contains(a.param("candor_reasons"), "DEADLINE") {
				t.Errorf("%v", m)
			}
			close(free)
			c.ask("after", [][4]float32{sureRow})
			for over := false; !over; {
				m := c.frame()
				id := m.GetInferResponse().GetId()
				if over = id == "after"; id == "behind" || m.GetErrorMessage() != "" || (answer{resp: m.GetInferResponse()}).param("candor_answered_by") != "primary" {
					t.Errorf("%v", m)
				}
			}
			// The id of a request that is done with is free again.
			c.ask("behind", [][4]float32{sureRow})
			if a := c.next(); a.resp.GetId() != "behind" || a.param("candor_answered_by") != "primary" {
				t.Errorf("%v", a.resp)
			}
			c.end()
			w.eventually(func() bool { return w.backend("primary").GetInFlight() == 0 })
			if s := w.backend("primary"); s.GetFailures() != 0 || s.GetBreakerOpened() != 0 {
				t.Errorf("%v", s)
			}
		})
	}
}

// A client that sends the end behind an overdue request is told everything, and then the end.
func TestStreamEndsBehindAnOverdueRequest(t *testing.T) {
	free := make(chan struct{})
	w, _ := decoupled(t, talkative(free), append([]string{"reflection: true", "reflection: true, default_deadline: 1s"}, nothingBehind...)...)
	c := w.openStreamIn(as(clientToken))
	c.ask("front", [][4]float32{sureRow})
	c.next()
	c.ask("behind", [][4]float32{sureRow})
	if err := c.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if m := c.untilOf("behind"); m.GetErrorMessage() == "" {
		t.Errorf("%v", m)
	}
	close(free)
	for {
		m, err := c.stream.Recv()
		if err != nil {
			if err.Error() != "EOF" {
				t.Error(err)
			}
			break
		}
		if m.GetInferResponse().GetId() != "front" {
			t.Errorf("%v", m)
		}
	}
	w.eventually(func() bool { return w.backend("primary").GetInFlight() == 0 })
}
