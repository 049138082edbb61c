package limits

import (
	"testing"
	"time"
)

// TestTick: the limit's time follows the server's clock while that runs, and neither goes back nor jumps with it.
func TestTick(t *testing.T) {
	began := time.Now()
	quick, slow := Sighting{Now: tick(0), Asked: began, Answered: began}, Sighting{Now: tick(0), Asked: began, Answered: began.Add(4 * time.Second)}
	other := quick
	other.Born = tick(9)
	rates := tick(3).Add(-2 * time.Millisecond)
	for name, c := range map[string]struct {
		a          Account
		raw        time.Time
		after      int // seconds after began
		seen       Sighting
		want, lost time.Time // lost: that long after tick(0)
	}{
		"clocks of two rates":              {Account{}, rates, 3, quick, rates, tick(0)},
		"set back, of which nobody knows":  {Account{Clock: tick(10)}, tick(5), 3, Sighting{}, tick(10), tick(0)},
		"what was seen is of another":      {Account{}, tick(300), 3, other, tick(300), tick(0)},
		"what was lost stays lost":         {Account{Clock: tick(0), Lost: 2 * time.Second}, tick(1), 3, quick, tick(1), tick(2)},
		"behind what another has seen":     {Account{Clock: tick(3)}, tick(2), 5, slow, tick(3), tick(2)},
		"between the earliest and latest":  {Account{Clock: tick(1)}, tick(3), 5, slow, tick(3), tick(0)},
		"at the latest, and not behind it": {Account{Clock: tick(1)}, tick(5), 5, slow, tick(5), tick(0)},
	} {
		a := c.a
		at := began.Add(time.Duration(c.after) * time.Second)
		now := a.Tick(new(LeaseRequest).Read(c.raw, at, at), c.seen)
		if !now.Equal(c.want) || a.Lost != c.lost.Sub(tick(0)) || !a.Clock.Equal(now) || a.Shift != now.Sub(c.raw) {
			t.Errorf("%s: %v after the begin, %v lost, account %+v; want %v and %v", name, now.Sub(tick(0)), a.Lost, a, c.want.Sub(tick(0)), c.lost.Sub(tick(0)))
		}
	}
}

// TestAccountOfTwoWindows: leases are kept for the longest window that was asked about within it, and counted for the one that is asked
// about.
func TestAccountOfTwoWindows(t *testing.T) {
	a := &memAccount{}
	for _, c := range []struct {
		at, window        int
		count, used, kept int64
	}{
		{0, 10, 3, 3, 3},
		{5, 2, 1, 1, 4},
		{6, 10, 0, 4, 4},
		{12, 2, 1, 1, 2}, // the first has left the longer one, too
		{16, 10, 0, 1, 1},
		{20, 2, 1, 1, 2},
		{27, 2, 0, 0, 1}, // what was granted when the longer one was asked about last may have been used by a lease's length later
		{87, 2, 0, 0, 0}, // nobody has asked about it for as long as it is
	} {
		r := LeaseRequest{
			Lease: Lease{Limit: "a", Count: c.count, From: tick(0), Until: tick(1)}, Need: c.count,
			Max: 10, Window: time.Duration(c.window) * time.Second,
		}
		g, err := a.Decide(a, r, tick(c.at), false)
		if err != nil || g.Count != c.count || g.Used != c.used || a.Permits != c.kept {
			t.Errorf("at %d: %+v, %v, %d kept; want %d used, %d kept", c.at, g, err, a.Permits, c.used, c.kept)
		}
	}
}

// TestLatchedAccount: it grants nothing, settles, and isn't deleted.
func TestLatchedAccount(t *testing.T) {
	a := &memAccount{}
	r := LeaseRequest{Lease: Lease{Limit: "a", Count: 1, From: tick(0), Until: tick(1)}, Need: 1, Max: 10, Window: 10 * time.Second}
	first, _ := a.Decide(a, r, tick(0), false)
	back := first.Lease
	back.Count = 0
	r.Settled = &back
	if g, err := a.Decide(a, r, tick(0), true); err != nil || g.Count != 0 || a.Permits != 0 || len(a.leases) != 1 || a.leases[0].Count != 0 {
		t.Errorf("%+v, %v; the account has %+v", g, err, a.leases)
	}
	if r = (LeaseRequest{Retire: true}); a.Over(r, true, 0) || a.Over(r, false, 1) || !a.Over(r, false, 0) {
		t.Error("a latched account is over, or one without leases isn't")
	}
}

// TestAccountThatOthersHold: where what others may give back makes it fit, it says when; where it doesn't, nobody waits for it.
func TestAccountThatOthersHold(t *testing.T) {
	a := &memAccount{}
	for _, c := range []struct{ count, pending int64 }{{3, 0}, {8, 3}, {10, 3}, {11, 0}} {
		r := LeaseRequest{
			Lease: Lease{Limit: "a", Count: c.count, From: tick(0), Until: tick(1)}, Need: c.count, Max: 10, Window: 10 * time.Second,
		}
		g, err := a.Decide(a, r, tick(0), false)
		if err != nil || g.Pending != c.pending || (g.Retry > 0) != (c.pending > 0) || a.Permits != 3 {
			t.Errorf("%d of 10, beside 3 that another holds: %+v, %v; want to wait for %d", c.count, g, err, c.pending)
		}
	}
}
