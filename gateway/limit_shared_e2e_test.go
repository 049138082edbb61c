package gateway_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/candor-gateway/candor/gateway"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

// Two gateways that share a database hold the sum of each merchant together: never more than its bound, and what is tripped at one
// is so at the other.
func TestSumsOfKeysAreShared(t *testing.T) {
	pgtest.Skip(t)
	const bound, cents, merchants = 2000, 100, 3
	const limit = "each: {action: decline, window: 1h, sum: {amount: {parameter: cents}, unit: USD cents, max: 2000}, key: {parameter: merchant}, on_trip: reject}"
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
