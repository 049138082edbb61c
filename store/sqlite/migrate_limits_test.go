package sqlite

import (
	"fmt"
	"testing"

	"github.com/candor-gateway/candor/limits"
)

// Trips of the schema that knew one receiver and one person: what is latched stays latched, what was told isn't told again, what wasn't
// is, and all of it is history.
func TestMigrateLimits(t *testing.T) {
	trip := func(id, limit string, at, delivered int) string {
		return fmt.Sprintf(`INSERT INTO limit_trips (id, limit_name, action, model, consumer, prediction_id, at_us, permits, max_count, window_ns, dry_run, delivered)
			VALUES ('%s', '%s', 'pay', 'm', 'c', '', %d, 5, 5, 1000, 0, %d)`, id, limit, at, delivered)
	}
	path := ofSchema(t, 7,
		trip("told-latched", "a", 10, 1), trip("told-reset", "b", 20, 1), trip("untold-reset", "b", 40, 0),
		`INSERT INTO limit_latches (limit_name, trip_id) VALUES ('a', 'told-latched')`,
		`INSERT INTO limit_resets (limit_name, request_id, author, reason, at_us) VALUES ('b', 'r1', 'ann', 'why', 30), ('b', 'r2', 'ben', 'again', 50)`)
	s := reopen(t, path, Options{})
	states, err := s.Latched(t.Context())
	if err != nil || !states["a"].Tripped || states["a"].Trip.ID != "told-latched" || states["b"].Tripped || states["b"].LastReset.By != "ben" {
		t.Errorf("states %+v, %v", states, err)
	}
	open, err := s.OpenAlerts(t.Context())
	if err != nil || len(open) != 2 {
		t.Fatalf("open alerts %+v, %v; want the latched one and the one that nobody was told of", open, err)
	}
	if a := open[0]; a.Trip.ID != "told-latched" || !a.Latched || len(a.Messages) != 1 || a.Messages[0].Delivered.IsZero() || !a.Messages[0].Due.IsZero() {
		t.Errorf("the latched trip: %+v", a)
	}
	if a := open[1]; a.Trip.ID != "untold-reset" || a.Latched || len(a.Messages) != 0 {
		t.Errorf("the trip that nobody was told of: %+v", a)
	}
	var got []string
	events, err := s.LimitEvents(t.Context(), "b", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		got = append(got, fmt.Sprintf("%s %d %s", e.Event, e.At.UnixMicro(), e.By))
	}
	if want := []string{"LIMIT_EVENT_RESET 50 ben", "LIMIT_EVENT_TRIPPED 40 ", "LIMIT_EVENT_RESET 30 ann", "LIMIT_EVENT_TRIPPED 20 "}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("history %q, want %q", got, want)
	}
	if err := s.Reset(t.Context(), limits.Reset{Limit: "a", By: "ann", Reason: "why", RequestID: "r", At: s.Now()}); err != nil {
		t.Error(err)
	}
}
