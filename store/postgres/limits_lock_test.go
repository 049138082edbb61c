package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/store/postgres"
)

// TestSightingAfterTheLock: what a gateway learns of a limit's time dates from when it had the limit's row, however long it had waited for that.
func TestSightingAfterTheLock(t *testing.T) {
	server := initialised(t)
	s := open(t, server, postgres.Options{})
	request := limits.LeaseRequest{
		Lease: limits.Lease{Limit: "a", Count: 1, From: time.Unix(1, 0), Until: time.Unix(2, 0)}, Need: 1, Max: 10, Window: time.Minute, Clock: time.Now,
	}
	if _, err := s.Lease(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	holder, watcher := connect(t, server), connect(t, server)
	exec(t, holder, `BEGIN`)
	exec(t, holder, `SELECT FROM candor.limit_accounts WHERE limit_name = 'a' FOR UPDATE`)
	type answer struct {
		limits.Grant
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		g, err := s.Lease(t.Context(), request)
		answers <- answer{g, err}
	}()
	waitsForLock(t, watcher, limits.WallsAgree)
	held := time.Now()
	exec(t, holder, `COMMIT`)
	if a := <-answers; a.err != nil || a.Count != 1 || a.Seen.Asked.Before(held) || a.Seen.Answered.Before(a.Seen.Asked) {
		t.Errorf("held until %v, answered %+v, %v", held, a.Grant, a.err)
	}
}

// TestLatchAfterTheLock: a limit that trips while a gateway waits for its row grants nothing.
func TestLatchAfterTheLock(t *testing.T) {
	server := initialised(t)
	s, other := open(t, server, postgres.Options{}), open(t, server, postgres.Options{})
	request := limits.LeaseRequest{Lease: limits.Lease{Limit: "a", Count: 1, From: time.Unix(1, 0), Until: time.Unix(2, 0)}, Need: 1, Max: 10, Window: time.Minute}
	if _, err := s.Lease(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	holder, watcher := connect(t, server), connect(t, server)
	exec(t, holder, `BEGIN`)
	exec(t, holder, `SELECT FROM candor.limit_accounts WHERE limit_name = 'a' FOR UPDATE`)
	granted := make(chan limits.Grant, 1)
	go func() {
		g, err := s.Lease(t.Context(), request)
		if err != nil {
			t.Error(err)
		}
		granted <- g
	}()
	waitsForLock(t, watcher, 0)
	trip := limits.Trip{ID: "t", Limit: "a", Action: "decline", At: other.Now(), Count: 10, MaxCount: 10, Window: time.Minute}
	if _, err := other.Trip(t.Context(), trip); err != nil {
		t.Fatal(err)
	}
	exec(t, holder, `COMMIT`)
	if g := <-granted; g.Count != 0 || !g.Tripped || g.Trip.ID != "t" {
		t.Errorf("after the trip: %+v", g)
	}
}

// waitsForLock returns when a connection has waited for a lock for longer than that.
func waitsForLock(t *testing.T, watcher *pgx.Conn, than time.Duration) {
	t.Helper()
	for waited := time.Duration(0); waited <= than; {
		var us int64
		if err := watcher.QueryRow(t.Context(), `SELECT coalesce(max(extract(epoch FROM clock_timestamp() - state_change) * 1000000), 0)::bigint
			FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&us); err != nil {
			t.Fatal(err)
		}
		waited = time.Duration(us) * time.Microsecond
	}
}
