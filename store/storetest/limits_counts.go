package storetest

import (
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/candor-gateway/candor/limits"
)

// testCounts: a gateway that starts or reloads with a limit that counts something else than before is told, and the limit goes on as it was.
func testCounts(t *testing.T, d Driver) {
	count := limits.Definition{Name: "a", Action: "decline", MaxCount: 5, Window: time.Hour}
	sum := count
	sum.Amount, sum.Unit = "parameter:cents", "cents"
	opts := limits.Options{Clock: time.Now}
	start := func(defs ...limits.Definition) (*limits.Gate, error) {
		return limits.New(t.Context(), defs, d, d.Now(), opts)
	}
	g, err := start(count)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, err error) {
		t.Helper()
		var changed *limits.CountsError
		if !errors.As(err, &changed) || changed.Limit != "a" || changed.Stored != count.Counts() || changed.Now != sum.Counts() {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("a reload", g.Update(t.Context(), []limits.Definition{sum}, d.Now()))
	if v := g.Acquire(t.Context(), d.Now(), limits.Answer{Action: "decline"}); !v.Released {
		t.Errorf("after it was refused: %+v", v)
	}
	if err := g.Close(t.Context(), d.Now()); err != nil {
		t.Error(err)
	}
	d = d.Reopen(t)
	other := sum
	other.Name = "b"
	_, err = start(other, sum)
	refused("a start", err)
	before := load(t, d, "a")
	if len(before.Leases) != 1 || before.Leases[0].Count != 1 {
		t.Errorf("what is stored was touched: %+v", before)
	}
	// The name beside the one that was refused isn't taken.
	other = count
	other.Name = "b"
	if _, err := start(other, count); err != nil {
		t.Errorf("as it was: %v", err)
	}
	if err := d.Declare(t.Context(), nil); err != nil {
		t.Errorf("of nothing: %v", err)
	}
	noted, err := d.Declared(t.Context())
	if want := map[string]string{"a": count.Counts(), "b": count.Counts()}; err != nil || !maps.Equal(noted, want) {
		t.Errorf("noted: %v, %v; want %v", noted, err, want)
	}
}

func testCountsRace(t *testing.T, d Driver) {
	const callers = 8
	var first atomic.Int64
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			err := d.Declare(t.Context(), map[string]string{"a": fmt.Sprint(i), "b": "answers", "c": "answers"})
			var changed *limits.CountsError
			switch {
			case err == nil:
				first.Add(1)
			case !errors.As(err, &changed) || changed.Now != fmt.Sprint(i):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := first.Load(); n != 1 {
		t.Errorf("%d were first", n)
	}
}
