package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/faultproxy"
	"github.com/candor-gateway/candor/internal/heldport"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

// What gateways of a fleet share: a limit, with an hour compressed to seconds. A lease lasts as long as docs/limits.md says.
const (
	fleetMax    = 1000
	fleetWindow = 4 * time.Second
	fleetLease  = time.Second
	// heardIn is how late a gateway may hear of a trip at another one.
	heardIn = 500 * time.Millisecond
	// callersEach is how many callers each gateway has, and callWithin what they give a call.
	callersEach = 2
	callWithin  = 2 * time.Second
)

// member is a gateway of a fleet, with a way of its own to the database.
type member struct {
	*gateway
	way  *faultproxy.Proxy
	conn *grpc.ClientConn
	// heal, when not nil, ends what ails it, at until.
	heal  func()
	until time.Time
}

// fleet are gateways on one PostgreSQL that share a limit, their callers, and an operator who resets it whenever it has tripped.
type fleet struct {
	t       *testing.T
	pg      *pgtest.Server
	model   string // the model server's address
	members []*member
	began   time.Time
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu    sync.Mutex
	calls []call
	trips []tripSeen
}

// ownPostgres is a PostgreSQL that a test may kill: the shared one is for tests that don't.
func ownPostgres(t *testing.T) *pgtest.Server {
	t.Helper()
	pgtest.Skip(t)
	pg, err := pgtest.Start(true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pg.Close(); err != nil {
			t.Error(err)
		}
	})
	return pg
}

// databaseThrough is the URL of a server's database by way of a proxy.
func databaseThrough(address string) string {
	return "postgres://candor@" + address + "/postgres?sslmode=disable"
}

// fleetConfig is a member's configuration.
func fleetConfig(listen, database, model string) string {
	return `
listen: {grpc: "` + listen + `", http: "127.0.0.1:0", insecure: true}
store: {identity: soak, wait: 0s, postgres: {url: "` + database + `"}}
consumers: {anyone: {identity: {anonymous: true}, models: ["*"]}}` + peopleConfig + `
backends:` + patient(backendConfig("primary", model, "")) + fmt.Sprintf(`
models:
  fraud:
    primary: primary
    policy:
      mode: enforce
      accept: {threshold: {probability: 0.9}}
      answers: [{output: probabilities, fill: scores}]
      actions: [{name: decline, when: {label_in: [bad]}}]
limits: {declines: {action: decline, window: %v, max_count: %d, on_trip: reject, probation: {share: 1}}}
`, fleetWindow, fleetMax)
}

// newFleet starts as many gateways. Their callers and the operator begin with work.
func newFleet(t *testing.T, pg *pgtest.Server, gateways int) *fleet {
	t.Helper()
	model := modelServer(t, "primary")
	f := &fleet{t: t, pg: pg, model: model.Addr()}
	for i := range gateways {
		way := faultproxy.Start(t, pg.Socket())
		g := configured(t, fleetConfig(heldport.For(t), databaseThrough(way.Addr()), model.Addr()))
		if i == 0 {
			if out, err := candor("init", "--config", g.config); err != nil {
				t.Fatalf("candor init: %v\n%s", err, out)
			}
		}
		f.join(g, way)
	}
	return f
}

// join starts a gateway and makes it a member.
func (f *fleet) join(g *gateway, way *faultproxy.Proxy) {
	g.start()
	quickly := backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.5, MaxDelay: 200 * time.Millisecond}
	f.members = append(f.members, &member{gateway: g, way: way,
		conn: g.dial(grpc.WithConnectParams(grpc.ConnectParams{Backoff: quickly, MinConnectTimeout: time.Second}))})
}

// work begins.
func (f *fleet) work() {
	ctx, cancel := context.WithCancel(context.Background())
	f.began, f.cancel = time.Now(), cancel
	for i, m := range f.members {
		for range callersEach {
			f.running.Go(func() { f.call(ctx, i, m.conn) })
		}
	}
	f.running.Go(func() { f.operate(ctx) })
}

// rest ends all work.
func (f *fleet) rest() {
	f.cancel()
	f.running.Wait()
}

// now is the time since work began, by the machine's monotonic clock.
func (f *fleet) now() time.Duration { return time.Since(f.began) }

// call calls one gateway until ctx ends, and notes what it said, and when it was asked and had said it.
func (f *fleet) call(ctx context.Context, gateway int, conn *grpc.ClientConn) {
	for ctx.Err() == nil {
		c := call{gateway: gateway, sent: f.now()}
		_, _, err := infer(conn, sure(), callWithin)
		c.seen, c.reason = f.now(), reasonOf(err)
		f.mu.Lock()
		f.calls = append(f.calls, c)
		f.mu.Unlock()
		if err != nil {
			pause(ctx, 10*time.Millisecond)
		}
	}
}

// Reasons of answers that a limit has withheld.
const (
	withheldTripped     = "ACTION_LIMIT_TRIPPED"
	withheldUnavailable = "LIMIT_UNAVAILABLE"
)

// reasonOf is an error's reason, or its code where it has none; empty: no error.
func reasonOf(err error) string {
	if err == nil {
		return ""
	}
	st := status.Convert(err)
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return st.Code().String()
}

// operate resets the limit whenever it has tripped, sooner or later, at any gateway that answers.
func (f *fleet) operate(ctx context.Context) {
	var quiet time.Duration // when the limit was last known not to have tripped
	for ctx.Err() == nil {
		pause(ctx, 20*time.Millisecond)
		limits := candorv1.NewLimitServiceClient(f.members[rand.IntN(len(f.members))].conn)
		asked := f.now()
		call, cancel := context.WithTimeout(as(ctx, "omar"), time.Second)
		got, err := limits.GetLimit(call, &candorv1.GetLimitRequest{Name: "limits/declines"})
		cancel()
		if err != nil {
			continue
		}
		if !got.GetLimit().GetTripped() {
			quiet = asked
			continue
		}
		seen := tripSeen{after: quiet - heardIn, by: f.now()}
		pause(ctx, time.Duration(rand.Int64N(int64(fleetWindow/4))))
		call, cancel = context.WithTimeout(as(ctx, "omar"), time.Second)
		_, err = limits.ResetLimit(call, &candorv1.ResetLimitRequest{Name: "limits/declines", Reason: "goes on", RequestId: uuid.NewString()})
		cancel()
		if err == nil {
			f.mu.Lock()
			f.trips = append(f.trips, seen)
			f.mu.Unlock()
		}
	}
}

// releasedBy counts what callers of a gateway have seen released of calls that were sent from an instant on.
func (f *fleet) releasedBy(gateway int, from time.Duration) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c.gateway == gateway && c.sent >= from && c.released() {
			n++
		}
	}
	return n
}

// tripped waits for another trip.
func (f *fleet) tripped() {
	f.t.Helper()
	count := func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.trips)
	}
	n := count()
	await(f.t, "the limit trips again", func() bool { return count() > n })
}

// serves waits until every gateway releases something that is asked for from now on.
func (f *fleet) serves() {
	f.t.Helper()
	from := f.now()
	for i, m := range f.members {
		await(f.t, fmt.Sprintf("gateway %d (%s) releases again", i, m.grpc), func() bool { return f.releasedBy(i, from) > 0 })
	}
}
