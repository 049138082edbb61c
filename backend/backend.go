package backend

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/defect"
)

// Options are what all backends of a gateway share. The zero value works.
type Options struct {
	// MaxMessageBytes bounds a message either way; 0: 64 MiB.
	MaxMessageBytes int
	// Observer may be nil.
	Observer Observer
	// Logger may be nil: slog's default.
	Logger *slog.Logger
	// Lookup answers the addresses of a host, for backends at dns:///; nil: the system's resolver. It is asked by one goroutine at a
	// time for each backend.
	Lookup func(ctx context.Context, host string) ([]string, error)
	// Panicked is called once for each panic in a goroutine of the backend's own, which the log has; nil: nobody is told.
	Panicked func()
	// DialOptions are added to the connection's own; tests use them.
	DialOptions []grpc.DialOption
}

// Backend is one model at one version, on one model server or on several replicas of it. It is safe for concurrent use.
type Backend struct {
	name     string
	set      settings
	card     *Card
	maxBytes int
	conns    *fleet
	breaker  *breaker
	limiter  *limiter
	counters counters
	tempo    *tempo
	budget   *budget
	// collapse is nil where nothing is watched.
	collapse *collapse
	// latencies are measured for hedging; nil: there is none. hedging counts those that are under way.
	latencies *latencies
	hedging   sync.WaitGroup
	observer  Observer
	log       *slog.Logger
	guard     defect.Guard
	alarm     sync.Once

	tongue   tongue
	ready    recent[bool]
	metadata recent[*inference.ModelMetadataResponse]

	// life ends with Close; probes run in it, not in the call that happened to ask first.
	life context.Context
	end  context.CancelFunc
}

// Dial makes the backend that the configuration calls name. It connects when the first call needs it, so that a model server
// that is down doesn't keep the gateway from starting. Errors are about the configuration and name the field.
func Dial(name string, cfg *candorv1.Backend, o Options) (*Backend, error) {
	set, err := compileSettings(cfg)
	if err != nil {
		return nil, fmt.Errorf("backends.%s.%w", name, err)
	}
	card, err := CompileCard(cfg.GetCard())
	if err != nil {
		return nil, fmt.Errorf("backends.%s.card.%w", name, err)
	}
	if o.MaxMessageBytes == 0 {
		o.MaxMessageBytes = defaultMaxMessageBytes
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Lookup == nil {
		o.Lookup = net.DefaultResolver.LookupHost
	}
	b := &Backend{
		name: name, set: set, card: card, maxBytes: o.MaxMessageBytes,
		limiter: newLimiter(int(set.maxInFlight), set.adaptive), tempo: newTempo(set.minTimeout, set.timeout), budget: newBudget(set.retry.budget), observer: o.Observer,
		log: o.Logger.With("backend", name, "model", set.model, "version", set.version),
	}
	b.guard = defect.Guard{Log: b.log, Count: o.Panicked}
	if set.hedge > 0 {
		b.latencies = new(latencies)
	}
	b.collapse = newCollapse(set.collapse)
	b.ready.ttl, b.metadata.ttl = readyTTL, metadataTTL
	probed := func(p any) error { return b.defect("a probe", p) }
	b.ready.defect, b.metadata.defect, b.tongue.detected.defect = probed, probed, probed
	b.tongue.begin(set.dialect)
	b.life, b.end = context.WithCancel(context.Background())
	if b.conns, err = b.connect(cfg.GetTls(), o); err != nil {
		b.end()
		return nil, fmt.Errorf("backends.%s.%w", name, err)
	}
	// Whoever changes the breaker's state tells of it, in the middle of a call or of what watches one: neither may break off there.
	b.breaker = newBreaker(name, set.breaker, set.timeout, func(from, to candorv1.BreakerState) {
		b.guard.Whole("telling of a breaker's change", func() { b.breakerChanged(from, to) })
	})
	b.breaker.guard = b.guard
	return b, nil
}

// Close ends the connections and the calls on them, which fail as Excluded. It waits for probes of ours, not for Infer.
func (b *Backend) Close() error {
	b.end()
	err := b.conns.close()
	b.hedging.Wait()
	b.ready.wait()
	b.metadata.wait()
	b.tongue.detected.wait()
	return err
}

// Name is the backend's name in the configuration.
func (b *Backend) Name() string { return b.name }

// Model is the model's name on the server.
func (b *Backend) Model() string { return b.set.model }

// Version is the pinned version.
func (b *Backend) Version() string { return b.set.version }

// Address is where the configuration says that the model servers are. It is for operators: callers never see it.
func (b *Backend) Address() string { return b.set.place.String() }

// Card is what the model is.
func (b *Backend) Card() *Card { return b.card }

// Timeout is the longest attempt.
func (b *Backend) Timeout() time.Duration { return b.set.timeout }

// Usual is a time in which nearly all of its answers come, and at least min_timeout; false: nothing has been measured.
func (b *Backend) Usual() (time.Duration, bool) { return b.tempo.usual() }

// UnsureBelow is the confidence below which a row counts as unsure in a Verdict; 0: nobody asks.
func (b *Backend) UnsureBelow() float64 { return b.set.collapse.below }

// Fastest is the least time that an answer of the last half to whole minute took; false: there was none.
func (b *Backend) Fastest(now time.Time) (time.Duration, bool) { return b.tempo.fastest(now) }

func (b *Backend) breakerChanged(from, to candorv1.BreakerState) {
	level, last, why := slog.LevelInfo, b.counters.lastFailure(), ""
	if to == candorv1.BreakerState_BREAKER_STATE_OPEN {
		level, why = slog.LevelWarn, last
	}
	b.log.Log(context.Background(), level, "breaker changed", "from", from.String(), "to", to.String(), "last_failure", last)
	b.conns.history.changed(to, why)
	if to == candorv1.BreakerState_BREAKER_STATE_CLOSED {
		b.limiter.reset()
	}
	if b.observer != nil {
		b.observer.BreakerChanged(b.name, from, to)
	}
}
