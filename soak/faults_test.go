package soak

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/candor-gateway/candor/internal/faultproxy"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

// faults are done to a fleet, one after the other and some at once, and counted. For the test's own goroutine.
type faults struct {
	*fleet
	rng   *rand.Rand
	clock *databaseClock
	done  map[string]int
	harms []harm
	// refused are starts of gateways that found the store held up.
	refused int
}

// Names of the faults.
const (
	killed         = "gateway killed (kill -9) and restarted"
	stopped        = "gateway stopped and continued"
	cutOff         = "database connections cut"
	silent         = "database connections silent"
	slowed         = "database connections slow"
	clockSet       = "database's clock set"
	databaseKilled = "PostgreSQL killed and restarted"
)

// kinds of faults. Each acts on one gateway, or on the database.
var kinds = []struct {
	name string
	do   func(f *faults, m *member)
}{
	{killed, (*faults).killGateway},
	{stopped, (*faults).stopGateway},
	{cutOff, (*faults).cut},
	{silent, (*faults).silence},
	{slowed, (*faults).slow},
	{clockSet, (*faults).setClock},
	{databaseKilled, (*faults).killDatabase},
}

// round does each kind once, in random order, and gateways' faults twice.
func (f *faults) round() {
	var order []int
	for i, k := range kinds {
		order = append(order, i)
		if k.name != databaseKilled {
			order = append(order, i)
		}
	}
	f.rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, i := range order {
		f.heal(time.Now())
		m := f.members[f.rng.IntN(len(f.members))]
		if m.heal != nil {
			f.end(m)
		}
		kinds[i].do(f, m)
		time.Sleep(f.upTo(300 * time.Millisecond)) // how long between faults is a part of them
	}
}

func (f *faults) upTo(d time.Duration) time.Duration { return time.Duration(f.rng.Int64N(int64(d))) }

// did counts a fault, and that it may strand permits of so many gateways.
func (f *faults) did(kind string, gateways int) {
	f.done[kind]++
	if gateways > 0 {
		f.harms = append(f.harms, harm{f.now(), gateways})
	}
}

// ails says until when a gateway's trouble lasts.
func (m *member) ails(d time.Duration, heal func()) { m.until, m.heal = time.Now().Add(d), heal }

// heal ends the troubles that have lasted as long as they should.
func (f *faults) heal(at time.Time) {
	for _, m := range f.members {
		if m.heal != nil && !m.until.After(at) {
			f.end(m)
		}
	}
}

func (f *faults) end(m *member) {
	m.heal()
	m.heal = nil
	f.harms = append(f.harms, harm{f.now(), 1})
}

// healAll ends every trouble.
func (f *faults) healAll() { f.heal(time.Now().Add(time.Hour)) }

func (f *faults) killGateway(m *member) {
	m.kill()
	f.did(killed, 1)
	// As whoever looks after it would: another one, stopped in a transaction, may hold up the store until it is healed, so starts don't wait.
	var err error
	await(f.t, "the gateway starts again", func() bool {
		f.heal(time.Now())
		if err = m.tryStart(); err != nil {
			f.refused++
		}
		return err == nil
	})
}

func (f *faults) stopGateway(m *member) {
	signal := func(s syscall.Signal) {
		if err := m.cmd.Process.Signal(s); err != nil {
			f.t.Errorf("%v: %v", s, err)
		}
	}
	signal(syscall.SIGSTOP)
	m.ails(f.upTo(2*fleetLease), func() { signal(syscall.SIGCONT) })
	f.did(stopped, 1)
}

func (f *faults) cut(m *member) {
	m.way.Reset()
	f.did(cutOff, 1)
}

func (f *faults) silence(m *member) {
	m.way.Set(faultproxy.Fault{Blackhole: true})
	m.ails(f.upTo(2*fleetLease), func() { m.way.Set(faultproxy.Fault{}) })
	f.did(silent, 1)
}

func (f *faults) slow(m *member) {
	m.way.Set(faultproxy.Fault{Latency: 5*time.Millisecond + f.upTo(50*time.Millisecond)})
	m.ails(2*fleetLease, func() { m.way.Set(faultproxy.Fault{}) })
	f.did(slowed, 1)
}

// setClock sets the database's clock by up to five minutes. A gateway that has not asked for permits since it began knows nothing of the time
// before (docs/limits.md), so the next fault waits until the others have gone on.
func (f *faults) setClock(*member) {
	if f.clock == nil {
		return
	}
	const farthest = 5 * time.Minute
	if err := f.clock.set(f.upTo(2*farthest) - farthest); err != nil {
		f.t.Fatal(err)
	}
	f.did(clockSet, 0)
	from := f.now()
	await(f.t, "releases go on after the clock was set", func() bool {
		f.heal(time.Now()) // one that is stopped may hold up the others: in a transaction it has locks
		n := 0
		for i := range f.members {
			n += f.releasedBy(i, from)
		}
		return n > 0
	})
}

func (f *faults) killDatabase(*member) {
	if err := f.pg.Kill(); err != nil {
		f.t.Fatal(err)
	}
	if err := f.pg.Restart(); err != nil {
		f.t.Fatal(err)
	}
	f.did(databaseKilled, len(f.members))
}

// databaseClock is the clock of a PostgreSQL under libfaketime. (Go's programs ask the kernel's vDSO, which no library stands before: the
// wall clocks of gateways are set in limits TestWallsThatAreSet and in its model, and are apart in store/postgres TestWallClocksApart.)
type databaseClock struct{ file string }

// fakeClock gives the server a clock that can be set. Where libfaketime isn't installed it answers why not, or fails when it was asked for.
func fakeClock(t *testing.T, pg *pgtest.Server) (*databaseClock, string) {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/*/faketime/libfaketime.so.1")
	if err != nil || len(found) == 0 {
		const missing = "not set: libfaketime is not installed (Debian's package faketime)"
		if asked("CANDOR_FAKETIME") {
			t.Fatal(missing)
		}
		return nil, missing
	}
	folder, err := os.MkdirTemp("", "soak-clock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil { // the server runs as somebody else
		t.Fatal(err)
	}
	c := &databaseClock{filepath.Join(folder, "clock")}
	if err := c.set(0); err != nil {
		t.Fatal(err)
	}
	if err := pg.Kill(); err != nil {
		t.Fatal(err)
	}
	pg.SetEnv("LD_PRELOAD="+found[0], "FAKETIME_TIMESTAMP_FILE="+c.file, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1", "DONT_FAKE_MONOTONIC=1")
	if err := pg.Restart(); err != nil {
		t.Fatal(err)
	}
	const hour = time.Hour
	if err := c.set(hour); err != nil {
		t.Fatal(err)
	}
	if off := time.Until(serverTime(t, pg)); off < hour/2 || off > 2*hour {
		t.Fatalf("libfaketime has no effect on PostgreSQL: its clock is off by %v, not by %v", off, hour)
	}
	if err := c.set(0); err != nil {
		t.Fatal(err)
	}
	return c, "of PostgreSQL, by libfaketime"
}

// serverTime is what the server takes for the time.
func serverTime(t *testing.T, pg *pgtest.Server) (now time.Time) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pg.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if err := conn.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&now); err != nil {
		t.Fatal(err)
	}
	return now
}

// set sets the clock this far from the true one, at once for every process.
func (c *databaseClock) set(off time.Duration) error {
	if err := os.WriteFile(c.file+".new", fmt.Appendf(nil, "%+d\n", int(off.Seconds())), 0o644); err != nil {
		return err
	}
	return os.Rename(c.file+".new", c.file)
}

// asked says whether an environment variable asks for something.
func asked(variable string) bool { return os.Getenv(variable) == "1" }
