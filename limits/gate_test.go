package limits

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestNewRefusesDefinitions(t *testing.T) {
	good := declines(5, time.Minute)
	with := func(change func(*Definition)) Definition {
		d := good
		change(&d)
		return d
	}
	for name, c := range map[string]struct {
		defs []Definition
		want []string
	}{
		"no name":        {[]Definition{with(func(d *Definition) { d.Name = "" })}, []string{"without a name"}},
		"no action":      {[]Definition{with(func(d *Definition) { d.Action = "" })}, []string{"declines", "action"}},
		"zero count":     {[]Definition{with(func(d *Definition) { d.MaxCount = 0 })}, []string{"declines", "max_count is 0"}},
		"negative count": {[]Definition{with(func(d *Definition) { d.MaxCount = -1 })}, []string{"declines", "max_count is -1"}},
		"huge count":     {[]Definition{with(func(d *Definition) { d.MaxCount = 1 << 60 })}, []string{"max_count", "1000000"}},
		"no window":      {[]Definition{with(func(d *Definition) { d.Window = 0 })}, []string{"declines", "window"}},
		"two of a name":  {[]Definition{good, good}, []string{"declines", "twice"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(context.Background(), c.defs, newMemStore(t), epoch, Options{})
			if err == nil {
				t.Fatal("New took it")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q doesn't say %q", err, want)
				}
			}
		})
	}
}

func TestSharedStoreNeedsAClock(t *testing.T) {
	if _, err := New(context.Background(), []Definition{declines(1, time.Minute)}, newSharedStore(t), epoch, Options{}); err == nil ||
		!strings.Contains(err.Error(), "Options.Clock") {
		t.Errorf("New = %v, want what is missing", err)
	}
}

func TestNewFailsWithoutStoredState(t *testing.T) {
	st := newMemStore(t)
	st.setScript(func(int, string, string) outcome { return fails })
	if _, err := New(context.Background(), nil, st, epoch, Options{}); !errors.Is(err, errStore) {
		t.Errorf("New = %v, want the store's error: starting without the latches would free them", err)
	}
}

func TestScope(t *testing.T) {
	g := newGate(t, newMemStore(t), epoch, Options{},
		Definition{Name: "one", Action: "decline", Model: "fraud", MaxCount: 1, Window: time.Minute},
		Definition{Name: "two", Action: "decline", Consumer: "shop", MaxCount: 1, Window: time.Minute},
		Definition{Name: "three", Action: "page", MaxCount: 1, Window: time.Minute})
	for _, c := range []struct {
		action, model, consumer string
		want                    bool
	}{
		{"decline", "fraud", "bank", true},
		{"decline", "spam", "shop", true},
		{"decline", "spam", "bank", false},
		{"page", "any", "any", true},
		{"approve", "fraud", "shop", false},
		{"", "fraud", "shop", false},
	} {
		if got := g.Covers(c.action, c.model, c.consumer); got != c.want {
			t.Errorf("Covers(%q, %q, %q) = %v, want %v", c.action, c.model, c.consumer, got, c.want)
		}
	}
	for range 3 {
		v := g.Acquire(context.Background(), epoch, Answer{Action: "decline", Model: "spam", Consumer: "bank"})
		if !v.Released {
			t.Fatalf("an answer that no limit covers: %+v", v)
		}
		g.Refund(v.Permit) // of nothing: does nothing
	}
}

func TestTripWithholdsAndTells(t *testing.T) {
	st := newMemStore(t)
	var told []Trip
	var denied []string
	opts := Options{
		OnTrip:   func(trip Trip) { told = append(told, trip) },
		OnDenied: func(limit string, a Answer) { denied = append(denied, limit+"/"+a.PredictionID) },
	}
	def := declines(2, time.Minute)
	def.OnTrip = candorv1.OnTrip_ON_TRIP_REJECT
	g := newGate(t, st, epoch, opts, def)

	answer := Answer{Action: "decline", Model: "fraud", Consumer: "shop"}
	rows := []Answer{answer, answer, answer, answer}
	for i := range rows {
		rows[i].PredictionID = string(rune('a' + i))
	}
	var verdicts []Verdict
	for _, row := range rows {
		verdicts = append(verdicts, g.Acquire(context.Background(), epoch, row))
	}
	for i, v := range verdicts {
		if want := i < 2; v.Released != want {
			t.Errorf("row %d: released %v, want %v", i, v.Released, want)
		}
	}
	if v := verdicts[2]; v.Limit != "declines" || v.OnTrip != candorv1.OnTrip_ON_TRIP_REJECT || v.Unavailable || v.Err != nil {
		t.Errorf("verdict of the answer that tripped: %+v", v)
	}
	if len(told) != 1 || len(st.trips) != 1 || told[0] != st.trips[0] {
		t.Fatalf("told of %+v, stored %+v: want one and the same trip", told, st.trips)
	}
	want := Trip{
		ID: told[0].ID, Limit: "declines", Action: "decline", Model: "fraud", Consumer: "shop", PredictionID: "c",
		At: epoch.Truncate(time.Microsecond), Count: 2, MaxCount: 2, Window: time.Minute,
	}
	if told[0] != want || want.ID == "" {
		t.Errorf("trip %+v, want %+v", told[0], want)
	}
	if want := []string{"declines/c", "declines/d"}; !slices.Equal(denied, want) {
		t.Errorf("denied %q, want %q", denied, want)
	}
	s := statusOf(t, g, epoch, "declines")
	if !s.Tripped || !s.Durable || !s.Configured || s.Used != 2 || s.Withheld != 2 || s.Trip != want {
		t.Errorf("status %+v", s)
	}
	// The latch outlives the window.
	if v := g.Acquire(context.Background(), epoch.Add(24*time.Hour), answer); v.Released {
		t.Error("time released the latch")
	}
}

func TestWindowSlidesToTheNanosecond(t *testing.T) {
	g := newGate(t, newMemStore(t), epoch, Options{}, declines(1, time.Minute))
	a := Answer{Action: "decline"}
	if v := g.Acquire(context.Background(), epoch, a); !v.Released {
		t.Fatalf("first: %+v", v)
	}
	if v := g.Acquire(context.Background(), epoch.Add(time.Minute), a); !v.Released {
		t.Errorf("a window later: %+v", v)
	}
	if v := g.Acquire(context.Background(), epoch.Add(2*time.Minute-1), a); v.Released {
		t.Error("a nanosecond short of a window later: released")
	}
}

func TestAllLimitsGrantOrNoneIsDeducted(t *testing.T) {
	st := newMemStore(t)
	g := newGate(t, st, epoch, Options{},
		Definition{Name: "a-wide", Action: "decline", MaxCount: 10, Window: time.Minute},
		Definition{Name: "b-narrow", Action: "decline", Model: "fraud", MaxCount: 1, Window: time.Minute},
		Definition{Name: "c-dry", Action: "decline", MaxCount: 10, Window: time.Minute, DryRun: true})
	fraud := Answer{Action: "decline", Model: "fraud"}
	released := 0
	for range 5 {
		if g.Acquire(context.Background(), epoch, fraud).Released {
			released++
		}
	}
	if released != 1 {
		t.Fatalf("%d released, want 1", released)
	}
	for _, name := range []string{"a-wide", "c-dry"} {
		if s := statusOf(t, g, epoch, name); s.Used-s.Leased != 1 || s.Tripped {
			t.Errorf("%s counts %d, tripped %v; want the 1 that was released", name, s.Used-s.Leased, s.Tripped)
		}
	}
	if v := g.Acquire(context.Background(), epoch, Answer{Action: "decline", Model: "spam"}); !v.Released {
		t.Errorf("an answer outside of the tripped limit: %+v", v)
	}
}

func TestRefundGivesBack(t *testing.T) {
	st := newMemStore(t)
	g := newGate(t, st, epoch, Options{},
		declines(2, time.Minute),
		Definition{Name: "all", Action: "decline", MaxCount: 2, Window: time.Hour})
	a := Answer{Action: "decline"}
	first := g.Acquire(context.Background(), epoch, a)
	g.Refund(first.Permit)
	g.Refund(first.Permit)
	released := 0
	for range 5 {
		if g.Acquire(context.Background(), epoch.Add(time.Second), a).Released {
			released++
		}
	}
	if released != 2 {
		t.Errorf("%d released after a refund, want 2", released)
	}
}
