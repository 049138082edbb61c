package gateway_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// A model server that wants to be asked again in an hour keeps nobody waiting for that, also on a stream without a deadline.
func TestStreamDoesNotWaitForALatePushback(t *testing.T) {
	for _, before := range []bool{false, true} {
		t.Run(fmt.Sprint("a message came before ", before), func(t *testing.T) {
			w, server := decoupled(t, nil, "reflection: true", "reflection: true, default_deadline: 4s")
			server.ScriptStream(func(st *oiptest.Stream) error {
				req, err := st.Recv()
				if err != nil {
					return err
				}
				if before {
					if err := st.Send(oiptest.Mark(reply(st.Context(), req), true)); err != nil {
						return err
					}
					if _, err := st.Recv(); err != nil {
						return err
					}
				}
				if err := grpc.SetTrailer(st.Context(), metadata.Pairs("grpc-retry-pushback-ms", "3600000")); err != nil {
					return err
				}
				return status.Error(codes.Unavailable, "later")
			})
			c := w.openStreamIn(as(clientToken))
			if before {
				c.ask("before", [][4]float32{sureRow})
				c.next()
			}
			c.ask("x", [][4]float32{fallbackRow})
			if a := c.next(); a.resp.GetId() != "x" || a.param("candor_answered_by") != "both" {
				t.Errorf("%v", a.resp)
			}
			c.end()
			w.eventually(func() bool { return w.backend("primary").GetInFlight() == 0 })
		})
	}
}

// An answer that is larger than a client may be sent is told as an error of its own request, and the stream goes on.
func TestStreamAnswerThatIsTooLarge(t *testing.T) {
	w := start(t, "reflection: true", "reflection: true, max_message_bytes: 4096")
	large := func(st *oiptest.Stream) error {
		for {
			req, err := st.Recv()
			if err != nil {
				return err
			}
			resp := reply(st.Context(), req)
			if req.GetId() == "large" {
				resp.Parameters = map[string]*inference.InferParameter{"text": textParam(strings.Repeat("x", 3800))}
			}
			if err := st.Send(oiptest.Mark(resp, true)); err != nil {
				return err
			}
		}
	}
	w.primary.ScriptStream(large, large)
	c := w.openStream()
	c.ask("large", [][4]float32{sureRow})
	if message, a := c.told("MESSAGE_TOO_LARGE"); a.resp.GetId() != "large" || !strings.Contains(message, a.param("candor_prediction_id")) || a.param("candor_route") != "ACCEPT" {
		t.Errorf("%q %v", message, a.resp)
	}
	c.ask("small", [][4]float32{sureRow})
	if a := c.next(); a.resp.GetId() != "small" {
		t.Errorf("%v", a.resp)
	}
	c.end()
	b := w.openBare()
	b.ask("large", [][4]float32{sureRow})
	wantError(t, b.failed(), codes.ResourceExhausted, "MESSAGE_TOO_LARGE")
}

// Requests on streams count among the bytes that the gateway holds, until they are owed nothing.
func TestStreamRequestsTakeMemory(t *testing.T) {
	w := start(t, "reflection: true", "reflection: true, max_message_bytes: 65536, max_in_flight_bytes: 100000")
	held := func() float64 { return w.metric("candor_in_flight_bytes") }
	// Two of them have room, but not for callers of normal priority.
	large := make([][4]float32, 3000)
	for i := range large {
		large[i] = sureRow
	}
	w.primary.Hang()
	first, second := w.openStream(), w.openStream()
	first.ask("1", large)
	if err := w.primary.AwaitCalls(bounded(t, ""), 1); err != nil {
		t.Fatal(err)
	}
	if n := held(); n < 16*3000 {
		t.Errorf("%v bytes are in flight", n)
	}
	second.ask("2", large)
	_, a := second.told("OVERLOADED")
	if ms, err := strconv.Atoi(a.param("candor_retry_after_ms")); err != nil || ms < 1 || a.resp.GetId() != "2" || a.resp.GetModelName() != "fraud" {
		t.Errorf("%v", a.resp)
	}
	if n := w.metric(`candor_in_flight_bytes_refused_total{priority="normal"}`); n != 1 {
		t.Errorf("%v refused", n)
	}
	w.primary.Resume()
	first.next()
	w.eventually(func() bool { return held() == 0 })
	second.ask("3", large)
	second.next()
	first.end()
	second.end()
	w.eventually(func() bool { return held() == 0 })
}

// A request that is kept only because more might come for it takes nothing of the memory, or streams on which nothing happens would.
func TestStreamAnsweredTakesNoMemory(t *testing.T) {
	w, _ := bare(t, nil)
	c := w.openBare()
	for _, id := range []string{"1", "2"} {
		c.ask(id, [][4]float32{sureRow})
		c.next()
		w.eventually(func() bool { return w.metric("candor_in_flight_bytes") == 0 })
	}
	c.end()
}
