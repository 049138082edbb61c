// Package pgtest gives tests a real PostgreSQL.
//
// It does so when CANDOR_POSTGRES is set: to 1, it starts a server of its own from the installed programs, in a temporary
// folder and on a socket there; to a URL, it uses the server there, whose user must be allowed to make databases. Otherwise the
// tests that ask for one are skipped.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// variable asks for PostgreSQL.
const variable = "CANDOR_POSTGRES"

// shared is the server of the test binary.
var shared struct {
	once   sync.Once
	server *Server
	url    string
	err    error
	used   atomic.Int64

	copied sync.Once
	// model is the database that Copy copies; empty: none yet.
	model    string
	modelErr error
}

// Main runs the tests of a package and stops the server that they have used. It answers what to exit with.
func Main(m *testing.M) int {
	code := m.Run()
	if shared.model != "" && shared.server == nil {
		if err := execute(shared.url, dropDatabase(shared.model)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	if shared.server != nil {
		if err := shared.server.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	return code
}

// Skip skips a test when nobody has asked for PostgreSQL.
func Skip(t testing.TB) {
	t.Helper()
	if os.Getenv(variable) == "" {
		t.Skip("needs PostgreSQL: set " + variable + "=1 to start one, or to the URL of a server")
	}
}

// Database answers the URL of a new, empty database, which is dropped when the test ends. The package's TestMain must call
// Main.
func Database(t testing.TB) string {
	t.Helper()
	start(t)
	return database(t, "template0")
}

// Copy is Database with what fill has put into the first one: a test binary fills one database, and all others are copies of it, which
// is quicker than to fill each. All calls in a package must have the same fill. It must leave no connection open.
func Copy(t testing.TB, fill func(url string) error) string {
	t.Helper()
	start(t)
	shared.copied.Do(func() {
		shared.model = fmt.Sprintf("candor_test_%d_model", os.Getpid())
		shared.modelErr = execute(shared.url, createDatabase(shared.model, "template0"))
		if shared.modelErr == nil {
			shared.modelErr = fill(urlOf(t, shared.model))
		}
	})
	if shared.modelErr != nil {
		t.Fatalf("make the database that is copied: %v", shared.modelErr)
	}
	return database(t, shared.model)
}

// start starts the server that the test binary shares.
func start(t testing.TB) {
	t.Helper()
	Skip(t)
	shared.once.Do(func() {
		if asked := os.Getenv(variable); strings.Contains(asked, "://") {
			shared.url = asked
			return
		}
		if shared.server, shared.err = Start(false); shared.err == nil {
			shared.url = shared.server.URL("postgres")
		}
	})
	if shared.err != nil {
		t.Fatalf("start PostgreSQL: %v", shared.err)
	}
}

// database makes a database of a template, until the test's end.
func database(t testing.TB, template string) string {
	t.Helper()
	name := fmt.Sprintf("candor_test_%d_%d", os.Getpid(), shared.used.Add(1))
	if err := execute(shared.url, createDatabase(name, template)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := execute(shared.url, dropDatabase(name)); err != nil {
			t.Error(err)
		}
	})
	return urlOf(t, name)
}

func createDatabase(name, template string) string {
	return "CREATE DATABASE " + name + " ENCODING 'UTF8' TEMPLATE " + template
}

func dropDatabase(name string) string { return "DROP DATABASE " + name + " WITH (FORCE)" }

// urlOf is the URL of a database of the shared server.
func urlOf(t testing.TB, name string) string {
	t.Helper()
	u, err := url.Parse(shared.url)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// execute runs a statement that no transaction may hold.
func execute(url, statement string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost with it
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
