package backend

import (
	"sync"
	"sync/atomic"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Status is how a backend is, counted since Dial.
type Status struct {
	// Breaker is the state now.
	Breaker candorv1.BreakerState
	// Speech is how the model server is spoken with.
	Speech *Speech
	// InFlight calls of at most Limit, which is measured; Queued wait for a place.
	InFlight, Limit, Queued int64
	// MaxInFlight is the configuration's bound; Limit lies below it where it is Measured. Waited are calls that got a place after they had waited for it.
	MaxInFlight, Waited int64
	Measured            bool
	// Usual is how long an answer takes, smoothed; 0: there was none.
	Usual time.Duration
	// HedgePercentile is the share of answers after whose time a second attempt is made; 0: never. HedgeAfter is that time now; 0: too few are known.
	HedgePercentile float64
	HedgeAfter      time.Duration
	// Events are what happened, newest first. BreakerTime is when the breaker last changed; zero: never.
	Events      []Event
	BreakerTime time.Time
	// ShedLow, ShedNormal and ShedHigh were refused a place, by the priority of their callers.
	ShedLow, ShedNormal, ShedHigh int64
	// Consumers are those that have, or had, calls at the backend, by name; without a name those that are not remembered.
	Consumers []ConsumerLoad
	// Calls were made to the model server. Failures are those of class Failed, or whose answer broke the card for a row;
	// ContractFailures are the ones among them that broke the card.
	Calls, Failures, ContractFailures int64
	// Overloads and Excluded are calls of these classes; both count calls that weren't made, too.
	Overloads, Excluded int64
	// Refused are calls that an open breaker didn't let through.
	Refused int64
	// Retries were made; RetriesUnaffordable are those that the budget refused. BudgetLeft is how many it allows now.
	Retries, RetriesUnaffordable, BudgetLeft int64
	// Hedges were made; HedgesWon answered before the attempt that they stood beside, HedgesLost ended otherwise.
	Hedges, HedgesWon, HedgesLost int64
	// UnsureFailures are answers that counted against the model server because it was suddenly unsure. They are in no other count.
	UnsureFailures int64
	// Opened and Closed count outages: from closed to open, and back to closed. A probe that fails is in neither.
	Opened, Closed int64
	// LastFailure is the message of the newest of Failures, at LastFailureTime; empty: none yet.
	LastFailure     string
	LastFailureTime time.Time
	// Replicas are those of a backend with several, by address. Panicking: so many are ejected that ejection is ignored.
	Replicas  []ReplicaStatus
	Panicking bool
	// Alarm says what in the configuration is probably wrong; empty: nothing known.
	Alarm string
}

// Status answers how the backend is now. It asks the breaker, which is how an open one becomes half-open without a call.
func (b *Backend) Status() Status {
	s := Status{Breaker: b.breaker.state(), Speech: b.Speech()}
	b.limiter.fill(&s)
	s.Replicas, s.Panicking = b.conns.status()
	b.counters.fill(&s)
	s.Retries, s.RetriesUnaffordable, s.BudgetLeft = b.counters.retries.Load(), b.counters.unaffordable.Load(), b.budget.left(time.Now())
	s.Hedges, s.HedgesWon, s.HedgesLost = b.counters.hedges.Load(), b.counters.hedgesWon.Load(), b.counters.hedgesLost.Load()
	s.UnsureFailures = b.counters.unsure.Load()
	s.Usual, _ = b.tempo.typical()
	if b.latencies != nil {
		s.HedgePercentile = b.set.hedge
		s.HedgeAfter, _ = b.latencies.percentile(time.Now(), b.set.hedge)
	}
	s.Events, s.BreakerTime = b.conns.history.since(time.Time{})
	s.Opened, s.Closed = b.breaker.opened.Load(), b.breaker.closed.Load()
	return s
}

// counters count what Status shows.
type counters struct {
	calls, failures, contract    atomic.Int64
	overloads, excluded, refused atomic.Int64
	retries, unaffordable        atomic.Int64
	hedges, hedgesWon            atomic.Int64
	hedgesLost, unsure           atomic.Int64

	mu       sync.Mutex
	last     string
	lastTime time.Time
	alarm    string
}

// count counts one ended call; f is nil when there is an answer.
func (c *counters) count(f *Failure, v Verdict) {
	if f == nil {
		c.calls.Add(1)
		if v.BadRows > 0 {
			c.contract.Add(1)
			c.fail(v.Detail)
		}
		return
	}
	c.calls.Add(int64(f.Attempts))
	switch {
	case f.lost:
	case f.Reason == candorv1.Reason_REASON_BREAKER_OPEN:
		c.refused.Add(1)
	case f.Class == Failed:
		if f.Reason == candorv1.Reason_REASON_CONTRACT_FAILURE {
			c.contract.Add(1)
		}
		c.fail(f.Message)
	case f.Class == Overload:
		c.overloads.Add(1)
	case f.Class == Excluded:
		c.excluded.Add(1)
	}
}

func (c *counters) fail(message string) {
	c.failures.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.lastTime = message, time.Now()
}

func (c *counters) lastFailure() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

func (c *counters) setAlarm(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.alarm = text
}

func (c *counters) fill(s *Status) {
	s.Calls, s.Failures, s.ContractFailures = c.calls.Load(), c.failures.Load(), c.contract.Load()
	s.Overloads, s.Excluded, s.Refused = c.overloads.Load(), c.excluded.Load(), c.refused.Load()
	c.mu.Lock()
	defer c.mu.Unlock()
	s.LastFailure, s.LastFailureTime, s.Alarm = c.last, c.lastTime, c.alarm
}
