package backend

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/defect"
)

// fleet is whom a backend's calls go to: the connections of its one model server, or its replicas. Safe for concurrent use.
//
// A backend with one address has no replicas: nothing watches it, and its breaker is all that judges it.
type fleet struct {
	set replicaSettings
	// patience is how long a call lasts at most.
	patience time.Duration
	log      *slog.Logger
	guard    defect.Guard
	// dial makes the connections to a replica, which connect later.
	dial func(address string) (conns, error)
	// ask asks a replica whether its model is ready. It returns soon after ctx ends.
	ask func(ctx context.Context, r *replica) saying
	// lookup is nil unless the addresses come from a name.
	lookup func(ctx context.Context) ([]string, error)
	// look may hold one signal: look the name up now.
	look chan struct{}
	born time.Time
	// history of the backend, the breaker's included.
	history history

	now atomic.Pointer[roster]

	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu sync.Mutex
	// all, by address, are those whose address hasn't vanished; draining the others, until they have finished.
	all, draining []*replica
	only          conns
	watched       bool
	closed        bool
}

// newFleet makes a fleet without replicas, which needs addresses or only before it is used.
func newFleet(set replicaSettings, patience time.Duration, log *slog.Logger) *fleet {
	f := &fleet{set: set, patience: patience, log: log, born: time.Now(), look: make(chan struct{}, 1)}
	f.life, f.end = context.WithCancel(context.Background())
	return f
}

// age is now, as tallies count it.
func (f *fleet) age(now time.Time) time.Duration { return now.Sub(f.born) }

// take chooses a connection for one call, which is to be released after it. What became of it is for the connection's heard.
func (f *fleet) take() *sharedConn { return f.takeOther() }

// takeOther is take, of a replica other than those in tried where there is another.
func (f *fleet) takeOther(tried ...*replica) *sharedConn {
	for {
		who := f.now.Load()
		if who.only != nil {
			return who.only.take()
		}
		if !who.watched {
			f.watch()
		}
		if len(who.returning) > 0 {
			if c := f.trial(tried); c != nil {
				return c
			}
		}
		c := who.choose(tried...).conns.take()
		if !c.replica.gone.Load() {
			return c
		}
		// Its address vanished after the roster was read, and it may be closed before the call is made.
		c.release()
	}
}

// trial takes a connection of a replica that is returning and has no call in flight; nil: there is none. What it carries for longer
// than any call lasts is a stream, which may be idle, and is not waited for.
func (f *fleet) trial(tried []*replica) *sharedConn {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for _, r := range f.now.Load().returning {
		if (r.conns.inFlight() == 0 || now.Sub(r.tried) >= f.patience) && !isAmong(r, tried) {
			r.tried = now
			return r.conns.take()
		}
	}
	return nil
}

// Invoke makes fleet a grpc.ClientConnInterface, for generated clients.
func (f *fleet) Invoke(ctx context.Context, method string, in, out any, opts ...grpc.CallOption) error {
	c := f.take()
	defer c.release()
	return c.Invoke(ctx, method, in, out, opts...)
}

// setAddresses makes these the replicas. Those that are new are connected to; those that have vanished finish what they have.
func (f *fleet) setAddresses(addresses []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	var errs []error
	var stay, gone []*replica
	for _, r := range f.all {
		if slices.Contains(addresses, r.address) {
			stay = append(stay, r)
		} else {
			gone = append(gone, r)
		}
	}
	for _, address := range addresses {
		if slices.ContainsFunc(stay, func(r *replica) bool { return r.address == address }) {
			continue
		}
		cs, err := f.dial(address)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		r := newReplica(f, address, cs)
		stay = append(stay, r)
		if f.watched {
			f.keep(r)
		}
		if f.now.Load() != nil {
			f.log.Info("replica found", "replica", address)
			f.history.note(candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_FOUND, address, "")
		}
	}
	if len(stay) == 0 {
		// Nobody is worse than those that may have vanished.
		return errors.Join(errs...)
	}
	slices.SortFunc(stay, func(a, b *replica) int { return strings.Compare(a.address, b.address) })
	f.all = stay
	f.renew()
	for _, r := range gone {
		f.log.Info("replica vanished; it finishes its calls", "replica", r.address, "in_flight", r.conns.inFlight())
		f.history.note(candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_VANISHED, r.address, "")
		f.draining = append(f.draining, r)
		r.gone.Store(true)
		r.stop()
		f.lasting("draining a replica", func() { f.drain(r) })
	}
	return errors.Join(errs...)
}

// drain closes a replica's connections when its last call has ended. None is begun any more: whoever took a connection before the
// address vanished has been counted by now, and whoever takes one later gives it back.
func (f *fleet) drain(r *replica) {
	for r.conns.carried() > 0 {
		select {
		case <-r.drained:
		case <-f.life.Done():
			return // close closes them
		}
	}
	f.mu.Lock()
	f.draining = slices.DeleteFunc(f.draining, func(other *replica) bool { return other == r })
	f.mu.Unlock()
	if err := r.conns.close(); err != nil {
		f.log.Debug("connections of a vanished replica", "replica", r.address, "error", err)
	}
}

// renew needs mu, and puts what has changed into force.
func (f *fleet) renew() {
	if f.only != nil {
		f.now.Store(&roster{only: f.only})
		return
	}
	w := f.roster()
	if before := f.now.Load(); before != nil && before.panicking != w.panicking {
		if w.panicking {
			f.log.Warn("most replicas are ejected: all get calls", "replicas", len(f.all))
			f.history.note(candorv1.BackendEventKind_BACKEND_EVENT_KIND_PANIC_BEGAN, "", "")
		} else {
			f.log.Info("ejection is in force again")
			f.history.note(candorv1.BackendEventKind_BACKEND_EVENT_KIND_PANIC_ENDED, "", "")
		}
	}
	f.now.Store(w)
}

// status is how the replicas are; none where there is one address.
func (f *fleet) status() (replicas []ReplicaStatus, panicking bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range slices.Concat(f.all, f.draining) {
		replicas = append(replicas, r.status())
	}
	return replicas, f.now.Load().panicking
}

// close ends all connections, the calls on them, and what watches them.
func (f *fleet) close() error {
	f.mu.Lock()
	f.closed = true
	f.end()
	errs := []error{f.only.close()}
	for _, r := range slices.Concat(f.all, f.draining) {
		errs = append(errs, r.conns.close())
	}
	f.mu.Unlock()
	f.work.Wait()
	return errors.Join(errs...)
}
