package soak

import (
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	_ "modernc.org/sqlite"
)

// TestPromise9TamperEvident: whoever flips, deletes or reorders a record of the decision log is found by the offline verifier, and
// the record is named.
func TestPromise9TamperEvident(t *testing.T) {
	f := promise(t, 9, "tamper-evident",
		"a gateway writes decisions and is stopped; on copies of its store one record is changed by a bit, deleted, or exchanged with its neighbour")
	model := modelServer(t, "primary")
	g := serve(t, `
listen: {grpc: "127.0.0.1:0", http: "127.0.0.1:0"}
store: {identity: soak, sqlite: {path: candor.db}}
consumers: {anyone: {identity: {anonymous: true}, models: ["*"]}}
backends:`+backendConfig("primary", model.Addr(), "")+`
models:
  fraud:
    primary: primary
    policy:
      mode: enforce
      accept: {threshold: {probability: 0.9}}
      review: {queue: desk, on_expire: reject}
      answers: [{output: probabilities, fill: scores}]
queues: {desk: {description: soak}}
`)
	conn := g.dial()
	each(500, 4, func(i int) {
		req := sure()
		if i%10 == 0 {
			req = unsure() // deferred: an error for who doesn't ask, and a record all the same
		}
		_, _, _ = infer(conn, req, patience)
	})
	g.stop()
	whole := filepath.Join(g.folder, "candor.db")
	if out, err := candor("audit", "verify", "--data-dir", g.folder); err != nil {
		t.Fatalf("before anything was touched: %v\n%s", err, out)
	}
	rng := rand.New(rand.NewPCG(9, 9))
	kinds := []struct {
		name   string
		tamper func(db *sql.DB, rng *rand.Rand) (seq int64, err error)
	}{{"one bit flipped", flip}, {"one record deleted", remove}, {"two neighbours exchanged", exchange}}
	tries := 3 * scaled(100)
	for i := range tries {
		kind := kinds[i%len(kinds)]
		folder := t.TempDir()
		data, err := os.ReadFile(whole)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "candor.db"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("sqlite", filepath.Join(folder, "candor.db"))
		if err != nil {
			t.Fatal(err)
		}
		seq, err := kind.tamper(db, rng)
		if err != nil {
			t.Fatalf("%s: %v", kind.name, err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		out, err := candor("audit", "verify", "--data-dir", folder)
		switch {
		case err == nil:
			t.Errorf("%s, record %d: the verifier found nothing", kind.name, seq)
		case !named(out, seq):
			t.Errorf("%s, record %d: the verifier names something else:\n%s", kind.name, seq, out)
		}
	}
	f.say("copies with one record touched, all found", "%d: a third each of %s, %s, %s", tries, kinds[0].name, kinds[1].name, kinds[2].name)
}

var numbers = regexp.MustCompile(`\d+`)

// named says whether the verifier speaks of the record, or of the one after it, which a deletion is seen at.
func named(out string, seq int64) bool {
	for _, n := range numbers.FindAllString(out, -1) {
		if v, err := strconv.ParseInt(n, 10, 64); err == nil && (v == seq || v == seq+1) {
			return true
		}
	}
	return false
}

// somewhere is the number of a record that isn't the last.
func somewhere(db *sql.DB, rng *rand.Rand) (seq int64, err error) {
	var n int64
	err = db.QueryRow("SELECT seq FROM writers").Scan(&n)
	return 1 + rng.Int64N(max(1, n-1)), err
}

func flip(db *sql.DB, rng *rand.Rand) (int64, error) {
	seq, err := somewhere(db, rng)
	if err != nil {
		return 0, err
	}
	return seq, edit(db, seq, 1, func(records []kept) []kept {
		data := records[0].data
		data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
		return records
	})
}

func remove(db *sql.DB, rng *rand.Rand) (int64, error) {
	seq, err := somewhere(db, rng)
	if err != nil {
		return 0, err
	}
	return seq, edit(db, seq, 1, func(records []kept) []kept { return records[1:] })
}

func exchange(db *sql.DB, rng *rand.Rand) (int64, error) {
	for {
		seq, err := somewhere(db, rng)
		if err != nil {
			return 0, err
		}
		err = edit(db, seq, 2, func(records []kept) []kept {
			records[0], records[1] = records[1], records[0]
			return records
		})
		if !errors.Is(err, errApart) {
			return seq, err
		}
	}
}

// kept is a record of the log, with its hash.
type kept struct{ data, hash []byte }

// errApart: neighbours don't lie in the same place, a run of plain accepts or the rows of the others.
var errApart = errors.New("the records lie in different places")

// edit changes the records from a number on, n of them, where they lie.
func edit(db *sql.DB, seq int64, n int, change func([]kept) []kept) error {
	var first, last int64
	var packed []byte
	err := db.QueryRow("SELECT first_seq, last_seq, records FROM log_runs WHERE first_seq <= ?1 AND last_seq >= ?1", seq).Scan(&first, &last, &packed)
	if errors.Is(err, sql.ErrNoRows) {
		return editRows(db, seq, n, change)
	}
	if err != nil {
		return err
	}
	if seq+int64(n)-1 > last {
		return errApart
	}
	var records []kept
	for len(packed) > 0 {
		size, w := binary.Uvarint(packed)
		end := w + int(size)
		records = append(records, kept{packed[w:end:end], packed[end : end+sha256.Size : end+sha256.Size]})
		packed = packed[end+sha256.Size:]
	}
	at := int(seq - first)
	var out []byte
	for _, r := range slices.Concat(records[:at], change(slices.Clone(records[at:at+n])), records[at+n:]) {
		out = binary.AppendUvarint(out, uint64(len(r.data)))
		out = append(append(out, r.data...), r.hash...)
	}
	return changed(db.Exec("UPDATE log_runs SET records = ? WHERE last_seq = ?", out, last))
}

// editRows is edit for records with rows of their own.
func editRows(db *sql.DB, seq int64, n int, change func([]kept) []kept) error {
	var records []kept
	for i := range int64(n) {
		var r kept
		err := db.QueryRow("SELECT data, hash FROM log WHERE seq = ?", seq+i).Scan(&r.data, &r.hash)
		if errors.Is(err, sql.ErrNoRows) {
			return errApart
		}
		if err != nil {
			return err
		}
		records = append(records, r)
	}
	after := change(records)
	if len(after) < n {
		return changed(db.Exec("DELETE FROM log WHERE seq = ?", seq))
	}
	for i, r := range after {
		if err := changed(db.Exec("UPDATE log SET data = ?, hash = ? WHERE seq = ?", r.data, r.hash, seq+int64(i))); err != nil {
			return err
		}
	}
	return nil
}

// changed wants that one row was.
func changed(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n != 1 {
		return fmt.Errorf("%d rows were changed: %v", n, err)
	}
	return nil
}
