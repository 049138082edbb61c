package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/store/postgres"
)

// A gateway of the oracle's test is this test's binary, started with these in its environment. What it writes down of a limit is in a
// file whose name is the log's, a dot, and the limit's.
const (
	oracleURL = "CANDOR_TEST_ORACLE_URL"
	oracleLog = "CANDOR_TEST_ORACLE_LOG"
)

// The limits, with an hour compressed to seconds, and a lease's second to as small a part of it.
const (
	oracleMax    = 1000
	oracleWindow = 3 * time.Second
	oracleLease  = 100 * time.Millisecond
)

// oracleKind is a limit that the gateways share.
type oracleKind struct {
	def limits.Definition
	// amounts are at most this; 0: answers are counted.
	amounts int64
	// other is the action that a ratio's denominator has beside the limit's own.
	other string
}

func oracleKinds() []oracleKind {
	return []oracleKind{
		{def: limits.Definition{Name: "count", Action: "decline", MaxCount: oracleMax, Window: oracleWindow}},
		{amounts: 3000, def: limits.Definition{
			Name: "sum", Action: "buy", Amount: "parameter:notional", Unit: "USD cents", MaxCount: 1000 * oracleMax, Window: oracleWindow,
		}},
		{other: "approve", def: limits.Definition{
			Name: "ratio", Action: "hold", Window: oracleWindow,
			Ratio: &limits.Ratio{Denominator: []string{"approve", "hold"}, SharePPM: 200_000, MinCount: 200},
		}},
	}
}

// machine is the machine's monotonic clock: the same for every process, whatever happens to the others.
func machine() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err)
	}
	return t.Nano()
}

// beOracleGateway releases as much as the limits let it, until it is killed, and writes down when: before it asked and after.
func beOracleGateway(url, path string) error {
	ctx := context.Background()
	kinds, logs := oracleKinds(), map[string]*os.File{}
	var defs []limits.Definition
	for _, k := range kinds {
		log, err := os.OpenFile(path+"."+k.def.Name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		// The line before may have been cut short.
		if _, err := fmt.Fprintf(log, "\nstarts %d %d 0\n", machine(), machine()); err != nil {
			return err
		}
		defs, logs[k.def.Name] = append(defs, k.def), log
	}
	var store *postgres.Store
	for store == nil {
		var err error
		if store, err = postgres.Open(ctx, url, identity, postgres.Options{}); err != nil {
			time.Sleep(20 * time.Millisecond) // the test has cut its connection
		}
	}
	opts := limits.Options{LeaseFor: oracleLease, StoreTimeout: time.Second, Clock: time.Now, OnTrip: func(trip limits.Trip) {
		_, _ = fmt.Fprintf(logs[trip.Limit], "trip %d %d 0\n", machine(), machine())
	}}
	var gate *limits.Gate
	for gate == nil {
		gate, _ = limits.New(ctx, defs, store, store.Now(), opts)
	}
	failed := make(chan error)
	for _, k := range kinds {
		go func() { failed <- k.play(ctx, gate, store, logs[k.def.Name]) }()
	}
	return <-failed
}

// play answers until it can't write it down. The times that it says are wrong by up to five minutes, now forward and now back.
func (k oracleKind) play(ctx context.Context, gate *limits.Gate, store *postgres.Store, log *os.File) error {
	skew := time.Duration(0)
	for i := 0; ; i++ {
		if i%200 == 0 {
			skew = time.Duration(rand.Int64N(int64(10*time.Minute))) - 5*time.Minute
		}
		a, amount := limits.Answer{Action: k.def.Action}, int64(1)
		if k.amounts > 0 {
			amount = 1 + rand.Int64N(k.amounts)
			a.Inputs = []limits.Input{{Source: k.def.Amount, Amount: amount}}
		}
		before := machine()
		if k.other != "" && i%4 != 0 {
			a.Action = k.other
			// It counts from somewhere in between, also if the process is killed there.
			if _, err := fmt.Fprintf(log, "asks %d %d 1\n", before, before); err != nil {
				return err
			}
		}
		short, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		v := gate.Acquire(short, store.Now().Add(skew), a)
		after := machine()
		cancel()
		what := ""
		switch {
		case a.Action != k.def.Action && v.Released:
			what = "other"
		case a.Action != k.def.Action:
			what = "withheld"
		case v.Released:
			what = "released"
		case v.Unavailable:
			what = "unavailable"
		default:
			_ = gate.Reset(ctx, limits.Reset{Limit: k.def.Name, By: "oracle", Reason: "goes on", RequestID: strconv.FormatInt(after, 36), At: store.Now()})
			time.Sleep(10 * time.Millisecond)
			_ = gate.Follow(ctx)
		}
		if what != "" {
			if _, err := fmt.Fprintf(log, "%s %d %d %d\n", what, before, after, amount); err != nil {
				return err
			}
		}
		_ = gate.Settle(ctx, store.Now())
		time.Sleep(time.Duration(rand.Int64N(int64(6 * time.Millisecond))))
	}
}
