package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/store/storetest"
)

// packedRecord is a record as it lies in a run.
type packedRecord struct{ data, hash []byte }

// editRun changes the records of the run that has a record; at is where that is.
func editRun(t *testing.T, path string, writer, seq int64, edit func(records []packedRecord, at int) []packedRecord) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var r storedRun
	if err := db.QueryRow(`SELECT first_seq, last_seq, records FROM log_runs WHERE writer = ? AND first_seq <= ?2 AND last_seq >= ?2`, writer, seq).
		Scan(&r.first, &r.last, &r.records); err != nil {
		t.Fatal(err)
	}
	var records []packedRecord
	unpack(r.records, func(data, hash []byte) {
		records = append(records, packedRecord{slices.Clone(data), slices.Clone(hash)})
	})
	out := pack(edit(records, int(seq-r.first)))
	if _, err := db.Exec(`UPDATE log_runs SET records = ? WHERE writer = ? AND last_seq = ?`, out, writer, r.last); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyNamesTamperedRuns(t *testing.T) {
	// 40 records in a run, one alone, 40 in a run.
	write := func(t *testing.T) string {
		s := fresh(t, Options{MaxLinger: time.Hour})
		for i := range 81 {
			put := s.Enqueue
			if i == 40 {
				put = func(ctx context.Context, rec *candorv1.Record) error { return s.Record(ctx, rec, nil) }
			}
			if err := put(t.Context(), storetest.Accept(uuid.Must(uuid.NewV7()))); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		return s.path
	}
	edit := func(seq int64, f func(records []packedRecord, at int) []packedRecord) func(*testing.T, string) {
		return func(t *testing.T, path string) { editRun(t, path, 1, seq, f) }
	}
	statement := func(text string) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			db, err := sql.Open("sqlite", path)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(text); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, tc := range map[string]struct {
		tamper func(*testing.T, string)
		seq    uint64
		kind   audit.FaultKind
	}{
		"nothing": {func(*testing.T, string) {}, 0, 0},
		"a flipped bit": {edit(17, func(r []packedRecord, at int) []packedRecord {
			r[at].data[9] ^= 4
			return r
		}), 17, audit.Altered},
		"a flipped hash": {edit(17, func(r []packedRecord, at int) []packedRecord {
			r[at].hash[31] ^= 1
			return r
		}), 17, audit.Altered},
		"a record deleted": {edit(17, func(r []packedRecord, at int) []packedRecord { return slices.Delete(r, at, at+1) }), 17, audit.Altered},
		"two exchanged": {edit(17, func(r []packedRecord, at int) []packedRecord {
			r[at], r[at+1] = r[at+1], r[at]
			return r
		}), 17, audit.Altered},
		"a record doubled":   {edit(17, func(r []packedRecord, at int) []packedRecord { return slices.Insert(r, at, r[at]) }), 18, audit.Altered},
		"a run's last gone":  {edit(40, func(r []packedRecord, at int) []packedRecord { return r[:at] }), 40, audit.Missing},
		"the last gone":      {edit(81, func(r []packedRecord, at int) []packedRecord { return r[:at] }), 81, audit.Truncated},
		"cut in a hash":      {statement(`UPDATE log_runs SET records = CAST(substr(records, 1, length(records) - 5) AS BLOB) WHERE last_seq = 81`), 81, audit.Altered},
		"emptied":            {statement(`UPDATE log_runs SET records = x'' WHERE last_seq = 40`), 1, audit.Missing},
		"rubbish":            {statement(`UPDATE log_runs SET records = x'ffffffffffffffffffff01' WHERE last_seq = 40`), 1, audit.Altered},
		"a run deleted":      {statement(`DELETE FROM log_runs WHERE last_seq = 40`), 1, audit.Missing},
		"the last run gone":  {statement(`DELETE FROM log_runs WHERE last_seq = 81`), 42, audit.Truncated},
		"a run renumbered":   {statement(`UPDATE log_runs SET first_seq = first_seq + 1 WHERE last_seq = 81`), 42, audit.Missing},
		"a run of nobody":    {statement(`INSERT INTO log_runs VALUES (9, 1, 1, x'', x'', 0, 0, x'')`), 1, audit.Unrecorded},
		"a run before all":   {statement(`INSERT INTO log_runs VALUES (1, 0, 0, x'', x'', 0, 0, x'')`), 0, audit.Unrecorded},
		"found by no id":     {statement(`UPDATE log_runs SET most_id = least_id WHERE last_seq = 40`), 2, audit.Altered},
		"found by too many":  {statement(`UPDATE log_runs SET most_id = x'ffffffffffffffffffffffffffffffff' WHERE last_seq = 40`), 1, audit.Altered},
		"found by other ids": {statement(`UPDATE log_runs SET least_id = x'ffffffffffffffffffffffffffffffff' WHERE last_seq = 40`), 1, audit.Altered},
	} {
		t.Run(name, func(t *testing.T) {
			path := write(t)
			tc.tamper(t, path)
			s, err := OpenReadOnly(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close(t.Context())
			report, err := s.VerifyLog(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			switch f := report.Fault(); {
			case tc.kind == 0 && f != nil:
				t.Error(f)
			case tc.kind != 0 && (f == nil || f.Kind != tc.kind || f.Seq != tc.seq):
				t.Errorf("found %v; want record %d, kind %d", f, tc.seq, tc.kind)
			}
		})
	}
}
