package postgres_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
	"github.com/candor-gateway/candor/store/storetest"
)

// identity of every test's store.
const identity = "test"

// initialised makes a store in a database of the test's own.
func initialised(t testing.TB) string {
	t.Helper()
	return pgtest.Copy(t, func(url string) error { return postgres.Init(t.Context(), url, identity) })
}

// open opens a store until the test's end.
func open(t testing.TB, url string, opts postgres.Options) *postgres.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, identity, opts)
	if err != nil {
		t.Fatal(err)
	}
	// The test's context has ended by then.
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// connect opens a connection beside the store, until the test's end.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec(t testing.TB, conn *pgx.Conn, statement string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement, args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// long says whether the full size was asked for.
func long() bool { return !testing.Short() && os.Getenv("CANDOR_LONG") == "1" }

// put stores n items in one record.
func put(ctx context.Context, s *postgres.Store, n int) ([]review.Item, error) {
	rec, items := storetest.Deferral(s.Now(), "q", n)
	for i := range items {
		items[i].Payload = nil
	}
	return items, s.Record(ctx, rec, items)
}

// claim takes the next item for an hour.
func claim(ctx context.Context, s *postgres.Store, holder string) (review.Item, error) {
	return s.Next(ctx, review.Claim{Queue: "q", Holder: holder, Now: s.Now(), LeaseFor: func(string) time.Duration { return time.Hour }})
}

// finish answers an item, finally.
func finish(ctx context.Context, s *postgres.Store, it review.Item, label string) error {
	now := s.Now()
	_, err := s.Change(ctx, it.ID, review.Resolve{
		Lease: review.Lease{Holder: it.Holder, Epoch: it.Epoch}, Now: now, Verdict: storetest.Verdict(label), RequestID: uuid.NewString(),
	})
	if err != nil {
		return err
	}
	_, err = s.Change(ctx, it.ID, review.Finalize{Now: now, Gated: review.Gated{Release: candorv1.ReleaseState_RELEASE_STATE_RELEASED}})
	return err
}

// finals reads the whole feed.
func finals(t testing.TB, s *postgres.Store) (out []review.Final) {
	t.Helper()
	for {
		var after uint64
		if len(out) > 0 {
			after = out[len(out)-1].Position
		}
		page, err := s.Finals(t.Context(), after, 500)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			return out
		}
		out = append(out, page...)
	}
}

// verified fails the test unless every chain is what was written.
func verified(t testing.TB, s *postgres.Store) audit.VerifyReport {
	t.Helper()
	report, err := s.VerifyLog(t.Context())
	if err != nil || report.Fault() != nil {
		t.Errorf("the log: %v, %v", report.Fault(), err)
	}
	return report
}

func wantError(t testing.TB, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}
