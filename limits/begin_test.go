package limits

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestNothingBeforeBegin: a Gate of Open takes no name and releases nothing before it begins, which it does once; where another one was first
// with something else, it never does.
func TestNothingBeforeBegin(t *testing.T) {
	ctx := context.Background()
	all := whatIsCounted()
	count, sum := all[0], all[1]
	for _, make := range []func(testing.TB) *memStore{newMemStore, newSharedStore} {
		st := make(t)
		open := func(def Definition) *Gate {
			t.Helper()
			g, err := Open(ctx, []Definition{def}, st, epoch, Options{Clock: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			if noted, _ := st.Declared(ctx); len(noted) > 0 {
				t.Errorf("noted %v", noted)
			}
			return g
		}
		withheld := func(g *Gate, why error) {
			t.Helper()
			calls := st.callCount()
			if v := g.Acquire(ctx, epoch, Answer{Action: "decline"}); v.Released || !v.Unavailable || !errors.Is(v.Err, why) || st.callCount() != calls {
				t.Errorf("%+v", v)
			}
		}
		late, first := open(sum), open(count)
		withheld(first, errNotBegun)
		for range 2 {
			if err := first.Begin(ctx); err != nil {
				t.Fatal(err)
			}
			if noted, _ := st.Declared(ctx); len(noted) != 1 || noted["declines"] != count.Counts() {
				t.Errorf("noted %v", noted)
			}
		}
		if v := first.Acquire(ctx, epoch, Answer{Action: "decline"}); !v.Released {
			t.Errorf("begun: %+v", v)
		}
		for range 2 {
			var changed *CountsError
			if err := late.Begin(ctx); !errors.As(err, &changed) || changed.Limit != "declines" {
				t.Errorf("the second: %v", err)
			}
			if v := late.Acquire(ctx, epoch, Answer{Action: "decline", Inputs: []Input{{Source: "parameter:cents", Amount: 1}}}); v.Released || !errors.Is(v.Err, errNotBegun) {
				t.Errorf("the second: %+v", v)
			}
		}
		if err := first.Close(ctx, epoch); err != nil {
			t.Error(err)
		}
		withheld(first, ErrClosed)
	}
}
