package gateway_test

import (
	"context"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// narrow is a ledger whose queue of plain records is full while it is shut. It keeps the gaps that the log was told of.
type narrow struct {
	gateway.Ledger
	mu     sync.Mutex
	shut   bool
	opened chan struct{}
	// waiting is told of a caller who waits for room.
	waiting chan struct{}
	gaps    []*candorv1.GapRecord
}

func (l *narrow) Enqueue(ctx context.Context, rec *candorv1.Record) error {
	l.mu.Lock()
	shut, opened := l.shut, l.opened
	l.mu.Unlock()
	if shut {
		if ctx.Err() == nil {
			l.waiting <- struct{}{}
		}
		select {
		case <-opened:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if g := rec.GetGap(); g != nil {
		l.mu.Lock()
		l.gaps = append(l.gaps, g)
		l.mu.Unlock()
	}
	return l.Ledger.Enqueue(ctx, rec)
}

func (l *narrow) shutIt() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shut, l.opened = true, make(chan struct{})
}

func (l *narrow) open() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shut = false
	close(l.opened)
}

// What happens when the queue of plain records is full is the policy's, and always counted.
func TestFullQueue(t *testing.T) {
	for _, policy := range []string{"wait", "refuse", "drop"} {
		t.Run(policy, func(t *testing.T) {
			ledger := &narrow{waiting: make(chan struct{}, 1)}
			w := startWith(t, options{deps: func(d *gateway.Deps) {
				ledger.Ledger = d.Ledger
				d.Ledger = ledger
			}}, "queues: {desk", "audit: {on_full: "+policy+"}\nqueues: {desk")
			counted := func() float64 { return w.metric(`candor_record_queue_full_total{policy="` + policy + `"}`) }
			call := func() answer { return w.infer(t.Context(), request([][4]float32{sureRow})) }
			ledger.shutIt()
			switch policy {
			case "wait":
				done := make(chan answer, 1)
				go func() { done <- call() }()
				<-ledger.waiting
				if counted() != 1 {
					t.Errorf("%v counted, want 1", counted())
				}
				select {
				case a := <-done:
					t.Fatalf("answered without a record: %v", a.err)
				default:
				}
				ledger.open()
				if a := <-done; a.err != nil {
					t.Error(a.err)
				}
			case "refuse":
				err := call().err
				if md := wantError(t, err, codes.Unavailable, "STORE_UNAVAILABLE"); md["prediction_id"] == "" || counted() != 1 {
					t.Errorf("%v, counted %v", md, counted())
				}
				ledger.open()
				if a := call(); a.err != nil {
					t.Error(a.err)
				}
			case "drop":
				for range 3 {
					if a := call(); a.err != nil {
						t.Error(a.err)
					}
				}
				if counted() != 3 {
					t.Errorf("%v counted, want 3", counted())
				}
				ledger.open()
				for range 2 {
					if a := call(); a.err != nil {
						t.Error(a.err)
					}
				}
				ledger.shutIt()
				if a := call(); a.err != nil { // the log is told of this one at the end
					t.Error(a.err)
				}
				ledger.open()
				w.stop()
				if len(ledger.gaps) != 2 || ledger.gaps[0].GetRecords() != 3 || ledger.gaps[1].GetRecords() != 1 ||
					ledger.gaps[0].GetFirstTimeUs() > ledger.gaps[0].GetLastTimeUs() || ledger.gaps[0].GetFirstTimeUs() == 0 {
					t.Errorf("the log was told of %v", ledger.gaps)
				}
			}
		})
	}
}
