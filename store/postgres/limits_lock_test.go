package postgres_test

import (
	"testing"
	"time"

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
	for waited := time.Duration(0); waited <= limits.WallsAgree; {
		var us int64
		if err := watcher.QueryRow(t.Context(), `SELECT coalesce(max(extract(epoch FROM clock_timestamp() - state_change) * 1000000), 0)::bigint
			FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&us); err != nil {
			t.Fatal(err)
		}
		waited = time.Duration(us) * time.Microsecond
	}
	held := time.Now()
	exec(t, holder, `COMMIT`)
	if a := <-answers; a.err != nil || a.Count != 1 || a.Seen.Asked.Before(held) || a.Seen.Answered.Before(a.Seen.Asked) {
		t.Errorf("held until %v, answered %+v, %v", held, a.Grant, a.err)
	}
}
