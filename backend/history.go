package backend

import (
	"slices"
	"sync"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Event is one thing that happened to a backend. It is for operators: callers never see it.
type Event struct {
	Time time.Time
	Kind candorv1.BackendEventKind
	// Replica is the address of the one that it happened to; empty: to all.
	Replica string
	// Why; empty: the kind says all.
	Why string
}

// historyEach is how many events of the breaker are kept, and how many of replicas: those that flap must not push out an outage.
const historyEach = 32

// history keeps what last happened to a backend. Safe for concurrent use.
type history struct {
	mu       sync.Mutex
	breaker  ring
	replicas ring
}

// ring keeps the newest events. The zero ring is empty.
type ring struct {
	events [historyEach]Event
	n      int
}

func (r *ring) add(e Event) {
	r.events[r.n%historyEach] = e
	r.n++
}

// all are the events, in no order.
func (r *ring) all() []Event { return r.events[:min(r.n, historyEach)] }

func (h *history) changed(to candorv1.BreakerState, why string) {
	kind := map[candorv1.BreakerState]candorv1.BackendEventKind{
		candorv1.BreakerState_BREAKER_STATE_OPEN:      candorv1.BackendEventKind_BACKEND_EVENT_KIND_BREAKER_OPENED,
		candorv1.BreakerState_BREAKER_STATE_HALF_OPEN: candorv1.BackendEventKind_BACKEND_EVENT_KIND_BREAKER_HALF_OPENED,
		candorv1.BreakerState_BREAKER_STATE_CLOSED:    candorv1.BackendEventKind_BACKEND_EVENT_KIND_BREAKER_CLOSED,
	}[to]
	h.mu.Lock()
	defer h.mu.Unlock()
	h.breaker.add(Event{Time: time.Now(), Kind: kind, Why: why})
}

// note keeps an event of a replica, or of all of them where the address is empty.
func (h *history) note(kind candorv1.BackendEventKind, replica, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.replicas.add(Event{Time: time.Now(), Kind: kind, Replica: replica, Why: why})
}

// since are the events from a moment on, newest first, and when the breaker last changed, whenever that was.
func (h *history) since(from time.Time) (events []Event, breaker time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.breaker.all() {
		if e.Time.After(breaker) {
			breaker = e.Time
		}
		if !e.Time.Before(from) {
			events = append(events, e)
		}
	}
	for _, e := range h.replicas.all() {
		if !e.Time.Before(from) {
			events = append(events, e)
		}
	}
	slices.SortStableFunc(events, func(a, b Event) int { return b.Time.Compare(a.Time) })
	return events, breaker
}

// EventsSince are what happened from a moment on, newest first, as far as it is kept.
func (b *Backend) EventsSince(from time.Time) []Event {
	events, _ := b.conns.history.since(from)
	return events
}
