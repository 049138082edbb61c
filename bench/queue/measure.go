package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/candor-gateway/candor/bench/stat"
)

// held is an item that somebody has claimed.
type held struct {
	id    string
	epoch uint64
}

// errEmpty: no item is left.
var errEmpty = errors.New("the queue is empty")

// subject is a queue that is measured. Everything but fill is called by many goroutines at once; person counts from 0.
type subject interface {
	// fill puts n new items into a queue.
	fill(ctx context.Context, queue string, n int) error
	// claim leases the next item to a person, durably. Errors: errEmpty.
	claim(ctx context.Context, person int, queue string) (held, error)
	// finish gives a person's verdict, which is final and durable on nil.
	finish(ctx context.Context, person int, h held) error
}

// What is counted.
const (
	claims = "claims" // an item is leased, and stays so
	cycles = "cycles" // an item is leased, and its verdict is stored and final
	jobs   = "jobs"   // River: a job is fetched, worked and completed
)

// Sample is one measurement.
type Sample struct {
	Subject string `json:"subject"`
	Unit    string `json:"unit"`
	People  int    `json:"people"`
	Round   int    `json:"round"`
	// Done within Seconds; Left says how many items there still were.
	Done    int     `json:"done"`
	Left    int     `json:"left"`
	Seconds float64 `json:"seconds"`
	// Milliseconds that one claim, or one cycle, took. River's batches have no such thing.
	P50 float64 `json:"p50_ms,omitempty"`
	P99 float64 `json:"p99_ms,omitempty"`
}

func (s *Sample) perSecond() float64 { return float64(s.Done) / s.Seconds }

// cell is a thing to measure in each round. make measures it.
type cell struct {
	subject, unit string
	people        int
	measure       func(ctx context.Context, round int) (Sample, error)
}

func (c *cell) name() string { return fmt.Sprintf("%s %s %d", c.subject, c.unit, c.people) }

// rounds measures every cell once a round, in a random order.
func (b *bench) rounds(ctx context.Context) ([]Sample, error) {
	rng := rand.New(rand.NewPCG(b.o.seed, 0))
	var samples []Sample
	for round := range b.o.rounds {
		for _, i := range rng.Perm(len(b.cells)) {
			c := &b.cells[i]
			s, err := c.measure(ctx, round)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", c.name(), err)
			}
			s.Subject, s.Unit, s.People, s.Round = c.subject, c.unit, c.people, round
			fmt.Fprintf(os.Stderr, "round %d  %-17s %-6s %4d  %8.0f a second\n", round+1, s.Subject, s.Unit, s.People, s.perSecond())
			samples = append(samples, s)
		}
	}
	return samples, nil
}

const (
	// firstFill is how many items wait when it isn't known yet how fast they go.
	firstFill = 2000
	// A measurement of which nobody knows the speed better finds fillShare times what the one before did in its window, within bounds.
	fillShare = 1.5
	minFill   = 500
	maxFill   = 10_000
)

// queued makes the cell of a subject. Each measurement has a queue of its own, of which name answers the next.
func (b *bench) queued(name string, s subject, unit string, people int, queue func() string) cell {
	fill := firstFill
	if b.o.short {
		fill = minFill
	}
	return cell{name, unit, people, func(ctx context.Context, _ int) (Sample, error) {
		q := queue()
		if err := s.fill(ctx, q, fill); err != nil {
			return Sample{}, fmt.Errorf("fill the queue: %w", err)
		}
		sample, err := crowd(ctx, s, q, unit, people, b.o.window)
		sample.Left = fill - sample.Done
		fill = min(max(int(fillShare*sample.perSecond()*b.o.window.Seconds()), minFill), maxFill)
		return sample, err
	}}
}

// crowd lets people work on a queue until a window is over or nothing is left.
func crowd(ctx context.Context, s subject, queue, unit string, people int, window time.Duration) (Sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	var all []time.Duration
	var last time.Time
	start := time.Now()
	var wg sync.WaitGroup
	for person := range people {
		wg.Go(func() {
			var took []time.Duration
			ended := start
			for ended.Sub(start) < window && ctx.Err() == nil {
				h, err := s.claim(ctx, person, queue)
				if errors.Is(err, errEmpty) {
					break
				}
				if err == nil && unit == cycles {
					err = s.finish(ctx, person, h)
				}
				if err != nil {
					cancel(err)
					break
				}
				began := ended
				ended = time.Now()
				took = append(took, ended.Sub(began))
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			if ended.After(last) {
				last = ended
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return Sample{}, err
	}
	if len(all) == 0 {
		return Sample{}, cmp.Or(ctx.Err(), errors.New("nothing was claimed"))
	}
	q := stat.Quantiles(all, 0.5, 0.99)
	const milli = float64(time.Millisecond)
	return Sample{Done: len(all), Seconds: last.Sub(start).Seconds(), P50: float64(q[0]) / milli, P99: float64(q[1]) / milli}, nil
}
