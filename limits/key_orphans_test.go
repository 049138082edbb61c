package limits

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// settles stores what there is, once a second.
func settles(t *testing.T, g *Gate, times int) {
	t.Helper()
	for range times {
		time.Sleep(time.Second)
		if err := g.Settle(context.Background(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestOrphanedKeys: keys of gateways that crashed are taken out of a shared store by one that starts later; those that count stay, and so do
// those that another gateway has just used.
func TestOrphanedKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newSharedStore(t)
		def := perMerchant(2, time.Minute)
		crashed := newGate(t, st, time.Now(), Options{}, def)
		for i := range 100 {
			released(crashed, time.Now(), fmt.Sprint("k", i))
		}
		time.Sleep(3 * time.Minute)
		other := newGate(t, st, time.Now(), Options{}, def)
		released(other, time.Now(), "k7")
		released(other, time.Now(), "k100")
		settles(t, newGate(t, st, time.Now(), Options{}, def), 2)
		left := map[string]bool{}
		for name := range st.accounts {
			left[name] = true
		}
		if len(left) != 2 || !left[KeyName("declines", "k7")] || !left[KeyName("declines", "k100")] {
			t.Errorf("the store has %v", left)
		}
	})
}

// TestAKeyThatStillCounts: where a shared store's time is behind when a key is forgotten, it is told again; of one that another gateway
// uses not for ever.
func TestAKeyThatStillCounts(t *testing.T) {
	for _, used := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			st := newSharedStore(t)
			def := perMerchant(2, time.Minute)
			g, other := newGate(t, st, time.Now(), Options{}, def), newGate(t, st, time.Now(), Options{}, def)
			name := KeyName("declines", "k")
			released(g, time.Now(), "k")
			settles(t, g, 59)
			// Nobody knows the limit's time any more, and one of the clocks is set.
			st.accounts[name].Born = st.accounts[name].Born.Add(time.Microsecond)
			st.serverClock -= 2500 * time.Millisecond
			if used {
				released(other, time.Now(), "k")
			}
			asked := 0
			st.setScript(func(_ int, op, limit string) outcome {
				if op == "lease" && limit == name {
					asked++
				}
				return works
			})
			for statusOf(t, g, time.Now(), "declines").Keys.Live > 0 {
				time.Sleep(100 * time.Millisecond) // until the moment that it is forgotten
				if err := g.Settle(context.Background(), time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			settles(t, g, 30)
			switch {
			case !used && (st.accounts[name] != nil || asked < 2):
				t.Errorf("asked %d times, the store has %+v", asked, st.accounts[name])
			case used && (st.accounts[name] == nil || asked > retiredAgain):
				t.Errorf("of a key that another gateway uses: asked %d times, the store has %+v", asked, st.accounts[name])
			}
		})
	}
}
