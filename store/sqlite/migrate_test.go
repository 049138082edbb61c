package sqlite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/store/storetest"
)

// ofSchema makes a store of an earlier schema, and what the statements put into it.
func ofSchema(t *testing.T, version int64, statements ...string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "candor.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := connectWriter(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := migrator(db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	statements = append([]string{
		`PRAGMA application_id = 1129202770`,
		`INSERT INTO store (one, identity, store_id, created_us) VALUES (1, 'test', 'an id', 1)`,
	}, statements...)
	for _, statement := range statements {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// A store of the first schema is served from after its migration, with what is in it.
func TestMigrateFirstSchema(t *testing.T) {
	path := ofSchema(t, 1,
		`INSERT INTO review_items (id, queue, state, release_state, prediction_id, prediction_row, model, backend, model_version, consumer,
			expected_loss, created_us, deadline_us, on_expire, default_label, unit, body, traceparent, sampling_probability)
			VALUES ('an item', 'q', 1, 1, 'a prediction', 0, 'm', 'b', '1', 'c', 0, 1, 2, 1, '', '', x'', '', 1)`)
	s := reopen(t, path, Options{})
	it, err := s.Get(t.Context(), "an item")
	if err != nil || it.Kind != candorv1.ReviewKind_REVIEW_KIND_DEFERRED || it.Queue != "q" || len(it.Sequences) != 0 {
		t.Errorf("the item: %+v, %v", it, err)
	}
	a := &candorv1.Artefact{
		Name: "x", Scope: &candorv1.ArtefactScope{}, Data: &candorv1.DataSet{}, Body: &candorv1.Artefact_Platt{Platt: &candorv1.Platt{A: 1}},
	}
	if got, err := s.PutArtefact(t.Context(), a); err != nil || got.GetVersion() != 1 {
		t.Errorf("an artefact after the migration: %v, %v", got, err)
	}
}

// What is in the log when runs come is found beside them, in one chain.
func TestMigrateLogBeforeRuns(t *testing.T) {
	id := uuid.Must(uuid.NewV7())
	data, err := audit.Encode(storetest.Accept(id))
	if err != nil {
		t.Fatal(err)
	}
	chain := audit.Chain{Writer: "w"}
	e := chain.Append(data)
	path := ofSchema(t, 15,
		fmt.Sprintf(`INSERT INTO writers (ordinal, name, opened_us, after_writer, after_seq, origin, seq, head) VALUES (1, 'w', 1, 0, 0, zeroblob(32), 1, x'%x')`, e.Hash),
		fmt.Sprintf(`INSERT INTO log (writer, seq, prediction_id, data, hash) VALUES (1, 1, x'%x', x'%x', x'%x')`, id[:], data, e.Hash))
	s := reopen(t, path, Options{Writer: "w"})
	other := uuid.Must(uuid.NewV7())
	if err := s.Enqueue(t.Context(), storetest.Accept(other)); err != nil {
		t.Fatal(err)
	}
	for seq, id := range map[uint64]uuid.UUID{1: id, 2: other} {
		if found, err := s.Find(t.Context(), id.String()); err != nil || found.Seq != seq {
			t.Errorf("%s: %+v, %v; want record %d", id, found, err, seq)
		}
	}
	report, err := s.VerifyLog(t.Context())
	if err != nil || report.Fault() != nil || report.Writers[0].Entries != 2 {
		t.Errorf("verified: %+v, %v", report, err)
	}
}

// Items of the schema before reviews had a whole life go on from where they are, in whatever state.
func TestMigrateReviewItems(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	at := func(minutes int) time.Time { return now.Add(time.Duration(minutes) * time.Minute) }
	body, err := encodeBody(&review.Item{Labels: []string{"a", "b"}, Field: "f", Answers: []*candorv1.StageAnswer{{Stage: "small", Label: "b"}}})
	if err != nil {
		t.Fatal(err)
	}
	said := &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: "a"}, Author: "ann"}
	verdict, err := encodeOptional(said)
	if err != nil {
		t.Fatal(err)
	}
	// state, release, holder, epoch, lease, verdict, request, final, held by, final reason
	ids := map[string]string{}
	var statements []string
	for name, columns := range map[string]string{
		"pending": `1, 1, '', 0, 0, NULL, '', 0, '', 0`,
		"claimed": fmt.Sprintf(`2, 1, 'ann', 3, %d, NULL, '', 0, '', 0`, micros(at(60))),
		"lapsed":  fmt.Sprintf(`2, 1, 'bob', 2, %d, NULL, '', 0, '', 0`, micros(at(-1))),
		"final":   fmt.Sprintf(`3, 2, 'ann', 1, 0, x'%x', 'r', %d, '', 17`, verdict, micros(at(-5))),
		"expired": fmt.Sprintf(`4, 1, '', 1, 0, NULL, '', %d, '', 18`, micros(at(-6))),
		"held":    fmt.Sprintf(`3, 1, 'ann', 1, 0, x'%x', 'r', %d, 'declines', 17`, verdict, micros(at(-7))),
	} {
		id := uuid.Must(uuid.NewV7()).String()
		ids[name] = id
		statements = append(statements, fmt.Sprintf(`INSERT INTO review_items (id, queue, prediction_id, prediction_row, model, backend, model_version,
			consumer, expected_loss, created_us, deadline_us, on_expire, default_label, unit, body, traceparent, sampling_probability, kind,
			state, release_state, holder, epoch, lease_until_us, verdict, verdict_request_id, final_us, held_by, final_reason)
			VALUES ('%s', 'q', '%s', 0, 'm', 'b', '1', 'c', 0, %d, %d, 1, '', '', x'%x', '', 1, 1, %s)`,
			id, uuid.NewString(), micros(at(-60)), micros(at(600)), body, columns),
			fmt.Sprintf(`INSERT INTO review_payloads (item_id, data, sha256) VALUES ('%s', x'', x'00')`, id))
	}
	statements = append(statements, fmt.Sprintf(`INSERT INTO finals (item_id) VALUES ('%s')`, ids["final"]))
	s := reopen(t, ofSchema(t, 4, statements...), Options{})
	ctx := t.Context()
	for name, id := range ids {
		it, err := s.Get(ctx, id)
		if err != nil || it.Field != "f" || len(it.Labels) != 2 || len(it.Answers) != 1 || it.Wanted != 1 || it.Agree != 1 || it.Revision != 1 || it.Payload == nil {
			t.Errorf("%s: %+v, %v", name, it, err)
		}
	}
	minute := func(string) time.Duration { return time.Minute }
	for range 2 {
		it, err := s.Next(ctx, review.Claim{Queue: "q", Holder: "cid", Now: now, LeaseFor: minute})
		if err != nil || it.ID != ids["pending"] && it.ID != ids["lapsed"] {
			t.Errorf("the next: %s, %v", it.ID, err)
		}
	}
	claimed, err := s.Change(ctx, ids["claimed"], review.Resolve{Lease: review.Lease{Holder: "ann", Epoch: 3}, Now: now, Verdict: said, RequestID: "r2"})
	if err != nil || claimed.Verdict.GetWorkTime() != nil || claimed.State != candorv1.ReviewState_REVIEW_STATE_RESOLVED {
		t.Errorf("a verdict under a lease of before: %+v, %v", claimed, err)
	}
	if due, err := s.Due(ctx, at(601), 10); err != nil || len(due) != 3 || due[0].ID != ids["claimed"] {
		t.Errorf("due: %d, %v", len(due), err)
	}
	again, err := s.Change(ctx, ids["final"], review.Resolve{Lease: review.Lease{Holder: "ann", Epoch: 1}, Now: now, Verdict: said, RequestID: "r"})
	if err != nil || !again.Repeated || len(again.Verdicts) != 1 || again.Verdicts[0].GetLabel() != "a" {
		t.Errorf("a request of before: %+v, %v", again, err)
	}
	if _, err := s.Change(ctx, ids["held"], review.LetOut{Now: now}); err != nil {
		t.Errorf("a held answer of before: %v", err)
	}
	newer, err := s.Change(ctx, ids["expired"], review.Supersede{By: "sue", Now: now, Verdict: said, RequestID: "r3"})
	if err != nil || newer.Verdict.GetAuthor() != "sue" {
		t.Errorf("an expired one, superseded: %v, %v", newer.Verdict, err)
	}
	if finals, err := s.Finals(ctx, 0, 10); err != nil || len(finals) != 3 || finals[0].Item.ID != ids["final"] {
		t.Errorf("the feed goes on: %d, %v", len(finals), err)
	}
	if page, err := s.List(ctx, review.Filter{Reviewer: "ann", Limit: 10}); err != nil || len(page.Items) != 3 {
		t.Errorf("ann has judged %d (%v), want 3", len(page.Items), err)
	}
	if given, err := s.Given(ctx, review.GivenFilter{Since: at(-10), Limit: 10}); err != nil || len(given) != 3 || !given[0].At.Equal(at(-7)) {
		t.Errorf("verdicts: %d, %v", len(given), err)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
}
