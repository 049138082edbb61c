package limits

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// declinesOf is a ratio: of declines and approvals, or of every answer when denominator is nil.
func declinesOf(ppm, least int64, window time.Duration, denominator ...string) Definition {
	return Definition{
		Name: "declines", Action: "decline", Window: window,
		Ratio: &Ratio{Denominator: denominator, SharePPM: ppm, MinCount: least},
	}
}

func meets(g *Gate, now time.Time, action string) Verdict {
	return g.Acquire(context.Background(), now, Answer{Action: action, Model: "m", Consumer: "c"})
}

func TestRatioDefinitions(t *testing.T) {
	for name, c := range map[string]struct {
		def  Definition
		want string // empty: it is good
	}{
		"good":                {declinesOf(50_000, 20, time.Minute), ""},
		"less than an answer": {declinesOf(50_000, 19, time.Minute), "choose 20 to"},
		"no minimum":          {declinesOf(375_000, 0, time.Minute), "choose 3 to"},
		"huge minimum":        {declinesOf(50_000, 1<<40, time.Minute), "min_count"},
		"all":                 {declinesOf(1_000_000, 20, time.Minute), "share"},
		"nothing":             {declinesOf(0, 20, time.Minute), "share"},
		"an empty action":     {declinesOf(50_000, 20, time.Minute, ""), "denominator"},
	} {
		if err := c.def.validate(); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestSmallRatios: 3 to 5 is 37.5 %, whatever the order is in which they come.
func TestSmallRatios(t *testing.T) {
	const d, a, trips = "decline", "approve", "TRIPS"
	for name, c := range map[string]struct {
		def     Definition
		answers []string
	}{
		"3 to 5 of both":               {declinesOf(375_000, 3, time.Minute, d, a), []string{a, a, a, a, a, d, d, d, trips}},
		"3 to 4 is more":               {declinesOf(375_000, 3, time.Minute, d, a), []string{a, a, a, a, d, d, trips}},
		"one part in a million less":   {declinesOf(374_999, 3, time.Minute, d, a), []string{a, a, a, a, a, d, d, trips}},
		"of every answer":              {declinesOf(375_000, 3, time.Minute), []string{a, "page", "", "", "", d, d, d, trips}},
		"of approvals alone, 3 to 8":   {declinesOf(375_000, 3, time.Minute, a), []string{a, a, a, a, a, a, a, a, d, d, d, trips}},
		"of approvals alone, 3 to 7":   {declinesOf(375_000, 3, time.Minute, a), []string{a, a, a, a, a, a, a, d, d, trips}},
		"the minimum is one":           {declinesOf(375_000, 3, time.Minute, d, a), []string{d, trips}},
		"the minimum is three":         {declinesOf(375_000, 8, time.Minute, d, a), []string{d, d, d, trips}},
		"others don't count":           {declinesOf(375_000, 3, time.Minute, d, a), []string{"page", "page", "", "", "", d, trips}},
		"what comes later is too late": {declinesOf(375_000, 8, time.Minute, d, a), []string{a, d, d, d, trips, a, a, a, a}},
	} {
		g := newGate(t, newMemStore(t), epoch, Options{}, c.def)
		now := epoch
		for i, action := range c.answers {
			now = now.Add(time.Millisecond)
			want := action != trips
			if !want {
				action = d
			}
			if v := meets(g, now, action); v.Released != want || v.Unavailable || !want && v.Limit != "declines" {
				t.Errorf("%s: answer %d, %s: %+v, want released %v", name, i, action, v, want)
			}
		}
		if s := statusOf(t, g, now, "declines"); s.Tripped != slices.Contains(c.answers, trips) || s.Tripped && s.Trip.MaxCount != s.Trip.Count {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

// TestDenominatorsAreNeverWithheld: not by the latch of the limit that counts them, not by its store, not by the gate's end; and of an
// answer that another limit withholds nothing is counted.
func TestDenominatorsAreNeverWithheld(t *testing.T) {
	st := newMemStore(t)
	g := newGate(t, st, epoch, Options{},
		declinesOf(500_000, 2, time.Minute),
		Definition{Name: "pages", Action: "page", MaxCount: 1, Window: time.Minute})
	for _, want := range []bool{true, false} {
		if v := meets(g, epoch, "decline"); v.Released != want {
			t.Fatalf("%+v, want released %v", v, want)
		}
	}
	st.setScript(func(int, string, string) outcome { return fails })
	for _, action := range []string{"approve", ""} {
		if v := meets(g, epoch, action); !v.Released {
			t.Errorf("%q of a latched ratio with a broken store: %+v", action, v)
		}
	}
	st.setScript(nil)
	counted := statusOf(t, g, epoch, "declines").Denominator
	meets(g, epoch, "page")
	meets(g, epoch, "page")
	if s := statusOf(t, g, epoch, "declines"); counted != 3 || s.Denominator != 4 || s.Used-s.Leased != 1 || s.Bound != 3 {
		t.Errorf("%d, and after a page that was withheld %+v; want 3 and 4 answers, 1 decline of at most 3", counted, s)
	}
	for _, action := range []string{"approve", "", "decline"} {
		if !g.Covers(action, "m", "c") {
			t.Errorf("%q isn't covered", action)
		}
	}
	if err := g.Close(context.Background(), epoch); err != nil {
		t.Fatal(err)
	}
	if v := meets(g, epoch, "approve"); !v.Released {
		t.Errorf("at a closed gate: %+v", v)
	}
	if v := meets(g, epoch, "decline"); v.Released || !v.Unavailable {
		t.Errorf("a decline at a closed gate: %+v", v)
	}
}

func TestRefundOfDenominators(t *testing.T) {
	g := newGate(t, newMemStore(t), epoch, Options{}, declinesOf(500_000, 2, time.Minute, "decline", "approve"))
	var permits []Permit
	for range 4 {
		permits = append(permits, meets(g, epoch, "approve").Permit)
	}
	for range 2 { // the second does nothing
		g.Refund(permits[0])
		g.Refund(permits[1])
	}
	for i, want := range []bool{true, true, false} {
		if v := meets(g, epoch, "decline"); v.Released != want {
			t.Errorf("decline %d beside 2 of 4 approvals: %+v, want %v", i, v, want)
		}
	}
	if s := statusOf(t, g, epoch, "declines"); s.Denominator != 4 {
		t.Errorf("%d answers, want 2 approvals and 2 declines", s.Denominator)
	}
}

// TestRatioOverRestarts: the store knows the denominator of before, as far as it was told.
func TestRatioOverRestarts(t *testing.T) {
	st := newMemStore(t)
	def := declinesOf(500_000, 2, time.Hour, "decline", "approve")
	g := newGate(t, st, epoch, Options{}, def)
	now := epoch
	approve := func(n int) {
		for range n {
			now = now.Add(time.Second)
			if v := meets(g, now, "approve"); !v.Released {
				t.Fatalf("%+v", v)
			}
		}
	}
	declines := func() (n int) {
		for meets(g, now, "decline").Released {
			n++
		}
		return n
	}
	approve(20)
	st.setScript(func(int, string, string) outcome { return lost })
	if err := g.Settle(context.Background(), now.Add(time.Second)); err == nil {
		t.Error("the store failed, and Settle didn't")
	}
	st.setScript(nil)
	for range 2 {
		if err := g.Settle(context.Background(), now.Add(2*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	approve(5) // nobody is told of these
	now = now.Add(3 * time.Second)
	g = newGate(t, st, now, Options{}, def)
	if s := statusOf(t, g, now, "declines"); s.Denominator != 20 || s.Bound != 20 {
		t.Errorf("after a crash %d answers, bound %d; want the 20 that the store was told of, once", s.Denominator, s.Bound)
	}
	approve(5)
	if err := g.Close(context.Background(), now); err != nil {
		t.Fatal(err)
	}
	g = newGate(t, st, now, Options{}, def)
	if n := declines(); n != 25 {
		t.Errorf("after a restart in good order %d declines beside 25 approvals, want 25", n)
	}
	if s := statusOf(t, g, now.Add(2*time.Hour), "declines"); s.Denominator != 0 || s.Bound != 1 {
		t.Errorf("hours later: %+v", s)
	}
}

// TestReportsFollow: what is counted after a report is in the next.
func TestReportsFollow(t *testing.T) {
	st, now := newMemStore(t), epoch
	def := declinesOf(500_000, 2, time.Hour, "approve")
	g := newGate(t, st, now, Options{}, def)
	for n := range 3 {
		for range n + 1 {
			now = now.Add(time.Second)
			meets(g, now, "approve")
		}
		if err := g.Settle(context.Background(), now.Add(reportEvery)); err != nil {
			t.Fatal(err)
		}
	}
	if s := statusOf(t, newGate(t, st, now, Options{}, def), now, "declines"); s.Denominator != 1+2+3 {
		t.Errorf("the store was told of %d answers, want 6", s.Denominator)
	}
}

func TestRatioInProbation(t *testing.T) {
	def := declinesOf(500_000, 10, time.Minute, "decline", "approve")
	def.After = Aftermath{SharePPM: 500_000, For: time.Hour}
	g := newGate(t, newMemStore(t), epoch, Options{}, def)
	declines := func(now time.Time) (n int) {
		for range 30 {
			meets(g, now, "approve")
		}
		for meets(g, now, "decline").Released {
			n++
		}
		return n
	}
	if n := declines(epoch); n != 30 {
		t.Errorf("%d declines beside 30 approvals, want half of all", n)
	}
	reset := epoch.Add(2 * time.Minute)
	if err := g.Reset(context.Background(), resetBy("r1", reset)); err != nil {
		t.Fatal(err)
	}
	if n := declines(reset); n != 10 {
		t.Errorf("%d declines beside 30 approvals in probation, want a quarter of all", n)
	}
	if s := statusOf(t, g, reset, "declines"); s.Trip.MaxCount != 10 || s.Trip.Count != 10 || s.ProbationEnd.IsZero() {
		t.Errorf("the trip in probation: %+v", s)
	}
}

func TestRatioInDryRun(t *testing.T) {
	def := declinesOf(500_000, 2, time.Minute, "decline", "approve")
	def.DryRun = true
	st := newMemStore(t)
	g := newGate(t, st, epoch, Options{}, def)
	for i := range 5 {
		v := meets(g, epoch, "decline")
		if want := i > 0; !v.Released || (len(v.DryRunLimits) == 1) != want {
			t.Errorf("decline %d: %+v", i, v)
		}
	}
	if len(st.trips) != 1 || !st.trips[0].DryRun {
		t.Errorf("trips %+v, want one", st.trips)
	}
}

// A ratio that is added while the gate runs, and its parts in order of name: answers lock limits in that order.
func TestMeeting(t *testing.T) {
	every := declinesOf(500_000, 2, time.Minute)
	every.Name = "c"
	later := declinesOf(500_000, 2, time.Minute, "page")
	later.Name = "d"
	g := newGate(t, newMemStore(t), epoch, Options{}, Definition{Name: "a", Action: "page", MaxCount: 1, Window: time.Minute})
	if g.Covers("", "m", "c") {
		t.Error("nothing looks at answers without an action yet")
	}
	if err := g.Update(context.Background(), []Definition{
		later, every, {Name: "a", Action: "page", MaxCount: 1, Window: time.Minute}, {Name: "z", Action: "buy", MaxCount: 1, Window: time.Minute},
	}, epoch); err != nil {
		t.Fatal(err)
	}
	for action, want := range map[string]string{"": "c", "other": "c", "page": "a c d", "decline": "c d", "buy": "c z"} {
		var names []string
		parts, _, err := g.match(g.roster.Load(), nil, &Answer{Action: action}, epoch, false)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range parts {
			names = append(names, p.limit.def.Name)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%q is looked at by %q, want %q", action, got, want)
		}
	}
}

// Limits that look at every answer are looked at with those of one action, and none of another.
func TestMeetingOfMany(t *testing.T) {
	var defs []Definition
	for _, name := range []string{"a", "b", "c"} {
		d := declinesOf(500_000, 2, time.Minute)
		d.Name = name
		defs = append(defs, d)
	}
	for _, action := range []string{"page", "sell", "buy"} {
		defs = append(defs, Definition{Name: "x" + action, Action: action, MaxCount: 1, Window: time.Minute})
	}
	g := newGate(t, newMemStore(t), epoch, Options{}, defs...)
	for _, action := range []string{"page", "sell", "buy"} {
		all := g.roster.Load().meets.of(action)
		if len(all) != 4 || all[3].def.Name != "x"+action {
			t.Errorf("%s is looked at by %d limits, at last by %s", action, len(all), all[len(all)-1].def.Name)
		}
	}
}

// TestRatioUnderConcurrency: of many who answer at once at one moment, as many declines leave as half of all answers, or one less than that.
func TestRatioUnderConcurrency(t *testing.T) {
	for range 20 {
		g := newGate(t, newMemStore(t), epoch, Options{}, declinesOf(500_000, 2, time.Minute, "decline", "approve"))
		var approved, declined atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 100 {
					if i%2 == 0 {
						approved.Add(1) // before it is: declines are counted after they are
						meets(g, epoch, "approve")
						continue
					}
					before := declined.Load()
					if meets(g, epoch, "decline").Released {
						if n := declined.Add(1); n > max(1, approved.Load()) {
							t.Errorf("%d declines beside %d approvals (%d before)", n, approved.Load(), before)
						}
						continue
					}
					_ = g.Reset(context.Background(), resetBy(fmt.Sprint(i, before, time.Now()), epoch))
				}
			})
		}
		wg.Wait()
		s := statusOf(t, g, epoch, "declines")
		if s.Used-s.Leased != declined.Load() || s.Denominator != declined.Load()+400 || declined.Load() < 2 {
			t.Errorf("%d declines, 400 approvals; the gate has %+v", declined.Load(), s)
		}
	}
}
