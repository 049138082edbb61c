package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/candor-gateway/candor/limits"
)

var alertTests = []test{
	{"messages are tried until they are taken", testAlertMessages},
	{"of many who claim a message one gets it", testAlertRace},
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
