package postgres_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
	"github.com/candor-gateway/candor/store/storetest"
)

// refused fails the test unless the error is an OpenError of that cause, with a remedy, and without a password.
func refused(t *testing.T, what string, err, cause error) {
	t.Helper()
	var open *postgres.OpenError
	if !errors.As(err, &open) || !errors.Is(err, cause) || open.Remedy == "" {
		t.Errorf("%s: %v; want an OpenError because %q", what, err, cause)
	}
	if err != nil && strings.Contains(err.Error(), "secret") {
		t.Errorf("%s: the password is in %q", what, err)
	}
}

func TestInit(t *testing.T) {
	url := pgtest.Database(t)
	_, err := postgres.Open(t.Context(), url, identity, postgres.Options{})
	refused(t, "opening nothing", err, postgres.ErrAbsent)
	_, err = postgres.OpenReadOnly(t.Context(), url)
	refused(t, "reading nothing", err, postgres.ErrAbsent)
	if err := postgres.Init(t.Context(), url, ""); err == nil {
		t.Error("a store without an identity was made")
	}
	// Two at once: one makes it.
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() { errs[i] = postgres.Init(t.Context(), url, identity) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
			continue
		}
		refused(t, "making it again", err, postgres.ErrExists)
	}
	if made != 1 {
		t.Errorf("made %d times", made)
	}
	one, two := open(t, url, postgres.Options{}), open(t, url, postgres.Options{})
	if one.Identity() != identity || one.ID() != two.ID() || uuid.Validate(one.ID()) != nil {
		t.Errorf("identity %q, ids %q and %q", one.Identity(), one.ID(), two.ID())
	}
}

func TestOpenRefuses(t *testing.T) {
	url := initialised(t)
	conn := connect(t, url)
	_, err := postgres.Open(t.Context(), url, "other", postgres.Options{})
	refused(t, "another identity", err, postgres.ErrForeign)

	exec(t, conn, `INSERT INTO candor.goose_db_version (version_id, is_applied) VALUES (9999, true)`)
	_, err = postgres.Open(t.Context(), url, identity, postgres.Options{})
	refused(t, "a newer schema", err, postgres.ErrNewer)
	_, err = postgres.OpenReadOnly(t.Context(), url)
	refused(t, "reading a newer schema", err, postgres.ErrNewer)
	exec(t, conn, `DELETE FROM candor.goose_db_version WHERE version_id = 9999`)

	exec(t, conn, `CREATE TABLE candor.kept AS SELECT * FROM candor.goose_db_version`)
	exec(t, conn, `DELETE FROM candor.goose_db_version WHERE version_id = (SELECT max(version_id) FROM candor.goose_db_version)`)
	_, err = postgres.OpenReadOnly(t.Context(), url)
	refused(t, "reading an older schema", err, postgres.ErrOlder)
	exec(t, conn, `DELETE FROM candor.goose_db_version`)
	exec(t, conn, `INSERT INTO candor.goose_db_version OVERRIDING SYSTEM VALUE SELECT * FROM candor.kept`)

	// An Init that was interrupted before its last step is completed by the next.
	exec(t, conn, `DELETE FROM candor.store`)
	_, err = postgres.Open(t.Context(), url, identity, postgres.Options{})
	refused(t, "an unfinished store", err, postgres.ErrNotStore)
	if err := postgres.Init(t.Context(), url, identity); err != nil {
		t.Errorf("finishing it: %v", err)
	}
	open(t, url, postgres.Options{})
}

func TestOtherDatabases(t *testing.T) {
	url := pgtest.Database(t)
	conn := connect(t, url)
	exec(t, conn, `CREATE SCHEMA candor`)
	exec(t, conn, `CREATE TABLE candor.songs (title text)`)
	refused(t, "a schema of somebody else", postgres.Init(t.Context(), url, identity), postgres.ErrNotStore)
	_, err := postgres.Open(t.Context(), url, identity, postgres.Options{})
	refused(t, "opening it", err, postgres.ErrNotStore)

	exec(t, conn, `CREATE DATABASE old_`+uuid.NewString()[:8]+` ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0`)
	var name string
	if err := conn.QueryRow(t.Context(), `SELECT datname FROM pg_database WHERE datname LIKE 'old\_%'`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	defer exec(t, conn, `DROP DATABASE `+name+` WITH (FORCE)`)
	i, j := strings.LastIndex(url, "/candor_test"), strings.LastIndex(url, "?")
	refused(t, "another encoding", postgres.Init(t.Context(), url[:i+1]+name+url[j:], identity), postgres.ErrServer)

	_, err = postgres.Open(t.Context(), "postgres://ann:secret@127.0.0.1:1/x", identity, postgres.Options{})
	refused(t, "a server that isn't there", err, postgres.ErrUnreachable)
	for _, bad := range []string{"", "http://x", "postgres://h:99999999/x", "postgres://u:secret@h/x?sslmode=maybe"} {
		if _, err := postgres.Open(t.Context(), bad, identity, postgres.Options{}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if _, err := postgres.Open(t.Context(), url, identity, postgres.Options{MaxConnections: 3}); err == nil {
		t.Error("three connections are enough")
	}
}

// Gateways that start at once wait for the one that migrates.
func TestMigrateAtOnce(t *testing.T) {
	url := pgtest.Database(t)
	exec(t, connect(t, url), `CREATE SCHEMA candor`)
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if err := postgres.RunMigrations(t.Context(), url); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := postgres.Init(t.Context(), url, identity); err != nil {
		t.Error(err)
	}
}

func TestReadOnly(t *testing.T) {
	url := initialised(t)
	s := open(t, url, postgres.Options{})
	id := uuid.Must(uuid.NewV7())
	if err := s.Record(t.Context(), storetest.Accept(id), nil); err != nil {
		t.Fatal(err)
	}
	r, err := postgres.OpenReadOnly(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Find(t.Context(), id.String()); err != nil {
		t.Error(err)
	}
	verified(t, r)
	if off := r.Now().Sub(s.Now()).Abs(); off > time.Minute {
		t.Errorf("its clock is %v off", off)
	}
	wantError(t, "Record", r.Record(t.Context(), storetest.Accept(uuid.New()), nil), postgres.ErrReadOnly)
	wantError(t, "Enqueue", r.Enqueue(t.Context(), storetest.Accept(uuid.New())), postgres.ErrReadOnly)
	wantError(t, "CloseAlert", r.CloseAlert(t.Context(), "x"), postgres.ErrReadOnly)
	_, err = r.Lease(t.Context(), limits.LeaseRequest{Lease: limits.Lease{Limit: "a", ID: 1, Count: 1}})
	wantError(t, "Lease", err, postgres.ErrReadOnly)
	for range 2 {
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// A database's settings, and what its URL asks for, can't make commits less than durable.
func TestSettings(t *testing.T) {
	url := initialised(t)
	s := open(t, url+"&synchronous_commit=off&search_path=public", postgres.Options{})
	for name, want := range map[string]string{"synchronous_commit": "on", "search_path": "candor", "lock_timeout": "5s"} {
		if got, err := s.Setting(t.Context(), name); err != nil || got != want {
			t.Errorf("%s is %q (%v), want %q", name, got, err, want)
		}
	}
}

// The clock starts no earlier than the last commit, whatever the server's clock says.
func TestClockNeverBack(t *testing.T) {
	url := initialised(t)
	s := open(t, url, postgres.Options{Writer: "a"})
	if err := s.Record(t.Context(), storetest.Accept(uuid.New()), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	ahead := s.Now().Add(time.Hour)
	exec(t, connect(t, url), `UPDATE candor.writers SET clock_us = $1`, ahead.UnixMicro())
	s = open(t, url, postgres.Options{})
	if now := s.Now(); now.Before(ahead) || now.After(ahead.Add(time.Minute)) {
		t.Errorf("the clock starts at %v, the last commit was at %v", now, ahead)
	}
}

// A store that is open under a writer's name that another takes up is shut out, and stores nothing more.
func TestWriterTakenUp(t *testing.T) {
	url := initialised(t)
	one := open(t, url, postgres.Options{Writer: "w"})
	id := uuid.New()
	if err := one.Record(t.Context(), storetest.Accept(id), nil); err != nil {
		t.Fatal(err)
	}
	two := open(t, url, postgres.Options{Writer: "w"})
	if err := one.Record(t.Context(), storetest.Accept(uuid.New()), nil); err == nil {
		t.Error("two stores write one chain")
	}
	if err := two.Record(t.Context(), storetest.Accept(uuid.New()), nil); err != nil {
		t.Error(err)
	}
	if r := verified(t, two); len(r.Writers) != 1 || r.Writers[0].Entries != 2 {
		t.Errorf("%+v", r.Writers)
	}
}
