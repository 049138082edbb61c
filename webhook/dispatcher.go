package webhook

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/candor-gateway/candor/internal/defect"
)

// How much is sent at once. Every endpoint has a slot of its own, so that others that hang can't take its last; more come from a
// pool that all share.
const (
	sharedSlots      = 64
	slotsPerEndpoint = 8
)

const (
	// pollEvery is how late what another gateway did is noticed: a lease that it left, an endpoint that it enabled.
	pollEvery = 15 * time.Second
	// feedPage is how many entries of the feed become deliveries in one transaction.
	feedPage = 256
	// leaseMargin beyond the timeout of an attempt is for storing what came of it.
	leaseMargin = storeTime
	// drainTime is how long deliveries under way may go on after the stop; one that takes longer is left to its lease.
	drainTime = 5 * time.Second
	// storeTime bounds the storing of a result, which is worth waiting for.
	storeTime = 10 * time.Second
)

// Outcome of an attempt, for metrics.
type Outcome string

// Outcomes.
const (
	Delivered Outcome = "delivered"
	Retried   Outcome = "retried"
	Failed    Outcome = "failed"
)

// Options are what a Dispatcher is made of. All but Observe and Panicked are required.
type Options struct {
	Store  Store
	Feed   Feed
	Sender *Sender
	// Targets by endpoint.
	Targets map[string]Target
	Log     *slog.Logger
	// Observe is told of every attempt whose result is stored; nil: nobody is. It is called from many goroutines.
	Observe func(endpoint string, o Outcome)
	// Panicked is called once for each panic, which the log has, by any goroutine; nil: nobody is told.
	Panicked func()
}

// Dispatcher sends what is in the feed. It is made by NewDispatcher and works in Run, once.
type Dispatcher struct {
	Options
	poll     time.Duration
	shared   chan struct{}
	couriers map[string]*courier
}

// NewDispatcher makes one, and starts nothing. Every target must be known to the store (OpenWebhook).
func NewDispatcher(o Options) *Dispatcher {
	if o.Observe == nil {
		o.Observe = func(string, Outcome) {}
	}
	d := &Dispatcher{Options: o, poll: pollEvery, shared: make(chan struct{}, sharedSlots), couriers: map[string]*courier{}}
	for name, t := range o.Targets {
		log := o.Log.With(slog.String("webhook", name))
		d.couriers[name] = &courier{
			d: d, name: name, target: t, log: log, guard: defect.Guard{Log: log, Count: o.Panicked},
			wake: make(chan struct{}, 1), freed: make(chan struct{}, 1),
		}
	}
	return d
}

// Wake makes the endpoint look at once for what a person has changed. A name that isn't known is nobody's.
func (d *Dispatcher) Wake(name string) {
	if c := d.couriers[name]; c != nil {
		poke(c.wake)
	}
}

// poke wakes whoever reads from a channel with room for one.
func poke(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
		// They are awake or about to be.
	}
}

// Run sends until ctx ends, and then lets what is under way finish for a short time. What doesn't is sent again by whoever comes
// next, under the same id, once its lease is over.
func (d *Dispatcher) Run(ctx context.Context) {
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var wg sync.WaitGroup
	for _, c := range d.couriers {
		wg.Go(func() { c.guard.Lasting(ctx, "webhook: a courier", func() { c.run(ctx, sending) }) })
	}
	<-ctx.Done()
	timer := time.AfterFunc(drainTime, stop)
	defer timer.Stop()
	wg.Wait()
}
