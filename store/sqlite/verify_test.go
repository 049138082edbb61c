package sqlite_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/store/sqlite"
	"github.com/candor-gateway/candor/store/storetest"
)

// writtenLog has 20 records of writer one, 10 of two, 5 of three and 5 more of one, each in a row of its own.
func writtenLog(t *testing.T) string {
	t.Helper()
	path := initialised(t)
	for _, part := range []struct {
		writer  string
		records int
	}{{"one", 20}, {"two", 10}, {"three", 5}, {"one", 5}} {
		d := open(t, path, sqlite.Options{Writer: part.writer})
		for i := range part.records {
			var err error
			switch {
			case i == 3:
				rec, items := storetest.Deferral(d.Now(), "q", 2)
				err = d.Record(t.Context(), rec, items)
			case i == 4 && part.writer == "two":
				_, err = d.Trip(t.Context(), limits.Trip{ID: "t", Limit: "l", At: d.Now()})
			default:
				err = d.Record(t.Context(), storetest.Accept(uuid.Must(uuid.NewV7())), nil)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := d.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func verifyFile(t *testing.T, path string) audit.VerifyReport {
	t.Helper()
	s, err := sqlite.OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(t.Context())
	report, err := s.VerifyLog(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestVerifyLogOfWhatWasWritten(t *testing.T) {
	report := verifyFile(t, writtenLog(t))
	if f := report.Fault(); f != nil {
		t.Fatal(f)
	}
	want := map[string]uint64{"one": 25, "two": 10, "three": 5}
	heads := map[[32]byte]bool{{}: true}
	for _, w := range report.Writers {
		if w.Entries != want[w.Writer] || heads[w.Head] {
			t.Errorf("writer %s: %d entries, head %x; want %d and a head of its own", w.Writer, w.Entries, w.Head, want[w.Writer])
		}
		heads[w.Head] = true
	}
	if len(report.Writers) != 3 || report.Writers[0].Payloads != 4 {
		t.Errorf("%d writers, %d payloads by the first; want 3 and 4", len(report.Writers), report.Writers[0].Payloads)
	}
}

func TestVerifyLogNamesTampering(t *testing.T) {
	for _, tc := range []struct {
		name   string
		tamper string
		want   string
		kind   audit.FaultKind
	}{
		{"a flipped byte", `UPDATE log SET data = CAST(substr(data, 1, 9) || x'00' || substr(data, 11) AS BLOB) WHERE writer = 1 AND seq = 17`,
			"writer one record 17: ", audit.Altered},
		{"a flipped hash", `UPDATE log SET hash = zeroblob(32) WHERE writer = 2 AND seq = 5`, "writer two record 5: ", audit.Altered},
		{"a hash of another length", `UPDATE log SET hash = CAST(hash || x'00' AS BLOB) WHERE writer = 2 AND seq = 5`,
			"writer two record 5: ", audit.Altered},
		{"deleted", `DELETE FROM log WHERE writer = 1 AND seq = 17`, "writer one record 17: ", audit.Missing},
		{"cut off", `DELETE FROM log WHERE writer = 3 AND seq > 2`, "writer three record 3: ", audit.Truncated},
		{"cut off with its head", `UPDATE writers SET seq = 8, head = (SELECT hash FROM log WHERE writer = 2 AND seq = 8) WHERE ordinal = 2;
			DELETE FROM log WHERE writer = 2 AND seq > 8`, "writer three record 1: ", audit.Unlinked},
		{"reordered", `UPDATE log SET seq = 1000 WHERE writer = 1 AND seq = 6; UPDATE log SET seq = 6 WHERE writer = 1 AND seq = 7;
			UPDATE log SET seq = 7 WHERE writer = 1 AND seq = 1000`, "writer one record 6: ", audit.Altered},
		{"the head moved", `UPDATE writers SET head = zeroblob(32) WHERE ordinal = 3`, "writer three record 5: ", audit.Unrecorded},
		{"a whole writer deleted", `DELETE FROM log WHERE writer = 2; DELETE FROM writers WHERE ordinal = 2`, "writer three record 1: ", audit.Unlinked},
		{"the first writer deleted", `DELETE FROM log WHERE writer = 1; DELETE FROM writers WHERE ordinal = 1`, "writer two record 1: ", audit.Unlinked},
		{"the second writer made the first", `DELETE FROM log WHERE writer = 1; DELETE FROM writers WHERE ordinal = 1;
			UPDATE log SET writer = writer - 1; UPDATE writers SET ordinal = ordinal - 1, after_writer = after_writer - 1`,
			"writer two record 1: ", audit.Unlinked},
		{"a writer's name forged", `UPDATE writers SET name = 'four' WHERE ordinal = 2`, "writer four record 1: ", audit.Altered},
		{"an origin forged", `UPDATE writers SET origin = zeroblob(32) WHERE ordinal = 2`, "writer two record 1: ", audit.Unlinked},
		{"an origin cut", `UPDATE writers SET origin = x'00' WHERE ordinal = 2`, "writer two record 1: ", audit.Unlinked},
		{"a record of nobody", `INSERT INTO log (writer, seq, data, hash) VALUES (9, 1, x'00', zeroblob(32))`, "writer number 9 record 1: ", audit.Unrecorded},
		{"a record before the first", `INSERT INTO log (writer, seq, data, hash) VALUES (1, 0, x'00', zeroblob(32))`, "writer number 1 record 0: ", audit.Unrecorded},
		{"one record more", `INSERT INTO log (writer, seq, data, hash) VALUES (3, 6, x'00', zeroblob(32))`, "writer three record 6: ", audit.Altered},
		{"filed under another prediction", `UPDATE log SET prediction_id = zeroblob(16) WHERE writer = 1 AND seq = 2`, "writer one record 2: ", audit.Altered},
		{"a flipped payload", `UPDATE review_payloads SET data = CAST(data || x'00' AS BLOB) WHERE rowid = 1`, "writer one record 4: ", audit.PayloadAltered},
		{"a payload with a digest that suits it", `UPDATE review_payloads SET data = x'', sha256 = x'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
			WHERE rowid = 2`, "writer one record 4: ", audit.PayloadAltered},
		{"a payload's row deleted", `DELETE FROM review_payloads WHERE rowid = 3`, "writer two record 4: ", audit.PayloadAltered},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := writtenLog(t)
			rawExec(t, path, tc.tamper)
			f := verifyFile(t, path).Fault()
			if f == nil {
				t.Fatal("nobody noticed")
			}
			if f.Kind != tc.kind || !strings.HasPrefix(f.Error(), tc.want) {
				t.Errorf("got kind %d: %v; want kind %d, %q", f.Kind, f, tc.kind, tc.want)
			}
		})
	}
}
