package backend

import (
	"context"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/internal/wire"
)

// outside counts what it is told of, and what of it while the lock was held.
type outside struct {
	mu                      sync.Mutex
	lock                    *sync.Mutex
	attempts, changes, held int
}

func (o *outside) Attempt(context.Context, Attempt) { o.told(&o.attempts) }

func (o *outside) BreakerChanged(string, candorv1.BreakerState, candorv1.BreakerState) {
	o.told(&o.changes)
}

func (o *outside) told(n *int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.lock == nil {
		return
	}
	*n++
	if !o.lock.TryLock() {
		o.held++
		return
	}
	o.lock.Unlock()
}

func (o *outside) seen() (attempts, changes, held int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.attempts, o.changes, o.held
}

// Observers are told outside of a hedge's lock, whoever ends it: both attempts at once, or it alone by a failure that opens the breaker.
func TestHedgeIsToldOutsideOfItsLock(t *testing.T) {
	for _, fails := range []bool{false, true} {
		server := oiptest.Start(t, digitsModel())
		watch := new(outside)
		b := hedged(t, server, Options{Observer: watch})
		b.latencies = new(latencies)
		for range latencyLeast {
			b.latencies.add(time.Now(), 0)
		}
		b.breaker.unbroken.Store(1 << 20)
		armed, already := make(chan struct{}), server.Calls()
		server.Script(func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
			<-armed
			if fails {
				return oiptest.Fail(codes.Internal, "CUDA error")(ctx, req)
			}
			return oiptest.Const(0.25, 0.75)(ctx, req)
		})
		h, _ := b.arm(t.Context(), Terms{}, time.Now(), nil, wire.NewFrame(digitsRequest(t, 1)))
		if h == nil {
			t.Fatal("no hedge")
		}
		watch.mu.Lock()
		watch.lock = &h.mu
		watch.mu.Unlock()
		if err := server.AwaitCalls(t.Context(), already+1); err != nil {
			t.Fatal(err)
		}
		close(armed)
		if fails {
			h.result()
		} else {
			b.hedging.Wait()
			h.stop()
		}
		attempts, changes, held := watch.seen()
		if attempts != 1 || (changes > 0) != fails || held > 0 {
			t.Errorf("fails %v: told of %d attempts and %d changes, %d of them under the lock", fails, attempts, changes, held)
		}
	}
}
