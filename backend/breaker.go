package backend

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/defect"
)

// windowBuckets divides the breaker's window, which slides by one bucket at a time. With one bucket it would not slide but
// start anew, and forget the calls in flight at that moment.
const windowBuckets = 10

// rowOfCalls times min_calls failures in a row open the breaker whatever their share.
const rowOfCalls = 2

// maxGrace bounds how long after its time a call may still report by itself.
const maxGrace = time.Second

// outcome is what a call tells the breaker.
type outcome int

const (
	// ignored counts neither way.
	ignored outcome = iota
	succeeded
	failed
	// alive counts as a success for a half-open breaker, and not at all for a closed one: a flood of bad input must not
	// outvote the failures of everybody else.
	alive
)

var (
	errFailed  = errors.New("failed")
	errIgnored = errors.New("ignored")
)

// breaker is gobreaker's two-step breaker with what it leaves to its user: every permit is reported exactly once, and
// changes of state are told outside of its lock.
type breaker struct {
	cb    *gobreaker.TwoStepCircuitBreaker[struct{}]
	grace time.Duration
	// guard of the watchdogs.
	guard defect.Guard

	// last is the state after the last change, a gobreaker.State. An open breaker that has waited long enough still shows as
	// open here; state tells the truth.
	last atomic.Int32
	// unbroken counts the failures since something last came back. Of a model server that dies while it is busy, the successes of the
	// window outvote the failures until the window has passed; in a row they speak for themselves.
	unbroken atomic.Int64
	// until is when it lets calls through again after it opened last, in nanoseconds since born; 0: it never opened.
	until atomic.Int64
	born  time.Time
	// opened counts closed→open, closed counts half-open→closed: an outage is one of each, however often probes fail.
	opened, closed atomic.Int64
	changes        changes
}

// newBreaker makes a closed breaker for calls of at most timeout. onChange may be nil.
func newBreaker(name string, s breakerSettings, timeout time.Duration, onChange func(from, to candorv1.BreakerState)) *breaker {
	b := &breaker{grace: min(timeout, maxGrace), born: time.Now(), changes: changes{tell: onChange}}
	b.cb = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         name,
		MaxRequests:  s.probes,
		Interval:     s.window,
		BucketPeriod: s.window / windowBuckets,
		Timeout:      s.openFor,
		// Requests counts calls in flight and ignored ones too; a share of failures must be one of calls that ended.
		ReadyToTrip: func(c gobreaker.Counts) bool {
			if b.unbroken.Load() >= rowOfCalls*int64(s.minCalls) {
				return true
			}
			ended := c.TotalSuccesses + c.TotalFailures
			return ended >= s.minCalls && float64(c.TotalFailures) >= s.failureRatio*float64(ended)
		},
		// Runs under gobreaker's lock: it only notes the change.
		OnStateChange: func(_ string, from, to gobreaker.State) {
			b.last.Store(int32(to))
			if to == gobreaker.StateOpen {
				b.until.Store(int64(time.Since(b.born) + s.openFor))
			}
			switch {
			case from == gobreaker.StateClosed && to == gobreaker.StateOpen:
				b.opened.Add(1)
			case to == gobreaker.StateClosed:
				b.closed.Add(1)
			}
			b.changes.add(change{stateOf(from), stateOf(to)})
		},
		IsExcluded: func(err error) bool { return errors.Is(err, errIgnored) },
	})
	return b
}

// state is the state now. Asking moves a breaker that has been open for long enough to half-open.
func (b *breaker) state() candorv1.BreakerState {
	s := b.cb.State()
	b.changes.flush()
	return stateOf(s)
}

// left is how long one who was refused should wait: until an open breaker lets calls through again, and a little where it does, but not
// more of them at this moment.
func (b *breaker) left() time.Duration {
	return max(retrySoonest, time.Duration(b.until.Load())-time.Since(b.born))
}

// allow asks for permission to make a call that lasts at most limit; nil: refused.
func (b *breaker) allow(limit time.Duration) *permit {
	done, err := b.cb.Allow()
	probe := gobreaker.State(b.last.Load()) == gobreaker.StateHalfOpen
	b.changes.flush()
	if err != nil {
		return nil
	}
	p := &permit{breaker: b, done: done, probe: probe}
	if probe {
		p.watchdog = time.AfterFunc(limit+b.grace, func() { b.guard.Whole("watching a probe", p.expire) })
	}
	return p
}

// permit is the permission for one call. Half-open has no expiry in gobreaker: a probe that never reports would block it for
// ever. So a watchdog reports for a probe that has wedged beyond its time; another call that does is only late to report.
type permit struct {
	breaker  *breaker
	done     func(error)
	probe    bool
	once     sync.Once
	watchdog *time.Timer // of a probe
	// answered says that the model server has answered: wedging after that is not its fault.
	answered atomic.Bool
}

// report tells the breaker the outcome. Only the first report of a permit counts.
func (p *permit) report(o outcome) {
	if p.watchdog != nil {
		p.watchdog.Stop()
	}
	p.settle(o)
}

func (p *permit) expire() {
	if p.answered.Load() {
		p.settle(ignored)
		return
	}
	p.settle(failed)
}

func (p *permit) settle(o outcome) {
	p.once.Do(func() {
		switch o {
		case failed:
			p.breaker.unbroken.Add(1)
		case succeeded, alive:
			p.breaker.unbroken.Store(0)
		}
		switch {
		case o == succeeded, o == alive && p.probe:
			p.done(nil)
		case o == failed:
			p.done(errFailed)
		default:
			p.done(errIgnored)
		}
	})
	p.breaker.changes.flush()
}

// stateOf translates gobreaker's state.
func stateOf(s gobreaker.State) candorv1.BreakerState {
	switch s {
	case gobreaker.StateClosed:
		return candorv1.BreakerState_BREAKER_STATE_CLOSED
	case gobreaker.StateHalfOpen:
		return candorv1.BreakerState_BREAKER_STATE_HALF_OPEN
	case gobreaker.StateOpen:
		return candorv1.BreakerState_BREAKER_STATE_OPEN
	}
	return candorv1.BreakerState_BREAKER_STATE_UNSPECIFIED
}

// change is one change of state.
type change struct{ from, to candorv1.BreakerState }

// changes hands changes of state on in order and outside of every lock. Whoever finds nobody handing on does it for all.
type changes struct {
	tell func(from, to candorv1.BreakerState)

	mu      sync.Mutex
	pending []change
	busy    bool
	// some: there are any pending.
	some atomic.Bool
}

func (c *changes) add(ch change) {
	if c.tell == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = append(c.pending, ch)
	c.some.Store(true)
}

func (c *changes) flush() {
	if !c.some.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy {
		return
	}
	c.busy = true
	defer func() { c.busy = false }()
	for len(c.pending) > 0 {
		ch := c.pending[0]
		c.pending = c.pending[1:]
		c.some.Store(len(c.pending) > 0)
		c.handOn(ch)
	}
}

// handOn is called with the lock held, and tells without it.
func (c *changes) handOn(ch change) {
	c.mu.Unlock()
	defer c.mu.Lock()
	c.tell(ch.from, ch.to)
}
