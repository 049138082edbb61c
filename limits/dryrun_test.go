package limits

import (
	"context"
	"testing"
	"time"
)

func TestDryRunCountsTripsAndWithholdsNothing(t *testing.T) {
	st := newMemStore(t)
	var told []Trip
	def := declines(3, time.Minute)
	def.DryRun = true
	opts := Options{OnTrip: func(trip Trip) { told = append(told, trip) }}
	g := newGate(t, st, epoch, opts, def)
	for i := range 10 {
		v := g.Acquire(context.Background(), epoch, Answer{Action: "decline"})
		if !v.Released || v.Limit != "" || v.Err != nil {
			t.Fatalf("answer %d: %+v", i, v)
		}
		if over := len(v.DryRunLimits) == 1; over != (i >= 3) {
			t.Errorf("answer %d: dry-run limits %q", i, v.DryRunLimits)
		}
	}
	if len(told) != 1 || !told[0].DryRun {
		t.Errorf("told of %+v, want one dry-run trip", told)
	}
	if s := statusOf(t, g, epoch, "declines"); !s.Tripped || s.Withheld != 7 || s.Used != 3 {
		t.Errorf("status %+v", s)
	}

	// A restart ends no dry run, and tells of no trip again.
	g = newGate(t, st, epoch, opts, def)
	if v := g.Acquire(context.Background(), epoch, Answer{Action: "decline"}); !v.Released || len(v.DryRunLimits) != 1 || len(told) != 1 {
		t.Errorf("after a restart: %+v, told of %+v", v, told)
	}

	// Once the limit holds, its dry-run trip is no latch; the next excess is a trip of its own.
	def.DryRun = false
	later := epoch.Add(2 * time.Minute)
	g = newGate(t, st, later, opts, def)
	for i := range 4 {
		if v := g.Acquire(context.Background(), later, Answer{Action: "decline"}); v.Released != (i < 3) {
			t.Errorf("answer %d after the dry run: %+v", i, v)
		}
	}
	if len(told) != 2 || told[1].DryRun {
		t.Errorf("told of %+v, want a second trip that isn't a dry run", told)
	}
}

func TestDryRunSurvivesItsStore(t *testing.T) {
	st := newMemStore(t)
	def := declines(2, time.Minute)
	def.DryRun = true
	failures := 0
	g := newGate(t, st, epoch, Options{OnStoreError: func(string, error) { failures++ }}, def)
	st.setScript(func(int, string, string) outcome { return fails })
	for i := range 4 {
		v := g.Acquire(context.Background(), epoch, Answer{Action: "decline"})
		if over := len(v.DryRunLimits) == 1; !v.Released || over != (i >= 2) {
			t.Errorf("answer %d: %+v", i, v)
		}
	}
	if failures != 4 {
		t.Errorf("told of %d store errors, want 4", failures)
	}
}
