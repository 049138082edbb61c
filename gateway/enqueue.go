package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// errQueueFull is why audit.on_full: refuse withholds.
var errQueueFull = errors.New("the queue of the group commit is full; audit.on_full says refuse")

// noWait is a context that has ended: who waits in it doesn't.
var noWait = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// enqueue hands a plain record to the group commit. A queue that is full is met as audit.on_full says, and always counted.
func (g *Gateway) enqueue(rec *candorv1.Record) error {
	err := g.ledger.Enqueue(noWait, rec)
	if !errors.Is(err, context.Canceled) {
		if err == nil {
			g.gap.fill(g)
		}
		return err
	}
	switch g.plan().cfg.GetAudit().GetOnFull() {
	case candorv1.OnFull_ON_FULL_REFUSE:
		g.metrics.queueFull.WithLabelValues("refuse").Inc()
		return errQueueFull
	case candorv1.OnFull_ON_FULL_DROP:
		g.metrics.queueFull.WithLabelValues("drop").Inc()
		g.gap.add(g, rec.GetTimeUs())
		return nil
	}
	g.metrics.queueFull.WithLabelValues("wait").Inc()
	ctx, cancel := context.WithTimeout(context.Background(), recordTimeout)
	defer cancel()
	return g.ledger.Enqueue(ctx, rec)
}

// gap is what the log is missing since it was last told. Its zero value is nothing.
type gap struct {
	open    atomic.Bool // missing isn't nothing
	mu      sync.Mutex
	missing candorv1.GapRecord
}

// add notes a record that was dropped.
func (p *gap) add(g *Gateway, timeUS int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.missing.Records == 0 {
		p.missing.FirstTimeUs = timeUS
		g.log.Warn("records of accepted rows are dropped: the queue of the group commit is full and audit.on_full is drop")
	}
	p.missing.Records++
	p.open.Store(true)
	p.missing.LastTimeUs = timeUS
}

// fill tells the log what it is missing, if anything, when the queue has room again.
func (p *gap) fill(g *Gateway) {
	if p.open.Load() {
		_ = p.tell(noWait, g)
	}
}

// tell is fill for those who can wait. On an error the gap stays open.
func (p *gap) tell(ctx context.Context, g *Gateway) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.missing.Records == 0 {
		return nil
	}
	rec := &candorv1.Record{TimeUs: g.ledger.Now().UnixMicro(), Entry: &candorv1.Record_Gap{Gap: &candorv1.GapRecord{
		Records: p.missing.Records, FirstTimeUs: p.missing.FirstTimeUs, LastTimeUs: p.missing.LastTimeUs,
	}}}
	if err := g.ledger.Enqueue(ctx, rec); err != nil {
		return fmt.Errorf("the log could not be told of %d records that were dropped: %w", p.missing.Records, err)
	}
	g.log.Warn("records of accepted rows were dropped", slog.Uint64("records", p.missing.Records))
	p.missing.Records = 0
	p.open.Store(false)
	return nil
}
