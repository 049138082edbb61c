package simulate

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// many calls do for 0 to n-1, in no order, on all processors, each of which has a player of its own; what do writes for i is its
// own. progress, when not nil, is called from several goroutines with how many are done. It ends early with the first error, or
// the context's.
func many(ctx context.Context, n int, progress func(done, all int), do func(p *player, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next, done atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), n) {
		wg.Go(func() {
			p := new(player)
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := do(p, i); err != nil {
					cancel(err)
					return
				}
				if d := done.Add(1); progress != nil {
					progress(int(d), n)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
