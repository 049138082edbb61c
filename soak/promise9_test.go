package soak

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
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
	if err := db.QueryRow("SELECT count(*) FROM log").Scan(&n); err != nil {
		return 0, err
	}
	return seq, db.QueryRow("SELECT seq FROM log ORDER BY seq LIMIT 1 OFFSET ?", rng.Int64N(n-1)).Scan(&seq)
}

func flip(db *sql.DB, rng *rand.Rand) (int64, error) {
	seq, err := somewhere(db, rng)
	if err != nil {
		return 0, err
	}
	var record []byte
	if err := db.QueryRow("SELECT data FROM log WHERE seq = ?", seq).Scan(&record); err != nil {
		return 0, err
	}
	record[rng.IntN(len(record))] ^= 1 << rng.IntN(8)
	return seq, changed(db.Exec("UPDATE log SET data = ? WHERE seq = ?", record, seq))
}

func remove(db *sql.DB, rng *rand.Rand) (int64, error) {
	seq, err := somewhere(db, rng)
	if err != nil {
		return 0, err
	}
	return seq, changed(db.Exec("DELETE FROM log WHERE seq = ?", seq))
}

func exchange(db *sql.DB, rng *rand.Rand) (int64, error) {
	seq, err := somewhere(db, rng)
	if err != nil {
		return 0, err
	}
	if err := changed(db.Exec("UPDATE log SET seq = -1 WHERE seq = ?", seq)); err != nil {
		return 0, err
	}
	if err := changed(db.Exec("UPDATE log SET seq = ? WHERE seq = ?", seq, seq+1)); err != nil {
		return 0, err
	}
	return seq, changed(db.Exec("UPDATE log SET seq = ? WHERE seq = -1", seq+1))
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
