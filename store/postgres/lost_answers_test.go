package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/candor-gateway/candor/internal/faultproxy"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/storetest"
)

// patience is how long a test waits for what should come, and never does where the test fails.
const patience = 40 * time.Second

// waiting waits until n of the store's sessions wait for somebody's lock, in statements like the pattern. They wait no longer than lockTimeout.
func waiting(t *testing.T, conn *pgx.Conn, n int, pattern string) {
	t.Helper()
	end := time.Now().Add(patience)
	for found := -1; found != n; {
		if time.Now().After(end) {
			t.Fatalf("%d sessions wait in %s, want %d", found, pattern, n)
		}
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'candor' AND wait_event_type = 'Lock' AND query LIKE $1`, pattern).Scan(&found); err != nil {
			t.Fatal(err)
		}
	}
}

// claimNamed claims an item by its id.
func claimNamed(s *postgres.Store, id, holder string) error {
	_, err := s.Next(context.Background(), review.Claim{
		ID: id, Holder: holder, Now: s.Now(), LeaseFor: func(string) time.Duration { return time.Hour },
	})
	return err
}

// gate has whoever stores a row of a table wait while somebody holds the advisory lock of that number.
func gate(t *testing.T, conn *pgx.Conn, table string, number int) {
	t.Helper()
	exec(t, conn, fmt.Sprintf(`CREATE FUNCTION candor.gate%[2]d() RETURNS trigger LANGUAGE plpgsql AS
		'BEGIN PERFORM pg_advisory_xact_lock_shared(%[2]d); RETURN NEW; END';
		CREATE TRIGGER gate BEFORE INSERT ON candor.%[1]s FOR EACH ROW EXECUTE FUNCTION candor.gate%[2]d()`, table, number))
}

// The answers to as many commits as there are connections get lost at once: all are found out about.
func TestAnswersToCommitsLost(t *testing.T) {
	server := initialised(t)
	far, network := behind(t, server)
	s := open(t, far, postgres.Options{MaxConnections: postgres.MinConnections})
	const claims = 2 // MinConnections but for the writer's and the listener's
	items, err := put(t.Context(), s, claims)
	if err != nil {
		t.Fatal(err)
	}
	watcher, holder := connect(t, server), connect(t, server)
	gate(t, watcher, "review_events", 8)
	exec(t, holder, `SELECT pg_advisory_lock(8)`)
	ended := make(chan error, claims)
	for _, it := range items {
		go func() { ended <- claimNamed(s, it.ID, "ann") }()
	}
	// A claim's event is sent along with its commit.
	waiting(t, watcher, claims, `%review_events%`)
	network.Reset()
	exec(t, holder, `SELECT pg_advisory_unlock(8)`)
	for range claims {
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("a claim that was stored: %v", err)
			}
		case <-time.After(patience):
			t.Fatal("nobody finds out whether a claim was stored: every connection is taken by somebody who asks")
		}
	}
	for _, it := range items {
		if found, err := s.Get(t.Context(), it.ID); err != nil || found.Holder != "ann" || found.Epoch != 1 {
			t.Errorf("item %s: held by %q, epoch %d, %v", it.ID, found.Holder, found.Epoch, err)
		}
	}
}

// A commit never came to be, and the answer to the question about it gets lost as well: nobody takes what the question left for the commit.
func TestAnswerToTheQuestionLost(t *testing.T) {
	server := initialised(t)
	far, network := behind(t, server)
	s := open(t, far, postgres.Options{})
	items, err := put(t.Context(), s, 1)
	if err != nil {
		t.Fatal(err)
	}
	watcher, holder, closing := connect(t, server), connect(t, server), connect(t, server)
	gate(t, watcher, "commit_tokens", 7)
	gate(t, watcher, "review_events", 8)
	exec(t, holder, `SELECT pg_advisory_lock(8)`)
	ended := make(chan error, 1)
	go func() { ended <- claimNamed(s, items[0].ID, "ann") }()
	waiting(t, watcher, 1, `%review_events%`)

	// The gate of tokens closes behind the claim, which is ended before its commit.
	closed := make(chan error, 1)
	go func() {
		_, err := closing.Exec(context.Background(), `SELECT pg_advisory_lock(7)`)
		closed <- err
	}()
	for found := 0; found == 0; {
		if err := watcher.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7 AND NOT granted`).Scan(&found); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, watcher, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name = 'candor' AND wait_event_type = 'Lock'`)
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	exec(t, holder, `SELECT pg_advisory_unlock(8)`)
	waiting(t, watcher, 1, `%commit_tokens%`)
	network.Reset()
	exec(t, closing, `SELECT pg_advisory_unlock(7)`)

	select {
	case err = <-ended:
	case <-time.After(patience):
		t.Fatal("the claim never ends")
	}
	found, gerr := s.Get(t.Context(), items[0].ID)
	if gerr != nil || (err == nil) != (found.Holder == "ann") {
		t.Errorf("the claim answered %v; the item is held by %q (%v)", err, found.Holder, gerr)
	}
}

// Another store goes on with the chain while the answer to a commit is lost: whoever waits for it is told that nobody can say, and doesn't wait
// for ever.
func TestShutOutInACommit(t *testing.T) {
	server := initialised(t)
	far, network := behind(t, server)
	s := open(t, far, postgres.Options{Writer: "w"})
	watcher, holder := connect(t, server), connect(t, server)
	rec, items := storetest.Deferral(s.Now(), "q", 1)
	exec(t, holder, `BEGIN`)
	exec(t, holder, `INSERT INTO candor.log (writer, seq, prediction_id, data, hash) VALUES (99, 1, $1, '', '')`, uuid.MustParse(items[0].PredictionID))
	ended := make(chan error, 1)
	go func() { ended <- s.Record(context.Background(), rec, items) }()
	waiting(t, watcher, 1, `%INSERT INTO log%`)
	network.Set(faultproxy.Fault{Refuse: true})
	network.Reset()
	exec(t, holder, `ROLLBACK`)
	heir := open(t, server, postgres.Options{Writer: "w"})
	network.Set(faultproxy.Fault{})
	select {
	case err := <-ended:
		_, ferr := heir.Find(t.Context(), items[0].PredictionID)
		if stored := ferr == nil; err == nil != stored && !errors.Is(err, postgres.ErrUnknown) {
			t.Errorf("the caller is told %v; stored: %t", err, stored)
		}
	case <-time.After(patience):
		t.Error("the caller waits for ever")
	}
	verified(t, heir)
}

// Records that the queue still holds when the store is closed are stored as well, however many failed commits have left behind.
func TestClosedBehind(t *testing.T) {
	url := initialised(t)
	s := open(t, url, postgres.Options{QueueRecords: 4, MaxLinger: time.Millisecond})
	conn := connect(t, url)
	exec(t, conn, `ALTER TABLE candor.log RENAME TO elsewhere`)
	// As many as the store takes: what the writer keeps for another try, and a full queue.
	full, n := context.DeadlineExceeded, uint64(0)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		err := s.Enqueue(ctx, storetest.Accept(uuid.New()))
		cancel()
		if errors.Is(err, full) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	exec(t, conn, `ALTER TABLE candor.elsewhere RENAME TO log`)
	err := s.Close(t.Context())
	if st := s.Stats(); err != nil || st.Committed != n || st.Lost != 0 || st.Queued != 0 {
		t.Errorf("closed with %+v, %v; %d were taken", st, err, n)
	}
}

// A record that is queued is found, also when others' parts of the same commit fail.
func TestFoundBesideAFailure(t *testing.T) {
	url := initialised(t)
	s := open(t, url, postgres.Options{MaxLinger: time.Hour, Writer: "w"})
	known := uuid.New()
	if err := s.Record(t.Context(), storetest.Accept(known), nil); err != nil {
		t.Fatal(err)
	}
	holder, watcher := connect(t, url), connect(t, url)
	for round := range 5 {
		exec(t, holder, `BEGIN`)
		exec(t, holder, `SELECT FROM candor.writers FOR UPDATE`)
		// The writer waits with this one, and everybody else for the writer.
		first := make(chan error, 1)
		go func() { first <- s.Record(context.Background(), storetest.Accept(uuid.New()), nil) }()
		waiting(t, watcher, 1, `%writers%`)
		queued := uuid.New()
		if err := s.Enqueue(t.Context(), storetest.Accept(queued)); err != nil {
			t.Fatal(err)
		}
		twice, found := make(chan error, 1), make(chan error, 1)
		go func() { twice <- s.Record(context.Background(), storetest.Accept(known), nil) }()
		go func() {
			_, err := s.Find(context.Background(), queued.String())
			found <- err
		}()
		for n := 0; n < 2; n = postgres.WaitingJobs(s) {
			time.Sleep(time.Millisecond)
		}
		exec(t, holder, `ROLLBACK`)
		if err := <-first; err != nil {
			t.Error(err)
		}
		if err := <-twice; err == nil {
			t.Error("a prediction is recorded twice")
		}
		if err := <-found; err != nil {
			t.Error(fmt.Errorf("round %d: a record that was queued: %w", round, err))
		}
	}
}

// A transaction of which nobody can say whether it happened isn't done again: its caller would be told what came of the second time.
func TestUnknownIsNotTriedAgain(t *testing.T) {
	starting := &pgconn.PgError{Code: "57P03"}
	if err := fmt.Errorf("commit: %w", starting); !postgres.TriedAgain(err) {
		t.Errorf("%v isn't tried again", err)
	}
	if err := fmt.Errorf("%w: %w", postgres.ErrUnknown, starting); postgres.TriedAgain(err) {
		t.Errorf("%v is tried again", err)
	}
}
