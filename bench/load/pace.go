package load

import (
	"context"
	"time"
)

// pace begins the requests of an open loop, each at its time, on the connections in turn. When it wakes up late it sends all
// that are due: their times count from when they were due.
func (r *run) pace(ctx context.Context) error {
	tick, err := newTicker(time.Second / time.Duration(r.o.Rate))
	if err != nil {
		return err
	}
	defer tick.close()
	unwatch := context.AfterFunc(ctx, tick.close)
	defer unwatch()
	began := r.now()
	interval := float64(time.Second) / float64(r.o.Rate)
	for n := 0; ; {
		if err := tick.wait(); err != nil {
			if r.stopping.Load() || ctx.Err() != nil {
				err = nil
			}
			return err
		}
		if r.stopping.Load() {
			return nil
		}
		now := r.now()
		for {
			due := began + time.Duration(float64(n)*interval)
			if due > now {
				break
			}
			if err := r.conns[n%len(r.conns)].send(due); err != nil {
				return err
			}
			n++
		}
	}
}
