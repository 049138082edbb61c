package postgres_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/store/postgres"
)

// A stop at one store is heard of at another, also by one whose connection was cut meanwhile: then by looking.
func TestLatchesOfOthers(t *testing.T) {
	url := initialised(t)
	here := open(t, url, postgres.Options{Writer: "here"})
	there := open(t, url, postgres.Options{Writer: "there"})
	for _, limit := range []string{"a", "b"} {
		changed := there.LatchesChanged()
		began := time.Now()
		stop := limits.Trip{ID: uuid.NewString(), Limit: limits.StopOfAction(limit), Action: limit, At: here.Now(), By: "olga", Reason: "mad"}
		if first, err := here.Trip(t.Context(), stop); err != nil || !first {
			t.Fatalf("stop: %t, %v", first, err)
		}
		select {
		case <-changed:
			t.Logf("heard after %v", time.Since(began))
		case <-time.After(time.Minute):
			t.Fatal("not heard of")
		}
		if all, err := there.Latched(t.Context()); err != nil || !all[stop.Limit].Tripped {
			t.Errorf("heard of it, and it isn't there: %+v, %v", all, err)
		}
		// The listeners' connections break; both connect again, and look.
		exec(t, connect(t, url), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%max(position) FROM limit_events%'`)
	}
}
