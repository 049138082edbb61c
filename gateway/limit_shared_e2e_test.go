package gateway_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/candor-gateway/candor/gateway"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

// twoWorlds are gateways that have their limits in one database of a PostgreSQL of their own.
func twoWorlds(t *testing.T, limit string) []*world {
	t.Helper()
	srv, err := pgtest.Start(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	url := srv.URL("postgres")
	if err := postgres.Init(t.Context(), url, "test"); err != nil {
		t.Fatal(err)
	}
	var both []*world
	for _, writer := range []string{"a", "b"} {
		st, err := postgres.Open(t.Context(), url, "test", postgres.Options{Writer: writer})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close(t.Context()) })
		both = append(both, startWith(t, options{deps: func(d *gateway.Deps) { d.Limits = st }}, withLimits(limit)...))
	}
	return both
}

// Two gateways that share a database hold the sum of each merchant together: never more than its bound, and what is tripped at one
// is so at the other.
func TestSumsOfKeysAreShared(t *testing.T) {
	pgtest.Skip(t)
	const bound, cents, merchants = 2000, 100, 3
	both := twoWorlds(t, "each: {action: decline, window: 1h, sum: {amount: {parameter: cents}, unit: USD cents, max: 2000}, key: {parameter: merchant}, on_trip: reject}")
	var spent [merchants]atomic.Int64
	var wg sync.WaitGroup
	for _, w := range both {
		for m := range merchants {
			wg.Go(func() {
				for range 2 * bound / cents {
					if w.infer(t.Context(), with(request([][4]float32{sureRow}), map[string]any{"cents": cents, "merchant": m})).err == nil {
						spent[m].Add(cents)
					}
				}
			})
		}
	}
	wg.Wait()
	for m := range merchants {
		if got := spent[m].Load(); got > bound || got < bound/2 {
			t.Errorf("%d cents of merchant %d left, want at most %d", got, m, bound)
		}
	}
	for _, w := range both {
		w.eventually(func() bool { return w.limit("each").GetKeys().GetTripped() == merchants })
	}
}

// A runaway at two gateways at once, in amounts that don't divide the bound: one trip and one alert for both, with the amount that didn't fit; all
// that left fits the bound; a reset at one lets half of it out at both together, and no more.
func TestSumIsShared(t *testing.T) {
	pgtest.Skip(t)
	const bound = 100_000
	amounts := []int{1, 700, 3300, 19, 250}
	in := newInbox(t, 0)
	both := twoWorlds(t, fmt.Sprintf("spent: {action: decline, window: 1h, sum: {amount: {parameter: cents}, unit: USD cents, max: %d}, on_trip: reject, "+
		"probation: {share: 0.5, for: 1h}, alerts: [{name: desk, webhook: %q, allow_private: true}]}", bound, in.URL))
	spend := func() int64 {
		var out atomic.Int64
		var wg sync.WaitGroup
		for i, w := range both {
			for j := range 4 {
				wg.Go(func() {
					for n := range 60 {
						cents := amounts[(i+j+n)%len(amounts)]
						if w.infer(t.Context(), with(request([][4]float32{sureRow}), map[string]any{"cents": cents})).err == nil {
							out.Add(int64(cents))
						}
					}
				})
			}
		}
		wg.Wait()
		return out.Load()
	}
	tripped := func() bool { return both[0].limit("spent").GetTripped() && both[1].limit("spent").GetTripped() }

	first := spend()
	both[0].eventually(tripped)
	if first > bound || first < bound-2*bound/leaseShare {
		t.Errorf("%d cents left, want at most %d and nearly that", first, bound)
	}
	if more := spend(); more != 0 {
		t.Errorf("%d cents left while it is tripped", more)
	}
	both[0].eventually(func() bool { return len(in.of("limit.tripped")) == 1 })
	a := in.of("limit.tripped")[0].Data
	if a.Kind != "sum" || a.Amount == nil || !slices.Contains(amounts, int(*a.Amount)) || int64(a.Count)+*a.Amount <= bound || a.MaxCount != bound {
		t.Errorf("the alert has %+v: what had left and the amount are no more than the bound", a)
	}
	for i, w := range both {
		h := w.history("spent")
		if len(h) != 1 || h[0].GetAmount() != *a.Amount || h[0].GetUnit() != "USD cents" || h[0].GetCount() != int64(a.Count) {
			t.Errorf("the history at gateway %d: %v", i, h)
		}
	}

	if _, err := both[1].reset(operatorToken, "spent", "r1"); err != nil {
		t.Fatal(err)
	}
	both[0].eventually(func() bool { return both[0].limit("spent").GetBound() == bound/2 })
	// The window has more than the half that holds now: the first answer trips it again, at both.
	if more := spend(); more != 0 {
		t.Errorf("%d cents left beside %d, in probation with half of the bound", more, first)
	}
	both[0].eventually(tripped)
	both[0].eventually(func() bool { return len(in.of("limit.tripped")) == 2 && len(in.of("limit.reset")) == 1 })
	if b := in.of("limit.tripped")[1].Data; b.MaxCount != bound/2 || b.Amount == nil {
		t.Errorf("the second alert has %+v", b)
	}
}

// leaseShare is the part of what is left that a lease may hold, at each of the gateways.
const leaseShare = 8
