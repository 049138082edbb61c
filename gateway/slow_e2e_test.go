package gateway_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// abreast calls f n times, so many at once.
func abreast(n, atOnce int, f func(i int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range atOnce {
		wg.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				f(i)
			}
		})
	}
	wg.Wait()
}

// A primary that hangs opens its breaker although every caller's deadline is far below the backend's own timeout: it used to
// answer in much less than it was given.
func TestHangingPrimaryOpensItsBreaker(t *testing.T) {
	w := start(t, "PRIMARY, model: m, version: \"3\", timeout: 5s, breaker: BREAKER",
		"PRIMARY, model: m, version: \"3\", timeout: 10s, breaker: {min_calls: 10, failure_ratio: 0.2, open_for: 1h}")
	// Enough of them that the first, which waited for its connection, hardly counts in how long the primary usually takes.
	const good, lately = 40, 30
	var slowest time.Duration
	for i := range good {
		began := time.Now()
		if a := w.infer(t.Context(), request([][4]float32{sureRow})); a.err != nil {
			t.Fatal(a.err)
		}
		if i >= good-lately {
			slowest = max(slowest, time.Since(began))
		}
	}
	// Much more than it used to take on this machine.
	deadline := min(max(300*time.Millisecond, 20*slowest), 3*time.Second)
	w.primary.Hang()
	defer w.primary.Resume()
	// With 40 good calls on record, 10 bad ones are a fifth of all. Calls that don't get as far as the primary in their time are none.
	const atOnce, most = 5, good + 40
	isOpen := func() bool { return w.backend("primary").GetBreaker() == candorv1.BreakerState_BREAKER_STATE_OPEN }
	w.eventually(func() bool {
		abreast(atOnce, atOnce, func(int) {
			ctx, cancel := context.WithTimeout(t.Context(), deadline)
			defer cancel()
			w.infer(ctx, request([][4]float32{fallbackRow}))
		})
		return isOpen() || w.primary.Calls() >= most
	})
	if st := w.backend("primary"); !isOpen() || st.GetBreakerOpened() != 1 {
		t.Fatalf("after %d calls that hung: %v", w.primary.Calls()-good, st)
	}
	// Open, it costs nobody their time: the fallback answers without waiting for the primary.
	w.eventually(func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		a := w.infer(ctx, request([][4]float32{fallbackRow}))
		return a.err == nil && a.param("candor_answered_by") == "both" && hasReason(a.predictions[0].GetDecision(), candorv1.Reason_REASON_BREAKER_OPEN)
	})
	// What the primary was sent before may reach it only now.
	last := request([][4]float32{fallbackRow})
	last.Id = "last"
	a := w.infer(t.Context(), last)
	reached := slices.ContainsFunc(w.primary.History(), func(c oiptest.Call) bool { return c.Request.GetId() == last.Id })
	if a.err != nil || !hasReason(a.predictions[0].GetDecision(), candorv1.Reason_REASON_BREAKER_OPEN) || reached {
		t.Errorf("%v %v, and the primary was asked: %v", a.resp, a.err, reached)
	}
}

// Callers can't open breakers: not by input that no model takes, and not by going away.
func TestCallersOpenNoBreaker(t *testing.T) {
	const bad, cancelled, atOnce = 2000, 500, 50
	// How many calls a busy machine can take is no subject of this test.
	w := start(t, "BREAKER", "{min_calls: 5}", "PRIMARY, model: m", "PRIMARY, adaptive_limit: false, model: m")
	bent := request([][4]float32{sureRow})
	bent.Inputs[0].Shape = []int64{1, 5}
	steps := make([]oiptest.Responder, bad/2)
	for i := range steps {
		steps[i] = oiptest.Fail(codes.InvalidArgument, "x must be positive")
	}
	w.primary.Script(steps...)
	var wrong atomic.Int64
	abreast(bad, atOnce, func(i int) {
		req := bent // refused by the gateway
		if i%2 == 0 {
			req = request([][4]float32{sureRow}) // refused by the model server
		}
		if a := w.infer(t.Context(), req); status.Code(a.err) != codes.InvalidArgument {
			wrong.Add(1)
		}
	})
	if wrong.Load() > 0 || w.primary.Calls() != bad/2 {
		t.Errorf("%d of %d bad requests were not refused; %d reached the model server", wrong.Load(), bad, w.primary.Calls())
	}

	for _, s := range []*oiptest.Server{w.primary, w.a, w.b, w.old} {
		s.Hang()
	}
	for range cancelled / atOnce {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		before := w.primary.Calls()
		for range atOnce {
			wg.Go(func() {
				if a := w.infer(ctx, request([][4]float32{sureRow})); status.Code(a.err) != codes.Canceled {
					t.Errorf("cancelled, and got %v", a.err)
				}
			})
		}
		if err := w.primary.AwaitCalls(bounded(t, ""), before+atOnce); err != nil {
			t.Fatal(err)
		}
		cancel()
		wg.Wait()
	}
	for _, s := range []*oiptest.Server{w.primary, w.a, w.b, w.old} {
		s.Resume()
	}
	if a := w.infer(t.Context(), request([][4]float32{sureRow})); a.err != nil || a.param("candor_route") != "ACCEPT" {
		t.Errorf("afterwards: %v %v", a.resp, a.err)
	}
	for _, name := range []string{"primary", "a", "b", "old"} {
		if st := w.backend(name); st.GetBreakerOpened() != 0 || st.GetBreaker() != candorv1.BreakerState_BREAKER_STATE_CLOSED || st.GetFailures() != 0 {
			t.Errorf("%s: %v", name, st)
		}
	}
}
