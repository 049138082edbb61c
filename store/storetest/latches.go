package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

var latchTests = []test{
	{"a reset takes two people", testTwoPeople},
	{"what was asked expires, and goes with its trip", testAskExpires},
	{"of many confirmations one releases", testConfirmRace},
	{"a stop is a latch", testStop},
	{"somebody looks after a trip", testAcknowledge},
	{"history is kept", testLimitEvents},
	{"what is done about latches is heard of", testLatchesChanged},
}

func latched(t *testing.T, d Driver, limit string) limits.State {
	t.Helper()
	all, err := d.Latched(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	whole := load(t, d, limit)
	whole.Leases = nil
	if diff := diff(whole, all[limit]); diff != "" {
		t.Errorf("Latched differs from Load (-load +latched):\n%s", diff)
	}
	return all[limit]
}

func ask(d Driver, by, request string) limits.Ask {
	now := d.Now()
	return limits.Ask{Limit: "a", By: by, Reason: "the feed was wrong", RequestID: request, At: now, Expires: now.Add(time.Hour)}
}

func confirm(d Driver, by, asked, request string) limits.Confirmation {
	now := d.Now()
	return limits.Confirmation{
		Limit: "a", Asked: asked, By: by, RequestID: request, At: now,
		Probation: limits.Probation{SharePPM: 500_000, Until: now.Add(time.Hour)},
	}
}

func testTwoPeople(t *testing.T, d Driver) {
	wantError(t, "asking for nothing", d.AskReset(t.Context(), ask(d, "olga", "r1")), limits.ErrNotTripped)
	wantError(t, "confirming nothing", d.ConfirmReset(t.Context(), confirm(d, "omar", "r1", "c1")), limits.ErrNotTripped)
	first := trip(d, "a")
	if _, err := d.Trip(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	wantError(t, "confirming what nobody asked", d.ConfirmReset(t.Context(), confirm(d, "omar", "r1", "c1")), limits.ErrNotAsked)
	asked := ask(d, "olga", "r1")
	for range 2 {
		if err := d.AskReset(t.Context(), asked); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, "asking while one waits", d.AskReset(t.Context(), ask(d, "omar", "r2")), limits.ErrPending)
	d = d.Reopen(t)
	if st := latched(t, d, "a"); !st.Tripped || diff(asked, st.Ask) != "" {
		t.Errorf("after a restart: tripped %t, asked %+v, want %+v", st.Tripped, st.Ask, asked)
	}
	wantError(t, "the same person", d.ConfirmReset(t.Context(), confirm(d, "olga", "r1", "c1")), limits.ErrSamePerson)
	wantError(t, "another request", d.ConfirmReset(t.Context(), confirm(d, "omar", "r2", "c1")), limits.ErrNotAsked)
	for name, spoil := range map[string]func(*limits.Confirmation){
		"no limit": func(c *limits.Confirmation) { c.Limit = "" }, "nobody": func(c *limits.Confirmation) { c.By = "" },
		"nothing asked": func(c *limits.Confirmation) { c.Asked = "" }, "no request": func(c *limits.Confirmation) { c.RequestID = "" },
	} {
		c := confirm(d, "omar", "r1", "c1")
		if spoil(&c); d.ConfirmReset(t.Context(), c) == nil {
			t.Errorf("a confirmation with %s was accepted", name)
		}
	}
	if !latched(t, d, "a").Tripped {
		t.Fatal("a refused confirmation released the latch")
	}
	done := confirm(d, "omar", "r1", "c1")
	for range 2 {
		if err := d.ConfirmReset(t.Context(), done); err != nil {
			t.Fatal(err)
		}
	}
	want := limits.Reset{
		Limit: "a", By: "omar", Reason: asked.Reason, RequestID: "c1", At: done.At, AskedBy: "olga", Probation: done.Probation, TripID: first.ID,
	}
	d = d.Reopen(t)
	if st := latched(t, d, "a"); st.Tripped || diff(want, st.LastReset) != "" || st.Ask.RequestID != "" {
		t.Errorf("after the reset: tripped %t, asked %+v, reset (-want +got):\n%s", st.Tripped, st.Ask, diff(want, st.LastReset))
	}
	if _, err := d.Trip(t.Context(), trip(d, "a")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.AskReset(t.Context(), asked), d.ConfirmReset(t.Context(), done)); err != nil {
		t.Errorf("replayed: %v", err)
	}
	if st := latched(t, d, "a"); !st.Tripped || st.Ask.RequestID != "" {
		t.Errorf("what is replayed has done something to a later trip: %+v", st)
	}
}

func testAskExpires(t *testing.T, d Driver) {
	if _, err := d.Trip(t.Context(), trip(d, "a")); err != nil {
		t.Fatal(err)
	}
	asked := ask(d, "olga", "r1")
	if err := d.AskReset(t.Context(), asked); err != nil {
		t.Fatal(err)
	}
	late := confirm(d, "omar", "r1", "c1")
	late.At = asked.Expires.Add(time.Microsecond)
	wantError(t, "confirming late", d.ConfirmReset(t.Context(), late), limits.ErrNotAsked)
	again := ask(d, "omar", "r2")
	again.At = late.At
	again.Expires = again.At.Add(time.Hour)
	if err := d.AskReset(t.Context(), again); err != nil {
		t.Errorf("asking again: %v", err)
	}
	onTime := confirm(d, "olga", "r2", "c2")
	onTime.At = again.Expires
	if err := d.ConfirmReset(t.Context(), onTime); err != nil {
		t.Errorf("confirming at the last moment: %v", err)
	}
	// What was asked about one trip doesn't release the next.
	second := ask(d, "olga", "r3")
	if _, err := d.Trip(t.Context(), trip(d, "a")); err != nil {
		t.Fatal(err)
	}
	if err := d.AskReset(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	if err := d.Reset(t.Context(), limits.Reset{Limit: "a", By: "omar", Reason: "why", RequestID: "r4", At: d.Now()}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Trip(t.Context(), trip(d, "a")); err != nil {
		t.Fatal(err)
	}
	wantError(t, "confirming for an earlier trip", d.ConfirmReset(t.Context(), confirm(d, "omar", "r3", "c3")), limits.ErrNotAsked)
}

func testConfirmRace(t *testing.T, d Driver) {
	if _, err := d.Trip(t.Context(), trip(d, "a")); err != nil {
		t.Fatal(err)
	}
	if err := d.AskReset(t.Context(), ask(d, "olga", "r1")); err != nil {
		t.Fatal(err)
	}
	var done atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c := confirm(d, "omar", "r1", string(rune('a'+i)))
			if i%2 == 1 {
				c.By = "olga"
			}
			switch err := d.ConfirmReset(t.Context(), c); {
			case err == nil:
				done.Add(1)
			case !errors.Is(err, limits.ErrNotTripped) && !errors.Is(err, limits.ErrSamePerson):
				t.Errorf("confirm: %v", err)
			}
		})
	}
	wg.Wait()
	events, err := d.LimitEvents(t.Context(), "a", 0, 10)
	if err != nil || done.Load() != 1 || len(events) != 3 {
		t.Errorf("%d confirmations released; history %v (%v), want a trip, what was asked, and one reset", done.Load(), events, err)
	}
}

func testStop(t *testing.T, d Driver) {
	stop := limits.Trip{
		ID: "0123456789abcdef", Limit: limits.StopOfAction("decline"), Action: "decline", At: d.Now(), By: "olga", Reason: "it is mad",
		OnTrip: candorv1.OnTrip_ON_TRIP_REJECT,
	}
	if first, err := d.Trip(t.Context(), stop); err != nil || !first {
		t.Fatal(first, err)
	}
	d = d.Reopen(t)
	if st := latched(t, d, stop.Limit); !st.Tripped || diff(stop, st.Trip) != "" {
		t.Errorf("stored (-want +got):\n%s", diff(stop, st.Trip))
	}
	if err := d.Reset(t.Context(), limits.Reset{Limit: stop.Limit, By: "omar", Reason: "well again", RequestID: "r1", At: d.Now()}); err != nil {
		t.Fatal(err)
	}
	if first, err := d.Trip(t.Context(), stop); err != nil || first || latched(t, d, stop.Limit).Tripped {
		t.Errorf("the same stop again: %t, %v; it must not stop a second time", first, err)
	}
}

func testAcknowledge(t *testing.T, d Driver) {
	ack := limits.Acknowledgement{Limit: "a", By: "olga", Note: "calling the desk", At: d.Now()}
	wantError(t, "of nothing", d.AcknowledgeTrip(t.Context(), ack), limits.ErrNotTripped)
	if _, err := d.Trip(t.Context(), trip(d, "a")); err != nil {
		t.Fatal(err)
	}
	later := limits.Acknowledgement{Limit: "a", By: "omar", At: d.Now()}
	for _, a := range []limits.Acknowledgement{ack, ack, later} {
		if err := d.AcknowledgeTrip(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if d.AcknowledgeTrip(t.Context(), limits.Acknowledgement{Limit: "a", At: d.Now()}) == nil {
		t.Error("nobody looks after it, and that was accepted")
	}
	d = d.Reopen(t)
	if st := latched(t, d, "a"); diff(ack, st.Ack) != "" {
		t.Errorf("acknowledged (-want +got):\n%s", diff(ack, st.Ack))
	}
	events, err := d.LimitEvents(t.Context(), "a", 0, 10)
	if err != nil || len(events) != 2 {
		t.Errorf("history %v, %v; want a trip and one acknowledgement", events, err)
	}
}

func testLimitEvents(t *testing.T, d Driver) {
	first, reset, other := trip(d, "a"), limits.Reset{Limit: "a", By: "omar", Reason: "why", RequestID: "r1", At: d.Now()}, trip(d, "b")
	_, err := d.Trip(t.Context(), first)
	err = errors.Join(err, d.AskReset(t.Context(), ask(d, "olga", "r1")), d.Reset(t.Context(), reset))
	if _, terr := d.Trip(t.Context(), other); errors.Join(err, terr) != nil {
		t.Fatal(err, terr)
	}
	d = d.Reopen(t)
	all, err := d.LimitEvents(t.Context(), "a", 0, 10)
	if err != nil || len(all) != 3 {
		t.Fatalf("history %v, %v; want 3 entries", all, err)
	}
	released := reset
	released.TripID = first.ID
	for i, want := range []limits.Event{limits.ResetEvent(released), {Event: candorv1.LimitEvent_LIMIT_EVENT_RESET_ASKED}, limits.TripEvent(first)} {
		got := all[i]
		if got.Position = 0; want.TripID != "" && diff(want, got) != "" || got.Event != want.Event {
			t.Errorf("entry %d (-want +got):\n%s", i, diff(want, got))
		}
	}
	page, err := d.LimitEvents(t.Context(), "a", all[1].Position, 1)
	if err != nil || len(page) != 1 || page[0].Position != all[2].Position {
		t.Errorf("the page after the second entry: %v, %v", page, err)
	}
	if none, err := d.LimitEvents(t.Context(), "nobody", 0, 10); err != nil || len(none) != 0 {
		t.Errorf("of an unknown limit: %v, %v", none, err)
	}
}

func testLatchesChanged(t *testing.T, d Driver) {
	first := trip(d, "a")
	now := d.Now()
	asked := limits.Ask{Limit: "a", By: "olga", Reason: "checked", RequestID: "q", At: now, Expires: now.Add(time.Hour)}
	confirmed := limits.Confirmation{Limit: "a", Asked: "q", By: "otto", RequestID: "c", At: now}
	for _, step := range []struct {
		what string
		do   func() error
	}{
		{"a trip", func() error { _, err := d.Trip(t.Context(), first); return err }},
		{"an acknowledgement", func() error {
			return d.AcknowledgeTrip(t.Context(), limits.Acknowledgement{Limit: "a", By: "olga", At: now})
		}},
		{"a reset that is asked for", func() error { return d.AskReset(t.Context(), asked) }},
		{"its confirmation", func() error { return d.ConfirmReset(t.Context(), confirmed) }},
	} {
		changed := d.LatchesChanged()
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if !closed(changed) {
			t.Errorf("%s wakes nobody", step.what)
		}
	}
}
