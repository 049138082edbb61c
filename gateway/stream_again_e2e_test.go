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

// pair makes a world whose primary has two replicas, which calls meet only by script or by their model.
func pair(t *testing.T, model oiptest.Model, edits ...string) (*world, []*oiptest.Server) {
	t.Helper()
	model.Name, model.Version, model.Infer = "m", "3", byColumn(0)
	servers := []*oiptest.Server{oiptest.Start(t, model), oiptest.Start(t, model)}
	w := start(t, append([]string{"primary: {address: PRIMARY", "primary: {dialect: triton, warm: true, replicas: {probe_every: 100ms, ejection: 1h, max_ejection: 1h}, addresses: [" +
		`"` + servers[0].Addr() + `", "` + servers[1].Addr() + `"]`}, edits...)...)
	w.eventually(func() bool { return w.metric(`candor_replicas{backend="primary",state="serving"}`) == 2 })
	return w, servers
}

// breaks lets the next stream of each server read n requests and end with err, and nothing before it.
func breaks(servers []*oiptest.Server, n int, err error) {
	for _, s := range servers {
		s.ScriptStream(func(st *oiptest.Stream) error {
			for range n {
				if _, err := st.Recv(); err != nil {
					return err
				}
			}
			return err
		})
	}
}

// A replica that breaks a stream before anything came on it costs the client nothing: what was on it is asked elsewhere, once.
func TestStreamGoesOnElsewhere(t *testing.T) {
	w, servers := pair(t, oiptest.Model{})
	var broken *oiptest.Server
	once := make(chan struct{}, 1)
	once <- struct{}{}
	for _, s := range servers {
		s.ScriptStream(func(st *oiptest.Stream) error {
			select {
			case <-once:
			default:
				// The second stream to come answers.
				return answerAll(st)
			}
			broken = s
			for range 3 {
				if _, err := st.Recv(); err != nil {
					return err
				}
			}
			return status.Error(codes.Unavailable, "going away")
		})
	}
	c := w.openStream()
	for _, id := range []string{"1", "2", "3"} {
		c.ask(id, [][4]float32{fallbackRow})
	}
	for _, id := range []string{"1", "2", "3"} {
		a := c.next()
		if a.resp.GetId() != id || strings.Contains(a.param("candor_reasons"), "BACKEND_FAILURE") || a.param("candor_attempts") != "2" {
			t.Errorf("%v", a.resp)
		}
	}
	c.end()
	for _, s := range servers {
		if s.Calls() != 3 {
			t.Errorf("%s (broken: %v) was asked %d times", s.Addr(), s == broken, s.Calls())
		}
	}
	if b := w.backend("primary"); b.GetRetries() != 3 || b.GetFailures() != 1 || b.GetInFlight() != 0 {
		t.Errorf("%v", b)
	}
}

// answerAll answers requests as the model would, until there are no more.
func answerAll(st *oiptest.Stream) error {
	for {
		req, err := st.Recv()
		if err != nil {
			return nil
		}
		if err := st.Send(oiptest.Mark(reply(st.Context(), req), true)); err != nil {
			return err
		}
	}
}

// What came for others doesn't keep a request from going on elsewhere. What came for itself does, and so does its sequence.
func TestStreamCommits(t *testing.T) {
	for _, test := range []struct {
		name string
		// first is what the server sends before it breaks: for the request itself, for another one, or nothing.
		first    string
		sequence bool
		code     codes.Code
		again    bool
	}{
		{"another was answered", "other", false, codes.Unavailable, true},
		{"a response had come", "own", false, codes.Unavailable, false},
		{"a sequence", "", true, codes.Unavailable, false},
		{"an error of the model", "", false, codes.Internal, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, servers := pair(t, oiptest.Model{})
			breaking := make(chan struct{}, 1)
			breaking <- struct{}{}
			for _, s := range servers {
				s.ScriptStream(func(st *oiptest.Stream) error {
					select {
					case <-breaking:
					default:
						return answerAll(st)
					}
					for {
						req, err := st.Recv()
						if err != nil {
							return err
						}
						if req.GetId() == "other" {
							if err := st.Send(oiptest.Mark(reply(st.Context(), req), true)); err != nil {
								return err
							}
							continue
						}
						if test.first == "own" {
							if err := st.Send(oiptest.Mark(reply(st.Context(), req), false)); err != nil {
								return err
							}
						}
						return status.Error(test.code, "gone")
					}
				})
			}
			c := w.openStream()
			asked := 1
			if test.first == "other" {
				c.ask("other", [][4]float32{sureRow})
				c.next()
				asked++
			}
			req := request([][4]float32{fallbackRow})
			req.Id = "own"
			if test.sequence {
				req.Parameters = map[string]*inference.InferParameter{"sequence_id": {ParameterChoice: &inference.InferParameter_Int64Param{Int64Param: 7}}}
			}
			c.send(req)
			if test.first == "own" {
				c.next()
			}
			if test.again {
				if a := c.next(); a.param("candor_attempts") != "2" || strings.Contains(a.param("candor_reasons"), "BACKEND_FAILURE") {
					t.Errorf("%v", a.resp)
				}
				asked++
			} else if m := c.frame(); m.GetInferResponse().GetId() != "own" || !strings.Contains(answer{resp: m.GetInferResponse()}.param("candor_reasons"), "BACKEND_FAILURE") {
				t.Errorf("%v", m)
			}
			c.end()
			if n := servers[0].Calls() + servers[1].Calls(); n != asked {
				t.Errorf("%d requests reached the replicas, want %d", n, asked)
			}
		})
	}
}

// Streams that break everywhere are asked no more often than the budget allows.
func TestStreamsShareTheRetryBudget(t *testing.T) {
	w, servers := pair(t, oiptest.Model{})
	c := w.openStream()
	for range 60 {
		breaks(servers, 1, status.Error(codes.Unavailable, "no"))
	}
	const asked = 40
	for range asked {
		c.ask("x", [][4]float32{fallbackRow})
		if a := c.next(); a.param("candor_answered_by") != "both" {
			t.Errorf("%v", a.resp)
		}
	}
	c.end()
	if n := servers[0].Calls() + servers[1].Calls(); n <= asked || n > asked*12/10 {
		t.Errorf("%d requests reached the replicas, %d were asked", n, asked)
	}
}

// While one request waits, answers to others don't give it more time than an attempt has.
func TestStreamRequestHasADeadline(t *testing.T) {
	w := start(t, "timeout: 5s, breaker: BREAKER, card: &card", "timeout: 0.5s, breaker: BREAKER, card: &card")
	ended := make(chan struct{})
	w.primary.ScriptStream(func(st *oiptest.Stream) error {
		defer close(ended)
		for {
			req, err := st.Recv()
			if err != nil {
				return err
			}
			if req.GetId() == "lost" {
				continue
			}
			if err := st.Send(oiptest.Mark(reply(st.Context(), req), true)); err != nil {
				return err
			}
		}
	})
	c := w.openStream()
	c.ask("lost", [][4]float32{fallbackRow})
	for {
		c.ask("busy", [][4]float32{sureRow})
		m := c.frame()
		if m.GetInferResponse().GetId() == "busy" {
			continue
		}
		if a := (answer{resp: m.GetInferResponse()}); a.param("candor_answered_by") != "both" || !strings.Contains(a.param("candor_reasons"), "DEADLINE") {
			t.Errorf("%v", m)
		}
		break
	}
	<-ended
	c.cancel()
}

// A stream on a replica that gets no calls any more gets no further requests.
func TestStreamLeavesAnEjectedReplica(t *testing.T) {
	w, servers := pair(t, oiptest.Model{})
	c := w.openStream()
	c.ask("1", [][4]float32{sureRow})
	c.next()
	mine, other := servers[0], servers[1]
	if mine.Calls() == 0 {
		mine, other = other, mine
	}
	for range 5 {
		mine.Script(func(context.Context, *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
			return nil, status.Error(codes.Internal, "CUDA error")
		})
		c.ask("bad", [][4]float32{fallbackRow})
		c.next()
	}
	if n := w.metric(`candor_replicas{backend="primary",state="ejected"}`); n != 1 {
		t.Errorf("%v replicas are ejected: %v", n, w.backend("primary"))
	}
	before, others := mine.Calls(), other.Calls()
	c.ask("2", [][4]float32{sureRow})
	c.next()
	c.end()
	if mine.Calls() != before || other.Calls() != others+1 {
		t.Errorf("the ejected replica got %d requests, the other %d", mine.Calls()-before, other.Calls()-others)
	}
}
