package limits

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// TestVoidsAreTold: every question that makes void what gateways know of a limit's time is counted once, by the gateway that asked it, and somebody
// is told, once a minute at most and how often it was; nobody where the clocks agree. Keys are counted with their limit.
func TestVoidsAreTold(t *testing.T) {
	keyed := perMerchant(1000, time.Hour)
	for name, c := range map[string]struct {
		def   Definition
		ahead time.Duration
	}{
		"a limit": {declines(1000, time.Hour), time.Hour}, "keys": {keyed, -time.Hour}, "clocks that agree": {declines(1000, time.Hour), 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := newSharedStore(t)
				ahead := []time.Duration{0, c.ahead}
				told := make([][]int64, 2)
				var all []*Gate
				for i := range ahead {
					all = append(all, newGate(t, st, time.Now(), Options{
						LeaseFor: 200 * time.Millisecond, MaxLease: 1, Clock: func() time.Time { return time.Now().Add(ahead[i]) },
						OnVoided: func(limit string, times int64) {
							if limit != "declines" {
								t.Errorf("told of %q", limit)
							}
							told[i] = append(told[i], times)
						},
					}, c.def))
				}
				asks := func(d time.Duration) {
					for i := range int(d / time.Second) {
						time.Sleep(time.Second)
						if !released(all[i%2], time.Now(), "k") {
							t.Fatal("withheld")
						}
					}
				}
				counted := func() (of []int64) {
					for _, g := range all {
						of = append(of, statusOf(t, g, time.Now(), "declines").Voided)
					}
					return of
				}
				asks(50 * time.Second)
				first := counted()
				if c.ahead.Abs() > agreed {
					ahead[1] += 7 * time.Second
				}
				time.Sleep(voidsToldEvery)
				asks(50 * time.Second)
				second, voids := counted(), int64(0)
				for _, a := range st.accounts {
					voids += int64(a.Born.Sub(a.Born.Truncate(time.Second)) / time.Microsecond)
				}
				if second[0]+second[1] != voids {
					t.Errorf("%v are counted, and the limit's time was set anew %d times", second, voids)
				}
				want := [][]int64{nil, nil}
				if c.ahead.Abs() > agreed {
					if slices.Min(first) < 2 || second[0] == first[0] || second[1] == first[1] {
						t.Fatalf("%v, then %v: there is nothing to see here", first, second)
					}
					// The others of the first minute are told of with the first of the second.
					want = [][]int64{{1, first[0]}, {1, first[1]}}
				}
				if fmt.Sprint(told) != fmt.Sprint(want) {
					t.Errorf("told %v, want %v", told, want)
				}
			})
		})
	}
}
