package postgres_test

import (
	"context"
	"errors"
	"iter"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
	"github.com/candor-gateway/candor/store/sqlite"
	"github.com/candor-gateway/candor/store/storetest"
)

// TestMovedConformance runs the tests of the conformance suite that restart their store over stores that begin as a SQLite file and go on
// in PostgreSQL then: whatever survives a restart survives the move.
func TestMovedConformance(t *testing.T) {
	pgtest.Skip(t)
	storetest.RunRestarts(t, func(t *testing.T) storetest.Driver {
		path := sqliteStore(t)
		return leaving{openSQLite(t, path), path}
	})
}

// leaving is a SQLite store whose restart moves it.
type leaving struct {
	*sqlite.Store
	path string
}

func (l leaving) Records(t testing.TB) []*candorv1.Record {
	t.Helper()
	scan, err := l.Scan(t.Context(), time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var out []*candorv1.Record
	for rec, err := range scan.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rec)
	}
	return out
}

func (l leaving) Reopen(t testing.TB) storetest.Driver {
	t.Helper()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	url := pgtest.Database(t)
	if _, err := move(t.Context(), l.path, url); err != nil {
		t.Fatal(err)
	}
	opts := postgres.Options{Writer: "w"}
	return driver{open(t, url, opts), url, opts}
}

func sqliteStore(t testing.TB) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "candor.db")
	if err := sqlite.Init(t.Context(), path, identity); err != nil {
		t.Fatal(err)
	}
	return path
}

func openSQLite(t testing.TB, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, identity, sqlite.Options{Writer: "w"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

// move moves the store at path into the database that url names.
func move(ctx context.Context, path, url string) (done postgres.Imported, err error) {
	from, err := sqlite.OpenExport(ctx, path)
	if err != nil {
		return done, err
	}
	done, err = postgres.Import(ctx, url, from.Export, nil)
	return done, errors.Join(err, from.Close(ctx))
}

// TestMove moves items in every state, a latch and an open lease, and goes on with them.
func TestMove(t *testing.T) {
	url, path := pgtest.Database(t), sqliteStore(t)
	ctx := t.Context()
	old := openSQLite(t, path)
	rec, items := storetest.Deferral(old.Now(), "q", 7)
	items[3].Payload = nil
	if err := old.Record(ctx, rec, items); err != nil {
		t.Fatal(err)
	}
	take := func(id string) review.Item {
		t.Helper()
		it, err := old.Next(ctx, review.Claim{ID: id, Holder: "ann", Now: old.Now(), RequestID: "c-" + id, LeaseFor: func(string) time.Duration { return time.Hour }})
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	verdict := func(it review.Item, window time.Duration, gated *review.Gated) {
		t.Helper()
		now := old.Now()
		_, err := old.Change(ctx, it.ID, review.Resolve{
			Lease: review.Lease{Holder: "ann", Epoch: it.Epoch}, Now: now, Window: window, Verdict: storetest.Verdict("1"), RequestID: "v-" + it.ID,
		})
		if err == nil && gated != nil {
			_, err = old.Change(ctx, it.ID, review.Finalize{Now: now, Gated: *gated})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	claimed := take(items[1].ID)
	verdict(take(items[2].ID), time.Hour, nil)
	verdict(take(items[3].ID), 0, &review.Gated{Release: candorv1.ReleaseState_RELEASE_STATE_RELEASED, Action: "approve"})
	verdict(take(items[4].ID), 0, &review.Gated{Release: candorv1.ReleaseState_RELEASE_STATE_HELD, HeldBy: "declines"})
	if _, err := old.Change(ctx, items[5].ID, review.Withdraw{Now: old.Now(), Verdict: storetest.Verdict("unknown")}); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Change(ctx, items[6].ID, review.Expire{Now: items[6].Deadline, Verdict: storetest.Verdict("unknown")}); err != nil {
		t.Fatal(err)
	}
	trip := limits.Trip{ID: uuid.NewString(), Limit: "declines", Action: "decline", At: old.Now(), Count: 3, MaxCount: 3, Window: time.Hour}
	if _, err := old.Trip(ctx, trip); err != nil {
		t.Fatal(err)
	}
	if err := old.AcknowledgeTrip(ctx, limits.Acknowledgement{Limit: "declines", By: "ann", At: old.Now()}); err != nil {
		t.Fatal(err)
	}
	ask := limits.Ask{Limit: "declines", By: "ann", Reason: "why", RequestID: "r1", At: old.Now(), Expires: old.Now().Add(time.Hour)}
	if err := old.AskReset(ctx, ask); err != nil {
		t.Fatal(err)
	}
	if _, _, err := old.ClaimAlert(ctx, limits.AlertClaim{Trip: trip.ID, Receiver: "desk", Now: old.Now(), Until: old.Now()}); err != nil {
		t.Fatal(err)
	}
	if _, err := move(ctx, path, url); !errors.Is(err, sqlite.ErrLocked) {
		t.Fatalf("while a gateway serves: %v, want %v", err, sqlite.ErrLocked)
	}
	before, was := stateOf(t, old), old.Now()
	fed, err := old.Finals(ctx, 0, 100)
	if err != nil || len(fed) == 0 {
		t.Fatal(len(fed), err)
	}
	if err := old.Close(ctx); err != nil {
		t.Fatal(err)
	}

	done, err := move(ctx, path, url)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range done.Tables {
		if table.Source != table.Arrived {
			t.Errorf("%s: %d of %d rows", table.Name, table.Arrived, table.Source)
		}
	}
	if _, err := move(ctx, path, url); !errors.Is(err, postgres.ErrExists) {
		t.Errorf("a second move: %v, want %v", err, postgres.ErrExists)
	}
	s := open(t, url, postgres.Options{Writer: "another"})
	if diff := cmp.Diff(before, stateOf(t, s), protocmp.Transform(), cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("(-SQLite +PostgreSQL):\n%s", diff)
	}
	if s.Now().Before(was) {
		t.Errorf("the clock went back from %v to %v", was, s.Now())
	}
	if err := finish(ctx, s, claimed, "7"); err != nil {
		t.Errorf("work on a claimed item goes on: %v", err)
	}
	added, err := s.Finals(ctx, fed[len(fed)-1].Position, 100)
	if err != nil || len(added) != 1 || added[0].Item.ID != claimed.ID {
		t.Errorf("the feed after its old end: %d entries, %v; want one", len(added), err)
	}
	if report := verified(t, s); len(report.Writers) != 2 {
		t.Errorf("%d writers, want the old and the new", len(report.Writers))
	}
}

// reader is what both stores can be asked.
type reader interface {
	review.Store
	limits.Store
	Identity() string
	Finals(ctx context.Context, after uint64, limit int) ([]review.Final, error)
	VerifyLog(ctx context.Context) (audit.VerifyReport, error)
	CoinSecret(ctx context.Context) ([]byte, error)
}

// stateOf reads a store by its interfaces.
func stateOf(t *testing.T, s reader) map[string]any {
	t.Helper()
	ctx := t.Context()
	out := map[string]any{"identity": s.Identity()}
	keep := func(what string, v any, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		out[what] = v
	}
	// First: it may make one.
	coin, err := s.CoinSecret(ctx)
	keep("coin", coin, err)
	page, err := s.List(ctx, review.Filter{Limit: 100})
	keep("items", page, err)
	for _, it := range page.Items {
		got, err := s.Get(ctx, it.ID)
		keep("item "+it.ID, got, err)
		events, err := s.Events(ctx, it.ID, 0, 100)
		keep("events "+it.ID, events, err)
	}
	feed, err := s.Finals(ctx, 0, 100)
	keep("finals", feed, err)
	held, err := s.Held(ctx, nil, review.HeldPlace{}, 100)
	keep("held", held, err)
	declared, err := s.Declared(ctx)
	keep("what limits count", declared, err)
	loaded, err := s.Load(ctx)
	keep("limits", loaded, err)
	alerts, err := s.OpenAlerts(ctx)
	keep("alerts", alerts, err)
	history, err := s.LimitEvents(ctx, "declines", 0, 100)
	keep("history", history, err)
	report, err := s.VerifyLog(ctx)
	keep("log", report.Writers[:1], err)
	return out
}

// TestMoveIsAllOrNothing breaks the source after some tables: there is no store, and the next move makes one.
func TestMoveIsAllOrNothing(t *testing.T) {
	url := pgtest.Database(t)
	broken := errors.New("broken")
	src := func(ctx context.Context, each func(string, []string, int64, iter.Seq2[[]any, error]) error) error {
		err := each("store", []string{"one", "identity", "store_id", "created_us"}, 1, func(yield func([]any, error) bool) {
			yield([]any{int64(1), identity, uuid.NewString(), int64(1)}, nil)
		})
		return errors.Join(err, broken)
	}
	_, err := postgres.Import(t.Context(), url, src, nil)
	wantError(t, "a source that breaks", err, broken)
	_, err = postgres.Open(t.Context(), url, identity, postgres.Options{})
	wantError(t, "what it left", err, postgres.ErrMoving)
	short := func(ctx context.Context, each func(string, []string, int64, iter.Seq2[[]any, error]) error) error {
		return each("secrets", []string{"name", "value"}, 2, func(yield func([]any, error) bool) { yield([]any{"a", []byte{}}, nil) })
	}
	_, err = postgres.Import(t.Context(), url, short, nil)
	wantError(t, "a row that is missing", err, postgres.ErrIncomplete)
	more := func(ctx context.Context, each func(string, []string, int64, iter.Seq2[[]any, error]) error) error {
		return each("secrets", []string{"name", "value", "age"}, 1, func(yield func([]any, error) bool) { yield([]any{"a", []byte{}, int64(1)}, nil) })
	}
	if _, err = postgres.Import(t.Context(), url, more, nil); err == nil {
		t.Error("a column without a place was left behind")
	}
	if _, err := move(t.Context(), sqliteStore(t), url); err != nil {
		t.Errorf("after all that: %v", err)
	}
	if s := open(t, url, postgres.Options{}); s.Identity() != identity {
		t.Errorf("identity %q, want %q", s.Identity(), identity)
	}
}
