package postgres_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

// A gateway of the oracle's test is this test's binary, started with these in its environment.
const (
	oracleURL = "CANDOR_TEST_ORACLE_URL"
	oracleLog = "CANDOR_TEST_ORACLE_LOG"
)

// The limit, with an hour compressed to seconds, and a lease's second to as small a part of it.
const (
	oracleMax    = 1000
	oracleWindow = 3 * time.Second
	oracleLease  = 100 * time.Millisecond
)

// machine is the machine's monotonic clock: the same for every process, whatever happens to the others.
func machine() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err)
	}
	return t.Nano()
}

// beOracleGateway releases as much as the limit lets it, until it is killed, and writes down when: before it asked and after.
func beOracleGateway(url, path string) error {
	ctx := context.Background()
	log, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	var store *postgres.Store
	for store == nil {
		if store, err = postgres.Open(ctx, url, identity, postgres.Options{}); err != nil {
			time.Sleep(20 * time.Millisecond) // the test has cut its connection
		}
	}
	// A gateway whose own clock is wrong by up to five minutes, and is set again and again.
	skew := time.Duration(0)
	var gate *limits.Gate
	def := limits.Definition{Name: "oracle", Action: "decline", MaxCount: oracleMax, Window: oracleWindow}
	opts := limits.Options{LeaseFor: oracleLease, StoreTimeout: time.Second, Clock: time.Now, OnTrip: func(limits.Trip) {
		_, _ = fmt.Fprintf(log, "trip %d %d\n", machine(), machine())
	}}
	for gate == nil {
		gate, _ = limits.New(ctx, []limits.Definition{def}, store, store.Now(), opts)
	}
	for i := 0; ; i++ {
		if i%200 == 0 {
			skew = time.Duration(rand.Int64N(int64(10*time.Minute))) - 5*time.Minute
		}
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		before := machine()
		v := gate.Acquire(short, store.Now().Add(skew), limits.Answer{Action: "decline"})
		after := machine()
		cancel()
		switch {
		case v.Released:
			if _, err := fmt.Fprintf(log, "released %d %d\n", before, after); err != nil {
				return err
			}
		case v.Unavailable:
			_, _ = fmt.Fprintf(log, "unavailable %d %d\n", before, after)
		default:
			_ = gate.Reset(ctx, limits.Reset{Limit: "oracle", By: "oracle", Reason: "goes on", RequestID: strconv.FormatInt(after, 36), At: store.Now()})
			time.Sleep(10 * time.Millisecond)
			_ = gate.Follow(ctx)
		}
		_ = gate.Settle(ctx, store.Now())
		time.Sleep(time.Duration(rand.Int64N(int64(2 * time.Millisecond))))
	}
}

// oracleGateway is one such process.
type oracleGateway struct {
	cmd *osexec.Cmd
}

func startOracleGateway(t *testing.T, url, log string) *oracleGateway {
	t.Helper()
	cmd := osexec.Command(os.Args[0], "-test.run=^TestLimitOracle$")
	cmd.Env = append(os.Environ(), oracleURL+"="+url, oracleLog+"="+log)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &oracleGateway{cmd}
}

func (g *oracleGateway) kill() {
	_ = g.cmd.Process.Kill()
	_ = g.cmd.Wait()
}

// TestLimitOracle: eight gateways, each a process of its own, on one real PostgreSQL share a limit of 1,000 while they are killed,
// stopped and set going again, cut off, and have their clocks set by up to five minutes. Then every window of what they have
// released is counted.
func TestLimitOracle(t *testing.T) {
	if url := os.Getenv(oracleURL); url != "" {
		t.Fatal(beOracleGateway(url, os.Getenv(oracleLog)))
	}
	url := initialised(t)
	pgtest.Alone(t)
	length := 12 * time.Second
	if long() {
		length = 45 * time.Second
	}
	dir := t.TempDir()
	const gateways = 8
	var all [gateways]*oracleGateway
	var cuts [gateways]*cutter
	start := func(i int) {
		all[i] = startOracleGateway(t, cuts[i].url, filepath.Join(dir, strconv.Itoa(i)))
	}
	for i := range all {
		cuts[i] = newCutter(t, url)
		start(i)
	}
	defer func() {
		for _, g := range all {
			_ = g.cmd.Process.Signal(syscall.SIGCONT)
			g.kill()
		}
	}()
	var harm harms
	rnd := rand.New(rand.NewPCG(1, 2))
	for end := time.Now().Add(length); time.Now().Before(end); {
		time.Sleep(time.Duration(rnd.Int64N(int64(200 * time.Millisecond))))
		i := rnd.IntN(gateways)
		switch rnd.IntN(4) {
		case 0:
			all[i].kill()
			start(i)
			harm.kills = append(harm.kills, machine())
		case 1, 2:
			if err := all[i].cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			pause := time.Duration(rnd.Int64N(int64(3 * oracleLease)))
			time.Sleep(pause)
			if err := all[i].cmd.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			if harm.stops++; pause > oracleLease {
				harm.long = append(harm.long, machine())
			}
		case 3:
			cuts[i].cut()
			harm.cuts = append(harm.cuts, machine())
		}
	}
	for _, g := range all {
		_ = g.cmd.Process.Signal(syscall.SIGCONT)
		g.kill()
	}
	checkOracle(t, readOracleLogs(t, dir), harm)
}

// oracleEntry is what a gateway wrote down of one answer: it was decided between from and to.
type oracleEntry struct {
	what     string
	from, to int64
}

func readOracleLogs(t *testing.T, dir string) (all []oracleEntry) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			var e oracleEntry
			// The last line of one that was killed may be cut short.
			if n, _ := fmt.Sscan(strings.TrimSpace(lines.Text()), &e.what, &e.from, &e.to); n == 3 && e.from <= e.to {
				all = append(all, e)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return all
}
