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
