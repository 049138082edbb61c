package soak

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/heldport"
)

// TestPromise3TripsLatch: neither time, nor kill -9, nor a wiped or another store, nor a replayed reset frees a limit that has tripped.
func TestPromise3TripsLatch(t *testing.T) {
	f := promise(t, 3, "trips latch",
		"a limit trips; then time passes, the gateway is killed and started, its store is lost, and resets are replayed")
	const most = 5
	model := modelServer(t, "primary")
	g := initialised(t, `
listen: {grpc: "`+heldport.For(t)+`", http: "127.0.0.1:0"}
store: {identity: soak, sqlite: {path: candor.db}}
consumers: {anyone: {identity: {anonymous: true}, models: ["*"]}}`+peopleConfig+`
backends:`+backendConfig("primary", model.Addr(), "")+`
models:
  fraud:
    primary: primary
    policy:
      mode: enforce
      accept: {threshold: {probability: 0.9}}
      answers: [{output: probabilities, fill: scores}]
      actions: [{name: decline, when: {label_in: [bad]}}]
limits: {declines: {action: decline, window: 1s, max_count: 5, on_trip: reject}}
`)
	g.start()
	conn := g.dial(grpc.WithDefaultCallOptions(grpc.WaitForReady(true)))
	released := func(calls int) (n int) {
		for range calls {
			resp, _, err := infer(conn, sure(), patience)
			switch {
			case err == nil && resp.GetParameters()["candor_route"].GetStringParam() == "ACCEPT":
				n++
			case err != nil && status.Code(err) == codes.Unavailable:
				t.Fatal(err)
			}
		}
		return n
	}
	reset := func(id string) error {
		ctx, cancel := context.WithTimeout(as(t.Context(), "omar"), patience)
		defer cancel()
		_, err := candorv1.NewLimitServiceClient(conn).ResetLimit(ctx, &candorv1.ResetLimitRequest{Name: "limits/declines", Reason: "looked at them", RequestId: id})
		return err
	}
	latched := func(after string) {
		t.Helper()
		if n := released(10); n != 0 {
			t.Errorf("%s: %d answers were released", after, n)
		}
	}
	// trips calls until the limit withholds. However slow the machine is, no window holds more than is allowed.
	trips := func() {
		t.Helper()
		var calls []call
		for began := time.Now(); ; {
			c := call{sent: time.Since(began)}
			_, _, err := infer(conn, sure(), patience)
			c.seen, c.reason = time.Since(began), reasonOf(err)
			if status.Code(err) == codes.Unavailable || c.seen > patience {
				t.Fatalf("after %v: %v", c.seen, err)
			}
			if calls = append(calls, c); c.reason == withheldTripped {
				break
			}
		}
		calls = onlyThose(calls, call.released)
		if n := mostInAWindow(calls, time.Second); n < 1 || n > most {
			t.Fatalf("%d answers were released in a window under a limit of %d", n, most)
		}
	}
	cycles, kills, replays := 0, 0, 0
	var spent []string
	for began := time.Now(); cycles < 2 || time.Since(began) < span(); cycles++ {
		// Nothing that was released before is in the window, and after a restart what was leased isn't either.
		time.Sleep(2100 * time.Millisecond)
		trips()
		latched("the trip")
		// Time itself is what must not free it.
		time.Sleep(1100 * time.Millisecond)
		latched("a window later")
		g.kill()
		g.start()
		kills++
		latched("kill -9")
		for _, id := range spent {
			// Answers as it did then, and frees nothing.
			if err := reset(id); err != nil && status.Code(err) != codes.FailedPrecondition {
				t.Errorf("a replayed reset: %v", err)
			}
			replays++
			latched("a replayed reset")
		}
		id := uuid.NewString()
		if err := reset(id); err != nil {
			t.Fatal(err)
		}
		spent = append(spent, id)
	}
	trips()
	g.stop()
	// A store that was wiped, and one of another gateway: refused, so that neither frees the latch.
	store := filepath.Join(g.folder, "candor.db")
	for _, name := range []string{store, store + "-wal", store + "-shm"} {
		if err := os.Rename(name, name+".kept"); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	if out, err := candor("serve", "--config", g.config); err == nil || !strings.Contains(out, "candor init") {
		t.Errorf("without a store: %v\n%s", err, out)
	}
	foreign := initialised(t, strings.Replace(read(t, g.config), "identity: soak", "identity: another", 1))
	if err := os.Rename(filepath.Join(foreign.folder, "candor.db"), store); err != nil {
		t.Fatal(err)
	}
	if out, err := candor("serve", "--config", g.config); err == nil || !strings.Contains(out, "another") {
		t.Errorf("with another gateway's store: %v\n%s", err, out)
	}
	if err := os.Rename(store+".kept", store); err != nil {
		t.Fatal(err)
	}
	g.start()
	latched("its own store back")
	f.say("trips, kills, replayed resets", "%d, %d, %d: nothing was released after a trip until its own reset", cycles+1, kills, replays)
	f.say("a wiped store, another gateway's store", "refused, both")
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
