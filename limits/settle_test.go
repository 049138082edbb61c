package limits

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestALeaseThatIsClosedMeanwhileIsSettled: what a reset closes while the store is told of something else is given back by the next call, and
// doesn't count as used.
func TestALeaseThatIsClosedMeanwhileIsSettled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSharedStore(t)
		g := newGate(t, st, time.Now(), Options{}, declines(100, time.Hour))
		if v := ask(g); !v.Released {
			t.Fatalf("%+v", v)
		}
		l := g.roster.Load().limits[0]
		st.setScript(func(_ int, _, _ string) outcome {
			st.script = nil
			l.mu.Lock()
			defer l.mu.Unlock()
			l.leases.close(1)
			return works
		})
		l.mu.Lock()
		telling := g.send(context.Background(), l, g.moment(time.Now()), nil)
		l.mu.Unlock()
		if err := telling.wait(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := g.Settle(context.Background(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if s := statusOf(t, g, time.Now(), "declines"); s.Used != 1 {
			t.Errorf("%d are used, of one that was released", s.Used)
		}
	})
}

// TestAForgottenKeyIsTakenOutOfTheStore: also when the store failed at first; nobody else would ever tell it.
func TestAForgottenKeyIsTakenOutOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSharedStore(t)
		g := newGate(t, st, time.Now(), Options{}, perMerchant(5, time.Minute))
		if !released(g, time.Now(), "a") {
			t.Fatal("withheld")
		}
		st.setScript(func(int, string, string) outcome { return fails })
		time.Sleep(2 * time.Minute)
		if err := g.Settle(context.Background(), time.Now()); err == nil {
			t.Fatal("the store fails, and nobody is told")
		}
		st.setScript(nil)
		if err := g.Settle(context.Background(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if n := len(st.accounts); n != 0 {
			t.Errorf("%d accounts are left", n)
		}
	})
}
