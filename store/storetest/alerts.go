package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/candor-gateway/candor/limits"
)

var alertTests = []test{
	{"messages are tried until they are taken", testAlertMessages},
	{"of many who claim a message one gets it", testAlertRace},
	{"nobody is told that a limit holds after its reset", testAlertAfterReset},
	{"whoever sees a reset sees the claims before it", testAlertClaimAgainstReset},
	{"an alert is open until it is closed", testAlertsOpen},
}

func testAlertMessages(t *testing.T, d Driver) {
	tr := trip(d, "a")
	if _, err := d.Trip(t.Context(), tr); err != nil {
		t.Fatal(err)
	}
	now := d.Now()
	claim := func(receiver string, resolved bool, now time.Time, want int) {
		t.Helper()
		attempt, ok, err := d.ClaimAlert(t.Context(), limits.AlertClaim{Trip: tr.ID, Receiver: receiver, Resolved: resolved, Now: now, Until: now.Add(time.Minute)})
		if err != nil || ok != (want > 0) || attempt != want {
			t.Fatalf("claim: attempt %d, %t, %v; want %d", attempt, ok, err, want)
		}
	}
	finish := func(attempt int, fault string, next time.Time) {
		t.Helper()
		if err := d.FinishAlert(t.Context(), limits.AlertResult{Trip: tr.ID, Receiver: "desk", Attempt: attempt, Now: now, Error: fault, Next: next}); err != nil {
			t.Fatal(err)
		}
	}
	claim("desk", false, now, 1)
	claim("desk", false, now.Add(time.Minute-time.Microsecond), 0)
	claim("boss", false, now, 1)
	claim("desk", true, now, 1)
	claim("desk", false, now.Add(time.Minute), 2)
	finish(1, "", time.Time{}) // what came of an attempt that took too long
	finish(2, "the receiver answered 502", now.Add(time.Hour))
	d = d.Reopen(t)
	claim("desk", false, now.Add(time.Hour-time.Microsecond), 0)
	claim("desk", false, now.Add(time.Hour), 3)
	finish(3, "", time.Time{})
	claim("desk", false, now.Add(1000*time.Hour), 0)
	got, err := d.OpenAlerts(t.Context())
	want := []limits.Alert{{Trip: tr, Latched: true, Messages: []limits.AlertMessage{
		{Receiver: "boss", Attempts: 1, Due: now.Add(time.Minute)},
		{Receiver: "desk", Attempts: 3, Delivered: now},
		{Receiver: "desk", Resolved: true, Attempts: 1, Due: now.Add(time.Minute)},
	}}}
	if err != nil || diff(want, got) != "" {
		t.Errorf("%v; alerts (-want +got):\n%s", err, diff(want, got))
	}
	for _, bad := range []limits.AlertClaim{{Trip: tr.ID}, {Receiver: "desk"}} {
		if _, _, err := d.ClaimAlert(t.Context(), bad); err == nil {
			t.Errorf("claimed %+v", bad)
		}
	}
}

func testAlertRace(t *testing.T, d Driver) {
	tr := trip(d, "a")
	if _, err := d.Trip(t.Context(), tr); err != nil {
		t.Fatal(err)
	}
	now := d.Now()
	for turn := range 2 {
		var got atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				at := now.Add(time.Duration(turn) * time.Minute)
				_, ok, err := d.ClaimAlert(t.Context(), limits.AlertClaim{Trip: tr.ID, Receiver: "desk", Now: at, Until: at.Add(time.Minute)})
				if err != nil {
					t.Errorf("claim: %v", err)
				}
				if ok {
					got.Add(1)
				}
			})
		}
		wg.Wait()
		if got.Load() != 1 {
			t.Errorf("turn %d: %d got the message, want 1", turn, got.Load())
		}
	}
}

// Whoever read the trip before another's reset may want to tell of it still.
func testAlertAfterReset(t *testing.T, d Driver) {
	tr := trip(d, "a")
	if _, err := d.Trip(t.Context(), tr); err != nil {
		t.Fatal(err)
	}
	now := d.Now()
	claim := func(receiver string, resolved bool, now, from time.Time, want int) {
		t.Helper()
		attempt, ok, err := d.ClaimAlert(t.Context(), limits.AlertClaim{Trip: tr.ID, Receiver: receiver, Resolved: resolved, Now: now, Until: now.Add(time.Minute), From: from})
		if err != nil || ok != (want > 0) || attempt != want {
			t.Errorf("claim of %s, resolved %t: attempt %d, %t, %v; want %d", receiver, resolved, attempt, ok, err, want)
		}
	}
	finish := func(receiver string, fault string, next time.Time) {
		t.Helper()
		if err := d.FinishAlert(t.Context(), limits.AlertResult{Trip: tr.ID, Receiver: receiver, Attempt: 1, Now: now, Error: fault, Next: next}); err != nil {
			t.Fatal(err)
		}
	}
	for _, receiver := range []string{"repeated", "failed", "hanging"} {
		claim(receiver, false, now, now, 1)
	}
	finish("repeated", "", now.Add(time.Minute))
	finish("failed", "the receiver answered 502", now.Add(time.Minute))
	at := now.Add(time.Minute)
	if err := d.Reset(t.Context(), limits.Reset{Limit: "a", By: "o", Reason: "why", RequestID: "r", At: at}); err != nil {
		t.Fatal(err)
	}
	d = d.Reopen(t)
	later := at.Add(time.Minute)
	claim("repeated", false, later, time.Time{}, 0)          // was told already
	claim("failed", false, later, now, 2)                    // may have got it
	claim("hanging", false, later, now, 2)                   // too
	claim("escalated", false, later, at.Add(time.Second), 0) // had no turn before the reset
	claim("due", false, later, at, 1)                        // had one
	claim("first", false, later, time.Time{}, 1)             // is always told
	claim("repeated", true, later, at.Add(time.Second), 1)   // that it has been reset
	claim("repeated", true, later.Add(time.Minute), at.Add(time.Second), 2)
}

// A reset that has been stored is told of by whoever sees no claim that goes on: none may come out later.
func testAlertClaimAgainstReset(t *testing.T, d Driver) {
	for i := range 20 {
		tr := trip(d, fmt.Sprintf("l%d", i))
		if _, err := d.Trip(t.Context(), tr); err != nil {
			t.Fatal(err)
		}
		now := d.Now()
		at := now.Add(time.Minute)
		if _, ok, err := d.ClaimAlert(t.Context(), limits.AlertClaim{Trip: tr.ID, Receiver: "desk", Now: now, Until: at}); !ok || err != nil {
			t.Fatalf("claim: %t, %v", ok, err)
		}
		if err := d.FinishAlert(t.Context(), limits.AlertResult{Trip: tr.ID, Receiver: "desk", Attempt: 1, Now: now, Next: at}); err != nil {
			t.Fatal(err)
		}
		claimed := make(chan bool, 1)
		go func() {
			_, ok, err := d.ClaimAlert(t.Context(), limits.AlertClaim{Trip: tr.ID, Receiver: "desk", Now: at, Until: at.Add(time.Minute)})
			if err != nil {
				t.Errorf("claim: %v", err)
			}
			claimed <- ok
		}()
		if err := d.Reset(t.Context(), limits.Reset{Limit: tr.Limit, By: "o", Reason: "why", RequestID: "r", At: at}); err != nil {
			t.Fatal(err)
		}
		open, err := d.OpenAlerts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if ok, seen := <-claimed, open[len(open)-1].Messages[0].Due; ok != seen.After(at) {
			t.Fatalf("the claim was taken: %t; after the reset the message was due at %v, and at %v before", ok, seen, at)
		}
	}
}

func testAlertsOpen(t *testing.T, d Driver) {
	var want []limits.Alert
	for _, limit := range []string{"c", "a", "b"} {
		tr := trip(d, limit)
		if _, err := d.Trip(t.Context(), tr); err != nil {
			t.Fatal(err)
		}
		want = append(want, limits.Alert{Trip: tr, Latched: true})
	}
	check := func(want ...limits.Alert) {
		t.Helper()
		got, err := d.OpenAlerts(t.Context())
		if err != nil || diff(want, got) != "" {
			t.Errorf("%v; alerts (-want +got):\n%s", err, diff(want, got))
		}
	}
	check(want...)
	// A reset doesn't withdraw an alert that nobody has got yet.
	reset := limits.Reset{Limit: "c", By: "o", Reason: "why", RequestID: "r", At: d.Now()}
	ack := limits.Acknowledgement{Limit: "a", By: "olga", At: d.Now()}
	if err := d.AcknowledgeTrip(t.Context(), ack); err != nil {
		t.Fatal(err)
	}
	if err := d.Reset(t.Context(), reset); err != nil {
		t.Fatal(err)
	}
	reset.TripID = want[0].Trip.ID
	want[0].Latched, want[0].Reset, want[1].Ack = false, reset, ack
	check(want...)
	for range 2 {
		if err := d.CloseAlert(t.Context(), want[1].Trip.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.CloseAlert(t.Context(), "unknown"); err != nil {
		t.Error(err)
	}
	d = d.Reopen(t)
	check(want[0], want[2])
	if !load(t, d, "a").Tripped {
		t.Error("a closed alert released the latch")
	}
}
