package postgres_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/storetest"
)

// A queued record that the log has already is dropped and counted, whoever stored it, and takes no other along.
func TestQueuedTwice(t *testing.T) {
	all := stores(t, 2)
	id := uuid.New()
	if err := all[0].Record(t.Context(), storetest.Accept(id), nil); err != nil {
		t.Fatal(err)
	}
	good := []uuid.UUID{uuid.New(), uuid.New()}
	for _, queued := range []uuid.UUID{good[0], id, good[1], good[1]} {
		if err := all[1].Enqueue(t.Context(), storetest.Accept(queued)); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range good {
		if _, err := all[1].Find(t.Context(), id.String()); err != nil {
			t.Error(err)
		}
	}
	if st := all[1].Stats(); st.Refused != 2 || st.Committed != 2 || st.Queued != 0 {
		t.Errorf("%+v; want 2 refused, 2 committed", st)
	}
	verified(t, all[0])
}

// A full queue makes callers wait until their contexts end, and goes on when the store can.
func TestFullQueue(t *testing.T) {
	url := initialised(t)
	s := open(t, url, postgres.Options{QueueRecords: 4, MaxLinger: time.Hour, Writer: "w"})
	conn := connect(t, url)
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// Somebody holds what every batch needs.
	if _, err := tx.Exec(t.Context(), `SELECT * FROM candor.writers FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	// The writer takes the first four and waits; four more fill the queue.
	stored := map[uuid.UUID]bool{}
	for range 8 {
		id := uuid.New()
		if err := s.Enqueue(t.Context(), storetest.Accept(id)); err != nil {
			t.Fatal(err)
		}
		stored[id] = true
	}
	if n := s.Stats().Queued; n != 8 {
		t.Errorf("%d records are queued; want 4 that the writer has and a full queue of 4", n)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	refused := uuid.New()
	stored[refused] = false
	wantError(t, "Enqueue", s.Enqueue(ended, storetest.Accept(refused)), context.Canceled)
	var wg sync.WaitGroup
	late := uuid.New()
	stored[late] = true
	wg.Go(func() {
		if err := s.Enqueue(t.Context(), storetest.Accept(late)); err != nil {
			t.Errorf("the one that waits: %v", err)
		}
	})
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	for id, want := range stored {
		if _, err := s.Find(t.Context(), id.String()); (err == nil) != want {
			t.Errorf("found: %v; accepted: %t", err, want)
		}
	}
}

// What the writer has in hand is queued until it is stored, also to the one who gives up waiting for that.
func TestClosedInTheMiddle(t *testing.T) {
	url := initialised(t)
	s := open(t, url, postgres.Options{QueueRecords: 4, MaxLinger: time.Hour, Writer: "w"})
	tx, err := connect(t, url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT * FROM candor.writers FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	// The fifth has room when the writer has taken the others, and not before.
	for range 5 {
		if err := s.Enqueue(t.Context(), storetest.Accept(uuid.New())); err != nil {
			t.Fatal(err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ended); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), ": 5 records still queued") {
		t.Errorf("Close gave up with %v; want 5 records still queued", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if st := s.Stats(); st.Queued != 0 || st.Committed != 5 || st.Lost != 0 {
		t.Errorf("closed with %+v; want 5 committed", st)
	}
}

func TestClosed(t *testing.T) {
	s := open(t, initialised(t), postgres.Options{MaxLinger: time.Hour})
	id := uuid.New()
	if err := s.Enqueue(t.Context(), storetest.Accept(id)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if st := s.Stats(); st.Committed != 1 || st.Lost != 0 {
		t.Errorf("closed with %+v", st)
	}
	wantError(t, "Record", s.Record(t.Context(), storetest.Accept(uuid.New()), nil), postgres.ErrClosed)
	wantError(t, "Enqueue", s.Enqueue(t.Context(), storetest.Accept(uuid.New())), postgres.ErrClosed)
	_, err := s.PinEnsemble(t.Context(), "e", "1", "aa")
	wantError(t, "PinEnsemble", err, postgres.ErrClosed)
}

// What a model server says can't keep a decision from being stored.
func TestNUL(t *testing.T) {
	s := open(t, initialised(t), postgres.Options{})
	id := uuid.New()
	rec := storetest.Accept(id)
	rec.GetPrediction().Stages[0].Version = "3\x00"
	if err := s.Enqueue(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	found, err := s.Find(t.Context(), id.String())
	if err != nil || found.Record.GetPrediction().GetStages()[0].GetVersion() != "3\x00" {
		t.Errorf("found %v, %v", found.Record, err)
	}
	sum, err := s.Summarize(t.Context(), audit.Query{
		Since: s.Now().Add(-time.Hour), Until: s.Now().Add(time.Hour), By: []candorv1.GroupBy{candorv1.GroupBy_GROUP_BY_VERSION},
	})
	if err != nil || len(sum.Groups) != 1 || sum.Groups[0].Keys[0] != "3\uFFFD" {
		t.Errorf("counted %+v, %v", sum, err)
	}
}

// Every way of changing the log is seen.
func TestTampering(t *testing.T) {
	url := initialised(t)
	conn := connect(t, url)
	for _, w := range []string{"a", "b"} {
		s := open(t, url, postgres.Options{Writer: w})
		for range 3 {
			rec, items := storetest.Deferral(s.Now(), "q", 1)
			if err := s.Record(t.Context(), rec, items); err != nil {
				t.Fatal(err)
			}
		}
		verified(t, s)
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s, err := postgres.OpenReadOnly(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background()) //nolint:errcheck // it only reads
	for _, tc := range []struct{ name, table, statement string }{
		{"a changed byte", "log", `UPDATE candor.log SET data = set_byte(data, 0, get_byte(data, 0) # 1) WHERE writer = 1 AND seq = 2`},
		{"a record gone", "log", `DELETE FROM candor.log WHERE writer = 1 AND seq = 2`},
		{"the last one gone", "log", `DELETE FROM candor.log WHERE writer = 2 AND seq = 3`},
		{"another prediction", "log", `UPDATE candor.log SET prediction_id = gen_random_uuid() WHERE writer = 2 AND seq = 1`},
		{"a record of no writer", "log", `INSERT INTO candor.log (writer, seq, data, hash) VALUES (9, 1, '', '')`},
		{"a writer gone", "writers", `DELETE FROM candor.writers WHERE ordinal = 1`},
		{"the last writer gone", "writers", `DELETE FROM candor.writers WHERE ordinal = 2`},
		{"a head moved back", "writers", `UPDATE candor.writers SET seq = 2 WHERE ordinal = 2`},
		{"another payload", "review_payloads", `UPDATE candor.review_payloads SET data = '\x00'`},
		{"a payload's digest gone", "review_payloads", `DELETE FROM candor.review_payloads`},
	} {
		exec(t, conn, `CREATE TABLE public.kept AS SELECT * FROM candor.`+tc.table)
		exec(t, conn, tc.statement)
		if report, err := s.VerifyLog(t.Context()); err != nil || report.Fault() == nil {
			t.Errorf("%s isn't seen (%v)", tc.name, err)
		}
		exec(t, conn, `DELETE FROM candor.`+tc.table)
		exec(t, conn, `INSERT INTO candor.`+tc.table+` SELECT * FROM public.kept`)
		exec(t, conn, `DROP TABLE public.kept`)
		verified(t, s)
	}
}
