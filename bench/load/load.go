// Package load is a load generator for one gRPC method that writes and reads HTTP/2 frames itself, so that it takes little of
// the machine that it shares with what is measured. It has two modes: a closed loop keeps a number of requests in flight, an
// open loop sends at a fixed rate whatever comes back, and counts a request's time from the moment when it was to be sent.
// Every answer is checked.
package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Options of a run. Addr, Method, Message, Check, Window, Connections and one of InFlight and Rate are needed.
type Options struct {
	Addr string
	// Method is the full name of the method, with slashes.
	Method string
	// Message is the encoded request. It is sent again and again, and not changed.
	Message []byte
	// Check says what is wrong with the message of an answer, which is valid until it returns. It may be called by several
	// goroutines at once.
	Check func(message []byte) error

	Connections int
	// InFlight is how many requests are kept in flight, over all connections.
	InFlight int
	// Rate, when not 0, makes an open loop of so many requests a second.
	Rate int

	// Warmup comes before the window, in which requests are counted that end there. A window in which none has ended lasts until
	// one has.
	Warmup, Window time.Duration

	// Edge, when not nil, is called at the begin and at the end of the window.
	Edge func(end bool)
}

// Result is what came of a run.
type Result struct {
	// Completed requests within the window, of any outcome, and how long the window was between its two edges.
	Completed uint64
	Elapsed   time.Duration
	// Total requests that were answered, the warm-up's and the last ones' included.
	Total uint64
	// Failed of all requests, the warm-up's included; FirstError is the first one's.
	Failed     uint64
	FirstError error
	// Latencies of the requests that ended within the window, in no order. In an open loop from the intended send time, so
	// that a server that stalls is charged for the requests that it kept from being sent (no coordinated omission).
	Latencies []time.Duration
}

// drainTime is how long requests in flight may take after the window: more than anything that still works takes.
const drainTime = 20 * time.Second

// run is the state that the connections share.
type run struct {
	o         Options
	began     time.Time
	conns     []*conn
	completed atomic.Uint64
	failed    atomic.Uint64
	counting  atomic.Bool
	stopping  atomic.Bool

	mu    sync.Mutex
	first error
}

// Run makes a run. Its error is about a run that could not be made or was cut short; answers that are wrong are in the Result.
func Run(ctx context.Context, o Options) (Result, error) {
	if o.Rate == 0 && o.InFlight < o.Connections {
		return Result{}, fmt.Errorf("%d requests in flight on %d connections: give every connection one at least", o.InFlight, o.Connections)
	}
	r := &run{o: o, began: time.Now()}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wait sync.WaitGroup
	defer func() {
		for _, c := range r.conns {
			_ = c.nc.Close()
		}
		wait.Wait()
	}()
	for i := range o.Connections {
		c, err := r.dial(ctx)
		if err != nil {
			return Result{}, err
		}
		r.conns = append(r.conns, c)
		if o.Rate == 0 {
			c.target = share(o.InFlight, o.Connections, i)
		}
	}
	for _, c := range r.conns {
		wait.Go(func() {
			if err := c.loop(); !r.stopping.Load() || !c.idle() {
				cancel(fmt.Errorf("connection to %s: %w", o.Addr, err))
			}
		})
	}
	if o.Rate > 0 {
		wait.Go(func() {
			if err := r.pace(ctx); err != nil {
				cancel(err)
			}
		})
	}
	return r.measure(ctx)
}

// share is the ith of n parts of total that differ by one at most.
func share(total, n, i int) int { return total*(i+1)/n - total*i/n }

// measure waits for the window to pass.
func (r *run) measure(ctx context.Context) (Result, error) {
	if err := sleep(ctx, r.o.Warmup); err != nil {
		return Result{}, err
	}
	edge := func(end bool) (time.Time, uint64) {
		if r.o.Edge != nil {
			r.o.Edge(end)
		}
		return time.Now(), r.completed.Load()
	}
	r.counting.Store(true)
	start, before := edge(false)
	if err := sleep(ctx, r.o.Window); err != nil {
		return Result{}, err
	}
	if err := r.awaitOne(ctx, before); err != nil {
		return Result{}, err
	}
	end, after := edge(true)
	r.counting.Store(false)
	r.stopping.Store(true)
	drained := r.drain(ctx)
	result := Result{Completed: after - before, Elapsed: end.Sub(start), Total: r.completed.Load(), Failed: r.failed.Load()}
	for _, c := range r.conns {
		c.mu.Lock()
		result.Latencies = append(result.Latencies, c.latencies...)
		c.mu.Unlock()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	result.FirstError = r.first
	return result, drained
}

// awaitOne makes the window longer, up to a bound, until a request has ended in it: a figure per request needs one.
func (r *run) awaitOne(ctx context.Context, before uint64) error {
	const again = 10 * time.Millisecond
	for waited := time.Duration(0); r.completed.Load() == before && waited < drainTime; waited += again {
		if err := sleep(ctx, again); err != nil {
			return err
		}
	}
	return nil
}

// drain waits for what is in flight.
func (r *run) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, drainTime, fmt.Errorf("requests to %s were still in flight %v after the last was sent", r.o.Addr, drainTime))
	defer cancel()
	for _, c := range r.conns {
		select {
		case <-c.drained():
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// fail counts a request that did not end as it should.
func (r *run) fail(err error) {
	r.failed.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil {
		r.first = err
	}
}

// now is the time since the run began.
func (r *run) now() time.Duration { return time.Since(r.began) }

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx))
	}
}
