package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/internal/faultproxy"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// talk is a client's stream of either frames.
type talk interface {
	ask(id string, rows [][4]float32, outputs ...string)
	next() answer
	end()
}

// crossing makes a world whose primary speaks in one kind of frames behind a network that misbehaves, and opens streams of its clients.
func crossing(t *testing.T, bareFrames bool) (*world, *oiptest.Server, *faultproxy.Proxy, func() talk) {
	t.Helper()
	server := oiptest.StartWith(t, oiptest.Options{Bare: bareFrames}, oiptest.Model{Name: "m", Version: "3", Infer: byColumn(0)})
	line := faultproxy.Start(t, server.Addr())
	dialect := map[bool]string{false: "triton", true: "mlserver"}[bareFrames]
	w := start(t, "primary: {address: PRIMARY,", "primary: {dialect: "+dialect+", address: "+line.Addr()+",",
		"timeout: 5s, breaker: BREAKER, card: &card", "timeout: 1.5s, breaker: BREAKER, card: &card")
	open := func() talk {
		if bareFrames {
			return w.openBare()
		}
		return w.openStream()
	}
	return w, server, line, open
}

// silent lets a server's next stream read a request and say nothing. It tells when that has come.
func silent(server *oiptest.Server) (came <-chan struct{}) {
	read := make(chan struct{})
	server.ScriptStream(func(st *oiptest.Stream) error {
		if _, err := st.Recv(); err != nil {
			return err
		}
		close(read)
		<-st.Context().Done()
		return st.Context().Err()
	})
	return read
}

// Whatever the network between gateway and model server does, each request of a stream has one answer, soon, and from whom it may be; and
// the stream goes on.
func TestStreamThroughABadNetwork(t *testing.T) {
	const (
		primary  = "primary" // the model server, at the first or a second attempt
		ensemble = "both"
		anybody  = "either"
	)
	for _, test := range []struct {
		name string
		// do asks "hit" and lets it meet the fault.
		do func(server *oiptest.Server, line *faultproxy.Proxy, ask func())
		by string
		// most requests that the server may see for "hit".
		most int
	}{
		{"reset before an answer", func(server *oiptest.Server, line *faultproxy.Proxy, ask func()) {
			came := silent(server)
			ask()
			<-came
			line.Reset()
		}, primary, 2},
		{"refused for a while", func(_ *oiptest.Server, line *faultproxy.Proxy, ask func()) {
			line.Set(faultproxy.Fault{Refuse: true})
			line.Reset()
			ask()
		}, anybody, 1},
		{"truncated before the headers", func(_ *oiptest.Server, line *faultproxy.Proxy, ask func()) {
			line.Truncate(5)
			ask()
		}, primary, 2},
		{"truncated somewhere", func(_ *oiptest.Server, line *faultproxy.Proxy, ask func()) {
			line.Truncate(120)
			ask()
		}, anybody, 2},
		{"blackhole", func(_ *oiptest.Server, line *faultproxy.Proxy, ask func()) {
			line.Set(faultproxy.Fault{Blackhole: true})
			ask()
		}, ensemble, 1},
		{"half open", func(_ *oiptest.Server, line *faultproxy.Proxy, ask func()) {
			line.HalfOpen()
			ask()
		}, ensemble, 0},
		{"a thin line", func(_ *oiptest.Server, line *faultproxy.Proxy, ask func()) {
			line.Set(faultproxy.Fault{BytesPerSecond: 8000, Latency: 20 * time.Millisecond})
			ask()
		}, anybody, 1},
	} {
		for _, bareFrames := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, bare %v", test.name, bareFrames), func(t *testing.T) {
				w, server, line, open := crossing(t, bareFrames)
				before := open()
				before.ask("before", [][4]float32{sureRow})
				if a := before.next(); a.param("candor_answered_by") != primary {
					t.Fatalf("%v", a.resp)
				}
				before.end()
				c := open()
				test.do(server, line, func() { c.ask("hit", [][4]float32{row(.95, .95, .95)}) })
				a := c.next()
				by := a.param("candor_answered_by")
				if a.resp.GetId() != "hit" || by != test.by && (test.by != anybody || by != primary && by != ensemble) {
					t.Errorf("%v", a.resp)
				}
				if by == ensemble && !strings.Contains(a.param("candor_reasons"), "BACKEND_FAILURE") && !strings.Contains(a.param("candor_reasons"), "DEADLINE") {
					t.Errorf("it isn't said why the ensemble answered: %v", a.resp)
				}
				// The network is as good as new: what was on its way may come now, and must reach nobody.
				line.Set(faultproxy.Fault{})
				c.end()
				if test.name == "half open" {
					// What TCP's own time-outs, or a keepalive, say later.
					line.Reset()
				}
				w.eventually(func() bool {
					c := open()
					c.ask("after", [][4]float32{row(.95, .95, .95)})
					a := c.next()
					c.end()
					return a.resp.GetId() == "after" && a.param("candor_answered_by") == primary
				})
				hit := 0
				for _, call := range server.History() {
					if strings.HasPrefix(call.Request.GetId(), "hit") {
						hit++
					}
				}
				if hit > test.most {
					t.Errorf("the model server was asked %d times, at most %d are right", hit, test.most)
				}
				w.eventually(func() bool { return w.backend("primary").GetInFlight() == 0 })
			})
		}
	}
}

// An answer that was cut in its middle is not asked for again, and its client is told.
func TestStreamCutInsideAnAnswer(t *testing.T) {
	w, server, line, _ := crossing(t, false)
	begun := make(chan struct{})
	server.ScriptStream(func(st *oiptest.Stream) error {
		req, err := st.Recv()
		if err != nil {
			return err
		}
		if err := st.Send(oiptest.Mark(reply(st.Context(), req), false)); err != nil {
			return err
		}
		<-begun
		line.Truncate(20)
		return st.Send(oiptest.Mark(reply(st.Context(), req), true))
	})
	c := w.openStream()
	c.ask("x", [][4]float32{sureRow})
	c.next()
	close(begun)
	message, a := c.told("DEFERRED_TO_REVIEW")
	if !strings.Contains(message, "DEFERRED_TO_REVIEW") || !strings.Contains(a.param("candor_reasons"), "BACKEND_FAILURE") || a.param("candor_response_index") != "1" {
		t.Errorf("%q %v", message, a.resp)
	}
	c.end()
	if n := server.Calls(); n != 1 {
		t.Errorf("the model server was asked %d times", n)
	}
}

// A client that reads nothing, or slowly, holds up itself: others are served, and it has each of its answers once, in order.
func TestStreamOfASlowReader(t *testing.T) {
	for _, fault := range []faultproxy.Fault{{Blackhole: true}, {BytesPerSecond: 20_000}} {
		t.Run(fmt.Sprintf("%+v", fault), func(t *testing.T) {
			w := start(t)
			line := faultproxy.Start(t, w.addr.GRPC)
			conn, err := grpc.NewClient(line.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			slow := w.openStreamOn(conn)
			slow.ask("first", [][4]float32{sureRow})
			slow.next()
			const n = 60
			for i := range n {
				slow.ask(fmt.Sprint(i), [][4]float32{sureRow})
			}
			if err := w.primary.AwaitCalls(bounded(t, ""), 2); err != nil {
				t.Fatal(err)
			}
			line.Set(fault)
			others := w.openStream()
			for range 20 {
				others.ask("x", [][4]float32{sureRow})
				if a := others.next(); a.param("candor_answered_by") != "primary" {
					t.Errorf("%v", a.resp)
				}
			}
			others.end()
			line.Set(faultproxy.Fault{})
			for i := range n {
				if a := slow.next(); a.resp.GetId() != fmt.Sprint(i) || a.param("candor_answered_by") != "primary" {
					t.Fatalf("%d: %v", i, a.resp)
				}
			}
			slow.end()
		})
	}
}

// A client whose connection is cut leaves nothing behind.
func TestStreamOfAClientThatVanishes(t *testing.T) {
	w := start(t)
	line := faultproxy.Start(t, w.addr.GRPC)
	conn, err := grpc.NewClient(line.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	w.primary.Hang()
	c := w.openStreamOn(conn)
	c.ask("x", [][4]float32{sureRow})
	if err := w.primary.AwaitCalls(bounded(t, ""), 1); err != nil {
		t.Fatal(err)
	}
	line.Reset()
	if err := c.failed(); status.Code(err) != codes.Unavailable {
		t.Errorf("%v", err)
	}
	w.eventually(func() bool { return w.backend("primary").GetInFlight() == 0 })
	w.primary.Resume()
	if s := w.backend("primary"); s.GetFailures() != 0 || w.a.Calls()+w.b.Calls() != 0 {
		t.Errorf("the client's fault is the model server's: %v", s)
	}
}
