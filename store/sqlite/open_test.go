package sqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/store/sqlite"
	"github.com/candor-gateway/candor/store/storetest"
)

// raw opens the file behind the store's back.
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func rawExec(t testing.TB, path, query string, args ...any) {
	t.Helper()
	db := raw(t, path)
	defer db.Close()
	if _, err := db.Exec(query, args...); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, tc := range []struct {
		name   string
		path   func(t *testing.T) string
		want   error
		remedy string
	}{
		{"nothing", func(t *testing.T) string { return filepath.Join(t.TempDir(), "none.db") }, sqlite.ErrAbsent, "candor init --config"},
		{"a folder", func(t *testing.T) string { return t.TempDir() }, sqlite.ErrNotStore, "folder"},
		{"text", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "text")
			if err := os.WriteFile(path, []byte(strings.Repeat("no database ", 100)), 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}, sqlite.ErrNotStore, "name the store's file"},
		{"an empty file, as an interrupted init leaves it", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "empty")
			if err := os.WriteFile(path, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			return path
		}, sqlite.ErrNotStore, "run it again"},
		{"somebody else's database", func(t *testing.T) string {
			path := filepath.Join(t.TempDir(), "other.db")
			rawExec(t, path, `CREATE TABLE store (identity TEXT)`)
			return path
		}, sqlite.ErrNotStore, "name the store's file"},
		{"an init that was interrupted late", func(t *testing.T) string {
			path := initialised(t)
			rawExec(t, path, `DELETE FROM store`)
			return path
		}, sqlite.ErrNotStore, "run it again"},
		{"another gateway's store", func(t *testing.T) string {
			path := initialised(t)
			rawExec(t, path, `UPDATE store SET identity = 'staging'`)
			return path
		}, sqlite.ErrForeign, `"staging"`},
		{"a newer schema", func(t *testing.T) string {
			path := initialised(t)
			rawExec(t, path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`)
			return path
		}, sqlite.ErrNewer, "newer version of candor"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := tc.path(t)
			before, _ := os.ReadFile(path)
			_, err := sqlite.Open(t.Context(), path, identity, sqlite.Options{})
			var open *sqlite.OpenError
			if !errors.As(err, &open) || !errors.Is(err, tc.want) {
				t.Fatalf("got %v; want %v", err, tc.want)
			}
			if !strings.Contains(open.Remedy, tc.remedy) || !strings.Contains(err.Error(), path) {
				t.Errorf("%q doesn't say %q and the path", err, tc.remedy)
			}
			if after, _ := os.ReadFile(path); tc.want == sqlite.ErrNotStore && string(after) != string(before) {
				t.Error("a file that isn't ours was changed")
			}
		})
	}
}

func TestInit(t *testing.T) {
	made := func() string {
		path := filepath.Join(t.TempDir(), "candor.db")
		if err := sqlite.Init(t.Context(), path, identity); err != nil {
			t.Fatal(err)
		}
		return path
	}
	path := made()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v); want 0600", info.Mode(), err)
	}
	err = sqlite.Init(t.Context(), path, identity)
	if !errors.Is(err, sqlite.ErrExists) || !strings.Contains(err.Error(), "latch") {
		t.Errorf("a second init: %v; want ErrExists with the reason", err)
	}
	first, second := open(t, path, sqlite.Options{}), open(t, made(), sqlite.Options{})
	if first.Identity() != identity || uuid.Validate(first.ID()) != nil || first.ID() == second.ID() {
		t.Errorf("identity %q, ids %q and %q", first.Identity(), first.ID(), second.ID())
	}
	if err := sqlite.Init(t.Context(), filepath.Join(t.TempDir(), "x"), ""); err == nil || !strings.Contains(err.Error(), "store.identity") {
		t.Errorf("no identity: %v", err)
	}
	blocked := filepath.Join(path, "below-a-file.db")
	if err := sqlite.Init(t.Context(), blocked, identity); err == nil || !strings.Contains(err.Error(), blocked) {
		t.Errorf("a folder that can't be made: %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	half := filepath.Join(t.TempDir(), "half.db")
	if err := sqlite.Init(cancelled, half, identity); err == nil {
		t.Error("an init whose context had ended succeeded")
	}
	if err := sqlite.Init(t.Context(), half, identity); err != nil {
		t.Errorf("init after one that failed: %v", err)
	}
}

// A path may hold what means something in a URI.
func TestStrangePath(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder", `what?mode=ro&x=1#50%20 ü.db`)
	if err := sqlite.Init(t.Context(), path, identity); err != nil {
		t.Fatal(err)
	}
	d := open(t, path, sqlite.Options{})
	if err := d.Record(t.Context(), storetest.Accept(uuid.Must(uuid.NewV7())), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

func TestOneServes(t *testing.T) {
	path := initialised(t)
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	first := open(t, path, sqlite.Options{})
	for _, p := range []string{path, link} {
		_, err := sqlite.Open(t.Context(), p, identity, sqlite.Options{})
		if !errors.Is(err, sqlite.ErrLocked) || !strings.Contains(err.Error(), "stop the other candor serve") {
			t.Errorf("a second Open by %s: %v; want ErrLocked with the remedy", p, err)
		}
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	open(t, link, sqlite.Options{})
}

func TestReadOnly(t *testing.T) {
	path := initialised(t)
	d := open(t, path, sqlite.Options{})
	rec, items := storetest.Deferral(d.Now(), "q", 1)
	if err := d.Record(t.Context(), rec, items); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		ro, err := sqlite.OpenReadOnly(t.Context(), path)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		defer func() {
			if err := ro.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}()
		if _, err := ro.Find(t.Context(), items[0].PredictionID); err != nil {
			t.Errorf("%s: Find: %v", when, err)
		}
		if page, err := ro.List(t.Context(), review.Filter{Limit: 5}); err != nil || len(page.Items) != 1 {
			t.Errorf("%s: List: %v, %v", when, page, err)
		}
		if report, err := ro.VerifyLog(t.Context()); err != nil || report.Fault() != nil || len(report.Writers) != 1 {
			t.Errorf("%s: VerifyLog: %+v, %v", when, report, err)
		}
		if ro.Now().Before(items[0].Created) {
			t.Errorf("%s: its clock is behind the store", when)
		}
		for name, err := range map[string]error{
			"Record":  ro.Record(t.Context(), storetest.Accept(uuid.New()), nil),
			"Enqueue": ro.Enqueue(t.Context(), storetest.Accept(uuid.New())),
			"Reset":   ro.Reset(t.Context(), limits.Reset{Limit: "l", By: "b", Reason: "r", RequestID: "i"}),
		} {
			if !errors.Is(err, sqlite.ErrReadOnly) {
				t.Errorf("%s: %s: %v; want ErrReadOnly", when, name, err)
			}
		}
	}
	check("beside the one that serves")
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("alone")
	rawExec(t, path, `UPDATE goose_db_version SET version_id = 0 WHERE version_id > 0`)
	if _, err := sqlite.OpenReadOnly(t.Context(), path); !errors.Is(err, sqlite.ErrOlder) {
		t.Errorf("an older schema: %v; want ErrOlder", err)
	}
	rawExec(t, path, `UPDATE goose_db_version SET version_id = 999 WHERE id = (SELECT max(id) FROM goose_db_version)`)
	if _, err := sqlite.OpenReadOnly(t.Context(), path); !errors.Is(err, sqlite.ErrNewer) {
		t.Errorf("a newer schema: %v; want ErrNewer", err)
	}
}

func TestClosed(t *testing.T) {
	d := open(t, initialised(t), sqlite.Options{})
	for range 2 {
		if err := d.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Record(t.Context(), storetest.Accept(uuid.New()), nil); !errors.Is(err, sqlite.ErrClosed) {
		t.Errorf("Record: %v; want ErrClosed", err)
	}
	if err := d.Enqueue(t.Context(), storetest.Accept(uuid.New())); !errors.Is(err, sqlite.ErrClosed) {
		t.Errorf("Enqueue: %v; want ErrClosed", err)
	}
	if _, err := d.Find(t.Context(), uuid.NewString()); err == nil {
		t.Error("Find answered")
	}
}

func TestRetention(t *testing.T) {
	path := initialised(t)
	d := open(t, path, sqlite.Options{})
	now := d.Now()
	const n = 150 // several batches
	rec, items := storetest.Deferral(now, "q", n+1)
	for i := range items {
		items[i].Payload.Tensors[0].Texts = [][]byte{[]byte("a secret that has to go")}
	}
	if err := d.Record(t.Context(), rec, items); err != nil {
		t.Fatal(err)
	}
	for _, it := range items[:n] {
		held, err := d.Next(t.Context(), review.Claim{ID: it.ID, Holder: "ann", Now: now, LeaseFor: func(string) time.Duration { return time.Hour }})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := storetest.Finish(t.Context(), d, it.ID, attempt(it.ID, "ann", held.Epoch, "1", now), released); err != nil {
			t.Fatal(err)
		}
	}
	const age = 24 * time.Hour
	sweep := func(at time.Time, want int64) {
		t.Helper()
		if got, err := d.Sweep(t.Context(), at, age); err != nil || got != want {
			t.Errorf("removed %d (%v), want %d", got, err, want)
		}
	}
	sweep(now.Add(age-time.Microsecond), 0)
	sweep(now.Add(age), n)
	sweep(now.Add(10*age), 0) // the open item's stays
	if _, err := d.Sweep(t.Context(), now, 0); err == nil {
		t.Error("a retention of 0 was accepted")
	}
	gone, err := d.Get(t.Context(), items[0].ID)
	if err != nil || !gone.Payload.GetDeleted() || len(gone.Payload.GetSha256()) != 64 || len(gone.Payload.GetTensors()) != 0 {
		t.Errorf("a removed payload: %v, %v", gone.Payload, err)
	}
	kept, err := d.Get(t.Context(), items[n].ID)
	if err != nil || kept.Payload.GetDeleted() || len(kept.Payload.GetTensors()) != 1 {
		t.Errorf("the open item's payload: %v, %v", kept.Payload, err)
	}
	report, err := d.VerifyLog(t.Context())
	if err != nil || report.Fault() != nil || report.Writers[0].Payloads != 1 || report.Writers[0].PayloadsRemoved != n {
		t.Errorf("the log after retention: %+v, %v", report, err)
	}
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(file), "a secret that has to go"); n != 1 {
		t.Errorf("the file still has %d copies of what was removed; want the open item's alone", n)
	}
}
