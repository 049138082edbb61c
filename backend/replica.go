package backend

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// replica is one of several model servers behind a backend.
type replica struct {
	address string
	fleet   *fleet
	conns   conns

	// gone: its address has vanished, and it gets no new call. It is set after the roster without it is in force.
	gone atomic.Bool
	// drained may hold one signal: a call of a gone replica has ended.
	drained chan struct{}
	// poke may hold one signal: something changed that its keeper should look at.
	poke chan struct{}
	// stop ends what watches it.
	life context.Context
	stop context.CancelFunc

	// For Status, since it is known.
	calls, failures atomic.Int64
	// onTrial: it is returning, and each good answer counts.
	onTrial atomic.Bool

	// tempo is how long its answers take.
	tempo *tempo

	tallyMu sync.Mutex
	tally   tally
	pace    pace
	// slow is since when it has been found slow every time; zero: it isn't.
	slow time.Time
	// row is how many of its calls failed since the last good answer.
	row int
	// since: calls that began before say nothing any more.
	since time.Time

	standing // guarded by fleet.mu
}

// standing is what is known of a replica.
type standing struct {
	link  link
	ready readiness
	// silent is how often in a row it has not answered whether it is ready.
	silent int
	// state of ejection: in service, ejected until, or returning with a number of good answers.
	ejected, returning bool
	until              time.Time
	good               int
	// tried is when it got its last call while it was returning.
	tried time.Time
	// times is by how much the next ejection is longer; back is when it was last let in again.
	times int
	back  time.Time
	// ejections is how often in all.
	ejections int64
	// why it is ejected, or why it isn't ready.
	why, unready string
}

// link is the state of a replica's first connection.
type link int

const (
	linkUnknown link = iota
	linkUp
	linkDown
)

// readiness is what a replica said when it was asked.
type readiness int

const (
	readyUnknown readiness = iota
	readyYes
	readyNo
	// readySilent: no answer came.
	readySilent
)

func newReplica(f *fleet, address string, cs conns) *replica {
	r := &replica{address: address, fleet: f, conns: cs, drained: make(chan struct{}, 1), poke: make(chan struct{}, 1), tempo: new(tempo)}
	r.life, r.stop = context.WithCancel(f.life)
	for _, c := range cs {
		c.replica = r
	}
	return r
}

// present says that it can be called: there is a connection, and the model is ready.
func (s *standing) present() bool { return s.link == linkUp && s.ready == readyYes }

// unknown says that nothing speaks against it, nor for it yet.
func (s *standing) unknown() bool {
	return s.link != linkDown && (s.ready == readyUnknown || s.ready == readyYes)
}

// released notes that a call has ended.
func (r *replica) released() {
	if r.gone.Load() {
		signal(r.drained)
	}
}

// heard counts what became of a call that began then. Only failures of class Failed count against a replica: what clients do wrong
// neither does, nor outvotes the failures of others.
func (r *replica) heard(o outcome, began time.Time) {
	if o != succeeded && o != failed {
		return
	}
	now := time.Now()
	r.calls.Add(1)
	if o == failed {
		r.failures.Add(1)
	}
	row, current := r.count(o == failed, began, now)
	switch {
	case !current:
	case o == failed:
		r.fleet.failed(r, row, now)
	case r.onTrial.Load():
		r.fleet.succeeded(r, now)
	}
}

// isOutlier says that the replica gets no calls, while others are there that do.
func (r *replica) isOutlier() bool {
	f := r.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	who := f.now.Load()
	if who.panicking || !who.pick[0].present() {
		return false
	}
	return r.gone.Load() || r.ejected || !r.present()
}

// count tallies a call, and answers the failures in a row, and whether the call says anything about the replica as it is now.
func (r *replica) count(failed bool, began, now time.Time) (row int, current bool) {
	r.tallyMu.Lock()
	defer r.tallyMu.Unlock()
	if began.Before(r.since) {
		return 0, false
	}
	r.tally.add(r.fleet.age(now), r.fleet.set.window, failed)
	if failed {
		r.row++
	} else {
		r.row = 0
	}
	return r.row, true
}

// forget begins a new count: nothing from before now counts against it.
func (r *replica) forget(now time.Time) {
	r.tallyMu.Lock()
	defer r.tallyMu.Unlock()
	r.tally, r.pace, r.slow, r.row, r.since = tally{}, pace{}, time.Time{}, 0, now
}

// sum is what its calls within the window came to.
func (r *replica) sum(now time.Time) bucket {
	r.tallyMu.Lock()
	defer r.tallyMu.Unlock()
	return r.tally.sum(r.fleet.age(now), r.fleet.set.window)
}

// ReplicaStatus is how one of several replicas is.
type ReplicaStatus struct {
	Address  string
	State    candorv1.ReplicaState
	InFlight int64
	// Calls and Failures are those that say something about it: answers, and what counts against it.
	Calls, Failures, Ejections int64
	// EjectedUntil is zero unless it is ejected.
	EjectedUntil time.Time
	// Why it is in this state, for operators; empty while it serves.
	Why string
	// Usual is how long an answer takes, smoothed; 0: there was none.
	Usual time.Duration
}

// status needs fleet.mu.
func (r *replica) status() ReplicaStatus {
	s := ReplicaStatus{
		Address: r.address, InFlight: r.conns.inFlight(), Calls: r.calls.Load(), Failures: r.failures.Load(), Ejections: r.ejections,
	}
	s.Usual, _ = r.tempo.typical()
	switch {
	case r.gone.Load():
		s.State, s.Why = candorv1.ReplicaState_REPLICA_STATE_DRAINING, "its address has vanished"
	case r.link == linkDown:
		s.State, s.Why = candorv1.ReplicaState_REPLICA_STATE_UNREACHABLE, "there is no connection"
	case r.ejected:
		s.State, s.Why, s.EjectedUntil = candorv1.ReplicaState_REPLICA_STATE_EJECTED, r.why, r.until
	case r.ready == readyNo || r.ready == readySilent:
		s.State, s.Why = candorv1.ReplicaState_REPLICA_STATE_NOT_READY, r.unready
	case r.returning:
		s.State = candorv1.ReplicaState_REPLICA_STATE_RETURNING
		s.Why = fmt.Sprintf("%d of %d good answers; ejected before: %s", r.good, trialAnswers, r.why)
	case !r.present():
		s.State = candorv1.ReplicaState_REPLICA_STATE_CONNECTING
	default:
		s.State = candorv1.ReplicaState_REPLICA_STATE_SERVING
	}
	return s
}

// signal leaves a signal unless there is one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
