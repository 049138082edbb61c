package postgres_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/store/postgres"
)

// span is when something happened at the earliest and at the latest.
type span struct{ from, to time.Time }

// TestRatioOfManyGateways: three gateways with connections of their own approve and decline as fast as they can. At no decline is the
// share of what may have been in its window exceeded by what must have been.
func TestRatioOfManyGateways(t *testing.T) {
	url := initialised(t)
	const window, lasts = time.Second, 4 * time.Second
	def := limits.Definition{
		Name: "ratio", Action: "decline", Window: window,
		Ratio: &limits.Ratio{Denominator: []string{"approve", "decline"}, SharePPM: 200_000, MinCount: 10},
	}
	var mu sync.Mutex
	var approved, declined []span
	var until time.Time
	var parts []func() // of what goes on at once, until then
	for i := range 3 {
		store := open(t, url, postgres.Options{Writer: fmt.Sprint("w", i)})
		gate, err := limits.New(t.Context(), []limits.Definition{def}, store, store.Now(), limits.Options{LeaseFor: 50 * time.Millisecond, Clock: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		answer := func(action string, into *[]span) (released bool) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			from := time.Now()
			v := gate.Acquire(ctx, store.Now(), limits.Answer{Action: action})
			if v.Released {
				mu.Lock()
				*into = append(*into, span{from, time.Now()})
				mu.Unlock()
			}
			return v.Released
		}
		n := 0
		parts = append(parts, func() {
			for time.Now().Before(until) {
				answer("approve", &approved)
				<-time.After(time.Millisecond)
			}
		}, func() {
			for ; time.Now().Before(until); n++ {
				if !answer("decline", &declined) {
					_ = gate.Reset(t.Context(), limits.Reset{Limit: "ratio", By: "olga", Reason: "goes on", RequestID: fmt.Sprint(i, n), At: store.Now()})
				}
			}
		}, func() {
			for time.Now().Before(until) {
				if err := gate.Settle(t.Context(), store.Now()); err != nil {
					t.Error(err)
				}
				<-time.After(50 * time.Millisecond)
			}
		})
	}
	more := 0
	for round := 0; round < 10 && (len(approved) < 100 || more < 10); round++ { // a busy machine gets little done in one
		until = time.Now().Add(lasts)
		var wg sync.WaitGroup
		for _, part := range parts {
			wg.Go(part)
		}
		wg.Wait()
		more = ratioHolds(t, approved, declined, window)
	}
	t.Logf("%d approvals, %d declines, %d of them by grace of the approvals", len(approved), len(declined), more)
	if len(approved) < 100 || more < 10 {
		t.Error("the test tries too little")
	}
}

// ratioHolds wants that no decline had more beside it in its window than the approvals there allow, and answers how many needed them.
func ratioHolds(t *testing.T, approved, declined []span, window time.Duration) (more int) {
	t.Helper()
	for _, d := range declined {
		n, others := int64(1), int64(0)
		for _, one := range declined {
			if one != d && one.from.After(d.to.Add(-window)) && !one.to.After(d.from) {
				n++
			}
		}
		for _, one := range approved {
			if one.to.After(d.from.Add(-window)) && !one.from.After(d.to) {
				others++
			}
		}
		if n > max(2, others/4) {
			t.Errorf("at least %d declines beside at most %d approvals", n, others)
		}
		if n > 2 {
			more++
		}
	}
	return more
}
