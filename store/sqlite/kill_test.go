package sqlite_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/store/sqlite"
	"github.com/candor-gateway/candor/store/storetest"
)

// childPath is set in the environment of a process that is to be killed: the store it serves from.
const childPath = "CANDOR_TEST_KILL_STORE"

// TestKilledChild isn't a test: it's the process that TestKill starts and kills. It records, claims and resolves until then,
// and says on standard output what has been acknowledged, one line each, after it was.
func TestKilledChild(t *testing.T) {
	path := os.Getenv(childPath)
	if path == "" {
		t.Skip("runs in a child process of TestKill only")
	}
	s, err := sqlite.Open(context.Background(), path, identity, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	// One write per line, so that a line is whole or absent.
	say := func(format string, args ...any) { fmt.Fprintf(os.Stdout, "ack "+format+"\n", args...) }
	ctx := context.Background()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				rec, items := storetest.Deferral(s.Now(), "q", 2)
				if err := s.Record(ctx, rec, items); err != nil {
					panic(err)
				}
				say("item %s", items[0].ID)
				say("item %s", items[1].ID)
				// Company for the commits; nothing is promised of it.
				if err := s.Enqueue(ctx, storetest.Accept(uuid.Must(uuid.NewV7()))); err != nil {
					panic(err)
				}
			}
		})
	}
	for c := range 3 {
		wg.Go(func() {
			holder := fmt.Sprintf("reviewer-%d", c)
			for n := 0; ; n++ {
				it, err := s.Next(ctx, review.Claim{Queue: "q", Holder: holder, Now: s.Now(), LeaseFor: func(string) time.Duration { return time.Hour }})
				if errors.Is(err, review.ErrEmpty) {
					continue
				}
				if err != nil {
					panic(err)
				}
				say("claim %s %s %d", it.ID, holder, it.Epoch)
				if n%4 == 0 {
					continue // some stay claimed
				}
				if _, err := s.Change(ctx, it.ID, attempt(it.ID, holder, it.Epoch, holder, s.Now())); err != nil {
					panic(err)
				}
				say("verdict %s %s %d", it.ID, holder, it.Epoch)
				if n%4 == 1 {
					continue // some stay settled
				}
				if _, err := s.Change(ctx, it.ID, review.Finalize{Now: s.Now(), Gated: released}); err != nil {
					panic(err)
				}
				say("final %s %s", it.ID, holder)
			}
		})
	}
	wg.Go(func() {
		for n := 0; ; n++ {
			limit := fmt.Sprintf("limit-%d-%s", n, uuid.NewString())
			if _, err := s.Lease(ctx, limits.LeaseRequest{Lease: limits.Lease{Limit: limit, ID: 1, Count: 5, From: s.Now(), Until: s.Now()}}); err != nil {
				panic(err)
			}
			if _, err := s.Trip(ctx, limits.Trip{ID: "t-" + limit, Limit: limit, At: s.Now()}); err != nil {
				panic(err)
			}
			say("trip %s", limit)
		}
	})
	wg.Wait()
}

// acks is what killed processes have acknowledged.
type acks struct {
	items, trips []string
	claims       map[string]string
	verdicts     map[string]string
	finals       map[string]bool
}

// runAndKill starts a process on the store, and kills it once it has acknowledged that much.
func (a *acks) runAndKill(t *testing.T, path string, enough int) {
	t.Helper()
	runAndKill(t, "TestKilledChild", childPath+"="+path, enough, func(fields []string) {
		switch fields[0] {
		case "item":
			a.items = append(a.items, fields[1])
		case "trip":
			a.trips = append(a.trips, fields[1])
		case "claim":
			a.claims[fields[1]] = fields[2] + " " + fields[3]
		case "verdict":
			a.verdicts[fields[1]] = fields[2] + " " + fields[3]
		case "final":
			a.finals[fields[1]] = true
		}
	})
}

// runAndKill starts a process that runs a test which never ends, and kills it once it has acknowledged that much: lines that start
// with ack, whose other fields go to each.
func runAndKill(t *testing.T, test, env string, enough int, each func(fields []string)) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^"+test+"$", "-test.count=1")
	cmd.Env = append(os.Environ(), env)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// A process that never gets that far is killed all the same.
	late := time.AfterFunc(5*time.Minute, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	lines := 0
	in := bufio.NewReader(out)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			break // a line without its end doesn't count
		}
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0] != "ack" {
			t.Logf("child: %s", strings.TrimSpace(line))
			continue
		}
		each(fields[1:])
		if lines++; lines == enough {
			if err := cmd.Process.Kill(); err != nil { // SIGKILL
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || lines < enough {
		t.Fatalf("the child ended by itself after %d lines: %v", lines, err)
	}
}

func TestKill(t *testing.T) {
	if os.Getenv(childPath) != "" {
		t.Skip("this is the child")
	}
	path := initialised(t)
	a := acks{claims: map[string]string{}, verdicts: map[string]string{}, finals: map[string]bool{}}
	for round, enough := range []int{400, 1, 700} {
		a.runAndKill(t, path, enough)
		// What was left behind can be read as it is, before anybody serves from it again.
		if report := verifyFile(t, path); report.Fault() != nil {
			t.Fatalf("round %d: %v", round, report.Fault())
		}
		a.check(t, path)
	}
	if len(a.verdicts) < 50 || len(a.finals) < 20 || len(a.finals) >= len(a.verdicts) || len(a.trips) < 10 || len(a.claims) <= len(a.verdicts) {
		t.Errorf("only %d verdicts, %d trips, %d claims were acknowledged; the test shows too little", len(a.verdicts), len(a.trips), len(a.claims))
	}
}

// check opens the store and looks for everything that was acknowledged.
func (a *acks) check(t *testing.T, path string) {
	t.Helper()
	d := open(t, path, sqlite.Options{})
	for _, id := range a.items {
		it, err := d.Get(t.Context(), id)
		if err != nil {
			t.Fatalf("an acknowledged item is lost: %v", err)
		}
		if _, err := d.Find(t.Context(), it.PredictionID); err != nil {
			t.Fatalf("an item's decision is lost: %v", err)
		}
	}
	for id, claim := range a.claims {
		it, err := d.Get(t.Context(), id)
		if err != nil || fmt.Sprint(it.Holder, " ", it.Epoch) != claim {
			t.Errorf("item %s is held by %s at %d (%v); acknowledged was %s", id, it.Holder, it.Epoch, err, claim)
		}
	}
	counts := map[string]int{}
	var after uint64
	for {
		finals, err := d.Finals(t.Context(), after, 500)
		if err != nil {
			t.Fatal(err)
		}
		if len(finals) == 0 {
			break
		}
		for _, f := range finals {
			after = f.Position
			counts[f.Item.ID]++
		}
	}
	for id, n := range counts {
		if n != 1 {
			t.Errorf("item %s has %d final answers", id, n)
		}
	}
	for id, by := range a.verdicts {
		holder, _, _ := strings.Cut(by, " ")
		it, err := d.Get(t.Context(), id)
		if err != nil || len(it.Verdicts) != 1 || it.Verdict.GetLabel() != holder {
			t.Errorf("item %s: verdicts %v (%v); acknowledged was one by %s", id, it.Verdicts, err, by)
			continue
		}
		if (counts[id] == 1) != it.Final() || a.finals[id] && !it.Final() {
			t.Errorf("item %s: %d times in the feed, final %t, acknowledged as final %t", id, counts[id], it.Final(), a.finals[id])
		}
		// A client that didn't get the answer asks again.
		again, err := d.Change(t.Context(), id, attempt(id, holder, it.Epoch, "another", d.Now()))
		if err != nil || again.Verdict.GetLabel() != holder || !again.Repeated {
			t.Errorf("item %s resolved again: %v, %v", id, again.Verdict, err)
		}
		// The history has each step once.
		events, err := d.Events(t.Context(), id, 0, 10)
		want := 3 // created, claimed, answered
		if it.Final() {
			want++
		}
		if err != nil || len(events) != want {
			t.Errorf("item %s: %d events (%v), want %d", id, len(events), err, want)
		}
	}
	states, err := d.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range a.trips {
		if st := states[limit]; !st.Tripped || len(st.Leases) != 1 {
			t.Errorf("limit %s: tripped %t, %d leases; acknowledged were a trip and a lease", limit, st.Tripped, len(st.Leases))
		}
	}
	if report, err := d.VerifyLog(t.Context()); err != nil || report.Fault() != nil {
		t.Errorf("the log: %v, %v", report.Fault(), err)
	}
	if err := d.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
