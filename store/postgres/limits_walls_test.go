package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/store/postgres"
)

// TestWallClocksApart: three gateways with a store each on one server, whose wall clocks are apart by seconds and an hour, find that
// out, and then nothing trips of less than is allowed.
func TestWallClocksApart(t *testing.T) {
	const (
		window, most = 4 * time.Second, 60
		// pace leaves a fifth of what is allowed, and sleeping too long only adds to it.
		pace = window * 5 / (4 * most)
		// lease is longer than a busy server takes to grant it. A release counts for as much longer, which is half of the fifth.
		lease = window / 10
	)
	server := initialised(t)
	def := limits.Definition{Name: "declines", Action: "decline", MaxCount: most, Window: window}
	var stores []*postgres.Store
	var gates []*limits.Gate
	for _, ahead := range []time.Duration{0, -3 * time.Second, time.Hour} {
		s := open(t, server, postgres.Options{})
		g, err := limits.New(t.Context(), []limits.Definition{def}, s, s.Now(), limits.Options{
			LeaseFor: lease, MaxLease: 1, Clock: func() time.Time { return time.Now().Add(ahead) },
		})
		if err != nil {
			t.Fatal(err)
		}
		stores, gates = append(stores, s), append(gates, g)
	}
	asks := func(i int) limits.Verdict {
		t.Helper()
		time.Sleep(pace)
		patient, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		v := gates[i].Acquire(patient, stores[i].Now(), limits.Answer{Action: "decline"})
		if v.Unavailable {
			t.Fatalf("%+v", v)
		}
		return v
	}
	again := func(v limits.Verdict) {
		t.Helper()
		err := gates[0].Reset(t.Context(), limits.Reset{Limit: def.Name, By: "test", Reason: "goes on", RequestID: v.Trips[0].ID, At: stores[0].Now()})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range gates {
			if err := g.Follow(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	knows := func(g *limits.Gate) bool {
		return g.WallsApart() > 59*time.Minute || g == gates[1] && g.WallsApart() > 2*time.Second
	}
	trips := 0
	for i, end := 0, time.Now().Add(3*time.Minute); i < 2*most || !knows(gates[0]) || !knows(gates[1]) || !knows(gates[2]); i++ {
		if time.Now().After(end) {
			t.Fatalf("in three minutes they have found %v, %v and %v", gates[0].WallsApart(), gates[1].WallsApart(), gates[2].WallsApart())
		}
		// In turns, and not always in the same, so that each asks after each.
		if v := asks((i + i/3*i) % 3); !v.Released {
			trips++
			again(v)
		}
	}
	for i, g := range gates {
		if voided := g.States(stores[i].Now())[0].Voided; voided < 1 {
			t.Errorf("gateway %d has made void what others know, and has counted %d", i, voided)
		}
	}
	t.Logf("%d trips until they knew: %v, %v and %v", trips, gates[0].WallsApart(), gates[1].WallsApart(), gates[2].WallsApart())
	for i := range 4 * most {
		if v := asks(i % 3); !v.Released {
			t.Fatalf("answer %d, every %v: %+v", i, pace, v)
		}
	}

	// A gateway of before wall_by whose clock is right asks after the one that is an hour ahead, and then one that knows that one, but nothing of
	// the time.
	for v := asks(2); !v.Released; v = asks(2) {
		again(v)
	}
	db := connect(t, server)
	exec(t, db, `UPDATE candor.limit_accounts SET born_us = born_us + 1, wall_us = wall_us - 3600000000`)
	born := func() (us int64) {
		t.Helper()
		if err := db.QueryRow(t.Context(), `SELECT born_us FROM candor.limit_accounts`).Scan(&us); err != nil {
			t.Fatal(err)
		}
		return us
	}
	before := born()
	if asks(0); born() != before {
		t.Error("it takes the wall clock for that of another gateway")
	}
}
