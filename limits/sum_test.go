package limits

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const notional Source = "parameter:notional"

// spends bounds the sum of amounts.
func spends(max int64, window time.Duration) Definition {
	return Definition{Name: "spend", Action: "buy", Amount: notional, Unit: "USD cents", MaxCount: max, Window: window}
}

func buys(amount int64) Answer {
	return Answer{Action: "buy", Inputs: []Input{{Source: notional, Amount: amount}}}
}

func TestSumTripsAtWhatDoesNotFit(t *testing.T) {
	for _, c := range []struct {
		name     string
		amounts  []int64
		released int
		count    int64
	}{
		{"amounts that divide the bound", []int64{25, 25, 25, 25, 25}, 4, 100},
		{"amounts that don't", []int64{30, 30, 30, 30}, 3, 90},
		{"one that is larger than all of it", []int64{101, 1}, 0, 0},
		{"one of an int64's largest", []int64{10, math.MaxInt64, 1}, 1, 10},
		{"the bound in one", []int64{100, 1}, 1, 100},
		{"nothing is free, until it trips", []int64{100, 0, 0, 1, 0}, 3, 100},
	} {
		for _, shared := range []bool{false, true} {
			st := newMemStore(t)
			if shared {
				st = newSharedStore(t)
			}
			now := time.Now()
			var told []Trip
			g := newGate(t, st, now, Options{OnTrip: func(tr Trip) { told = append(told, tr) }}, spends(100, time.Hour))
			released := 0
			var missed int64
			for _, amount := range c.amounts {
				v := g.Acquire(context.Background(), now, buys(amount))
				switch {
				case v.Released:
					released++
				case v.Unavailable || v.Invalid || v.Limit != "spend":
					t.Errorf("%s: %+v", c.name, v)
				case missed == 0:
					missed = amount
				}
			}
			if released != c.released || len(told) != 1 || told[0].Count != c.count || told[0].Amount != missed || told[0].MaxCount != 100 {
				t.Errorf("%s, shared %t: %d released, told %+v; want %d, and one trip at %d by %d", c.name, shared, released, told, c.released, c.count, missed)
			}
			if s := statusOf(t, g, now, "spend"); s.Used-s.Leased != c.count {
				t.Errorf("%s, shared %t: %d used and %d leased, want %d", c.name, shared, s.Used, s.Leased, c.count)
			}
		}
	}
}

func TestSumOverManyDigits(t *testing.T) {
	st := newMemStore(t)
	def := spends(largestSum, time.Hour)
	def.After = Aftermath{SharePPM: 333_333, For: time.Hour}
	g := newGate(t, st, epoch, Options{}, def)
	for range 3 {
		if v := g.Acquire(context.Background(), epoch, buys(largestSum/3)); !v.Released {
			t.Fatalf("%+v", v)
		}
	}
	if v := g.Acquire(context.Background(), epoch, buys(1)); !v.Released {
		t.Errorf("the last unit: %+v", v)
	}
	if v := g.Acquire(context.Background(), epoch, buys(1)); v.Released {
		t.Error("a unit more than 1e15 was released")
	}
	r := resetBy("r1", epoch.Add(time.Second))
	r.Limit = "spend"
	if err := g.Reset(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	if s := statusOf(t, g, epoch.Add(time.Second), "spend"); s.Bound != 333_333_000_000_000 {
		t.Errorf("in probation %d holds", s.Bound)
	}
}

// TestFaultyInputIsInvalid: it withholds one answer, and nothing else.
func TestFaultyInputIsInvalid(t *testing.T) {
	const column Source = "input:merchant"
	def := spends(100, time.Hour)
	def.Key, def.OnTrip = column, candorv1.OnTrip_ON_TRIP_REJECT
	dry := declines(1, time.Hour)
	dry.Action, dry.DryRun, dry.Name, dry.Key = "buy", true, "dry", "parameter:desk"
	st := newMemStore(t)
	g := newGate(t, st, epoch, Options{}, def, dry)
	good := []Input{{Source: notional, Amount: 5}, {Source: column, Key: "a"}}
	with := func(change func(in []Input) []Input) Answer {
		return Answer{Action: "buy", Inputs: change([]Input{good[0], good[1]})}
	}
	for name, c := range map[string]struct {
		a    Answer
		want []string
	}{
		"no inputs": {Answer{Action: "buy"}, []string{"spend", string(notional), "no value", "send one"}},
		"no key":    {with(func(in []Input) []Input { return in[:1] }), []string{"spend", string(column), "no value"}},
		"negative":  {with(func(in []Input) []Input { in[0].Amount = -1; return in }), []string{string(notional), "below 0"}},
		"a fault":   {with(func(in []Input) []Input { in[1].Fault = "it is no text"; return in }), []string{string(column), "it is no text"}},
	} {
		v := g.Acquire(context.Background(), epoch, c.a)
		if v.Released || !v.Invalid || v.Unavailable || v.Limit != "spend" || v.OnTrip != def.OnTrip || v.Err == nil {
			t.Fatalf("%s: %+v", name, v)
		}
		for _, want := range c.want {
			if !strings.Contains(v.Err.Error(), want) {
				t.Errorf("%s: error %q doesn't say %q", name, v.Err, want)
			}
		}
	}
	// A dry run that would have withheld it says so.
	v := g.Acquire(context.Background(), epoch, Answer{Action: "buy", Inputs: good})
	if !v.Released || fmt.Sprint(v.DryRunLimits) != "[dry]" {
		t.Errorf("the dry run has no input: %+v", v)
	}
	if len(st.trips) != 0 {
		t.Errorf("trips %+v", st.trips)
	}
	want := []Source{"parameter:desk", notional, column}
	if got := g.Sources("buy", "m", "c"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("Sources = %v, want %v", got, want)
	}
	if n := testing.AllocsPerRun(100, func() { g.Sources("decline", "m", "c") }); n != 0 {
		t.Errorf("%v allocations where nothing is wanted", n)
	}
}

func TestSumGivesBack(t *testing.T) {
	g := newGate(t, newMemStore(t), epoch, Options{}, spends(100, time.Hour))
	v := g.Acquire(context.Background(), epoch, buys(60))
	g.Refund(v.Permit)
	g.Refund(v.Permit)
	if s := statusOf(t, g, epoch, "spend"); s.Used-s.Leased != 0 {
		t.Errorf("%d used after 60 came back", s.Used-s.Leased)
	}
	if v := g.Acquire(context.Background(), epoch.Add(time.Second), buys(100)); !v.Released {
		t.Errorf("all of it, after 60 came back: %+v", v)
	}
	if s := statusOf(t, g, epoch.Add(time.Second), "spend"); s.Room != ceilTime(epoch.Add(time.Hour+time.Second).UnixNano()) {
		t.Errorf("room at %v", s.Room)
	}
}

// TestLeasesOfASum: they follow what is used, whatever a unit is worth, and no lease is above an eighth of what is left, except for
// one answer that needs more.
func TestLeasesOfASum(t *testing.T) {
	for _, unit := range []int64{1, 100, 1_000_000} {
		st := newMemStore(t)
		most := 100_000 * unit
		g := newGate(t, st, epoch, Options{}, spends(most, time.Hour))
		now, spent := epoch, int64(0)
		sizes := map[int64]int64{}
		for i := range 5000 {
			now = now.Add(time.Millisecond)
			amount := unit * int64(1+i%5)
			if v := g.Acquire(context.Background(), now, buys(amount)); !v.Released {
				t.Fatalf("%+v", v)
			}
			for _, l := range st.states["spend"].Leases {
				if _, known := sizes[l.ID]; !known {
					if sizes[l.ID] = l.Count; l.Count > max(amount, (most-spent)/leaseShare) {
						t.Errorf("unit %d: a lease of %d where %d are left", unit, l.Count, most-spent)
					}
				}
			}
			spent += amount
		}
		if len(sizes) > 100 {
			t.Errorf("unit %d: %d leases for 5000 answers", unit, len(sizes))
		}
		// Now few and small ones: what is leased and not used gets small too.
		for range 20 {
			now = now.Add(2 * time.Second)
			g.Acquire(context.Background(), now, buys(unit))
		}
		if s := statusOf(t, g, now, "spend"); s.Leased > 4*unit {
			t.Errorf("unit %d: %d stay leased beside answers of one", unit, s.Leased)
		}
	}
}

// TestSumUnderConcurrency: 200 goroutines with amounts that don't divide the bound never pass it.
func TestSumUnderConcurrency(t *testing.T) {
	for _, shared := range []bool{false, true} {
		st := newMemStore(t)
		if shared {
			st = newSharedStore(t)
		}
		now := time.Now()
		g := newGate(t, st, now, Options{}, spends(9_999, time.Hour))
		var mu sync.Mutex
		var sum, answers int64
		together(200, func(i int) {
			for j := range 5 {
				amount := int64(1 + (7*i+j)%37)
				v := g.Acquire(context.Background(), now, buys(amount))
				if v.Unavailable || v.Invalid {
					t.Errorf("%+v", v)
				}
				if v.Released {
					mu.Lock()
					sum, answers = sum+amount, answers+1
					mu.Unlock()
				}
			}
		})
		if sum > 9_999 || sum < 9_999-37 || len(st.trips) != 1 {
			t.Errorf("shared %t: %d of 9,999 were released by %d answers, %d trips", shared, sum, answers, len(st.trips))
		}
	}
}

func TestKindsAreValidated(t *testing.T) {
	for name, c := range map[string]struct {
		change func(d *Definition)
		want   string
	}{
		"no bound":         {func(d *Definition) { d.MaxCount = 0 }, "the sum's bound is 0"},
		"too large":        {func(d *Definition) { d.MaxCount = largestSum + 1 }, "choose 1 to 1000000000000000"},
		"no unit":          {func(d *Definition) { d.Unit = "" }, "unit is empty"},
		"a unit, no sum":   {func(d *Definition) { d.Amount = "" }, "it has a unit and no amount"},
		"keys, no key":     {func(d *Definition) { d.MaxKeys = 5 }, "max_keys and no key"},
		"too many keys":    {func(d *Definition) { d.Key, d.MaxKeys = "parameter:k", largestMaxKeys+1 }, "choose 1 to 100000"},
		"a slash":          {func(d *Definition) { d.Name = "a/b" }, "slash"},
		"a sum and ratio":  {func(d *Definition) { d.Ratio = &Ratio{SharePPM: 1} }, "an amount and a ratio"},
		"a count of a sum": {func(d *Definition) { d.Amount, d.Unit, d.MaxCount = "", "", largestMaxCount+1 }, "choose 1 to 1000000"},
	} {
		d := spends(100, time.Hour)
		c.change(&d)
		if _, err := New(context.Background(), []Definition{d}, newMemStore(t), epoch, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
