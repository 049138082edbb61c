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
}

// Main runs the tests of a package and stops the server that they have used. It answers what to exit with.
func Main(m *testing.M) int {
	code := m.Run()
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
	name := fmt.Sprintf("candor_test_%d_%d", os.Getpid(), shared.used.Add(1))
	run(t, shared.url, "CREATE DATABASE "+name+" ENCODING 'UTF8' TEMPLATE template0")
	t.Cleanup(func() { run(t, shared.url, "DROP DATABASE "+name+" WITH (FORCE)") })
	u, err := url.Parse(shared.url)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// run runs a statement that no transaction may hold.
func run(t testing.TB, url, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx) //nolint:errcheck // nothing is lost with it
	if _, err := conn.Exec(ctx, statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
