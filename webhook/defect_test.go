package webhook_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/candor-gateway/candor/webhook"
)

// logged is a log that can be read while it is written.
type logged struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *logged) has(parts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, part := range parts {
		if !strings.Contains(l.all.String(), part) {
			return false
		}
	}
	return true
}

// brittle is a feed whose reading panics at first.
type brittle struct {
	webhook.Feed
	asked atomic.Int64
}

func (f *brittle) Events(ctx context.Context, endpoint string, after uint64, limit int) ([]webhook.Event, uint64, error) {
	if f.asked.Add(1) == 1 {
		panic("a defect of the feed")
	}
	return f.Feed.Events(ctx, endpoint, after, limit)
}

// faulty is a store whose leasing panics at first.
type faulty struct {
	webhook.Store
	asked atomic.Int64
}

func (s *faulty) LeaseDeliveries(ctx context.Context, l webhook.Lease) (webhook.Leased, error) {
	if s.asked.Add(1) == 1 {
		panic("a defect of the store")
	}
	return s.Store.LeaseDeliveries(ctx, l)
}

// dispatch runs a dispatcher over the bench's store and receiver until f returns.
func (b *bench) dispatch(o webhook.Options, f func()) {
	o.Store, o.Targets = &faulty{Store: b.store}, map[string]webhook.Target{hookName: {URL: "http://receiver.test/", AllowPrivate: true, Timeout: 10 * time.Second}}
	d := webhook.NewDispatcher(o)
	d.PollEvery(poll)
	ctx, cancel := context.WithCancel(b.t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		d.Run(ctx)
	}()
	f()
	cancel()
	<-ended
}

func takes(w http.ResponseWriter, _ *http.Request) bool {
	w.WriteHeader(http.StatusNoContent)
	return true
}

// A defect in reading the feed, in leasing, or in telling what came of a delivery, costs a turn: everything arrives once.
func TestPanicBesideADelivery(t *testing.T) {
	run(t, 0, takes, func(b *bench) {
		log, told := new(logged), new(atomic.Int64)
		b.feed.grow(t, 1, 1)
		b.dispatch(webhook.Options{
			Feed: &brittle{Feed: b.feed}, Sender: b.sender, Log: slog.New(slog.NewTextHandler(log, nil)),
			Observe: func(string, webhook.Outcome) {
				if told.Add(1) == 1 {
					panic("a defect of the observer")
				}
			},
		}, func() {
			time.Sleep(2 * poll)
			b.feed.grow(t, 1, 1)
			time.Sleep(2 * poll)
		})
		b.wantAll()
		if told.Load() != 2 || !log.has("a defect of the feed", "a defect of the store", "a defect of the observer", "defect_test.go") {
			t.Errorf("told %d times, log %s", told.Load(), log.all.String())
		}
	})
}

// stumbling is a feed that panics when it is asked at first whether it has changed: outside of every turn.
type stumbling struct {
	webhook.Feed
	asked atomic.Int64
}

func (f *stumbling) Changed() <-chan struct{} {
	if f.asked.Add(1) == 1 {
		panic("a defect of the feed")
	}
	return f.Feed.Changed()
}

// A defect that ends a courier is counted, and another one goes on a moment later.
func TestPanicOfACourier(t *testing.T) {
	run(t, 0, takes, func(b *bench) {
		log, panics := new(logged), new(atomic.Int64)
		b.feed.grow(t, 1, 1)
		b.dispatch(webhook.Options{
			Feed: &stumbling{Feed: b.feed}, Sender: b.sender, Log: slog.New(slog.NewTextHandler(log, nil)), Panicked: func() { panics.Add(1) },
		}, func() { time.Sleep(2 * poll) })
		b.wantAll()
		if panics.Load() != 2 || !log.has("a courier panicked", "a turn panicked") { // the store's leasing panics at first, too
			t.Errorf("%d panics, log %s", panics.Load(), log.all.String())
		}
	})
}

// A defect in an attempt is one that has failed: it is tried again as after any failure, and fails for good in the end.
func TestPanicInAnAttempt(t *testing.T) {
	run(t, 0, takes, func(b *bench) {
		log := new(logged)
		b.feed.grow(t, 1, 1)
		var mu sync.Mutex
		outcomes := map[webhook.Outcome]int{}
		b.dispatch(webhook.Options{
			Feed: b.feed, Sender: new(webhook.Sender), Log: slog.New(slog.NewTextHandler(log, nil)), // one that was never made
			Observe: func(_ string, o webhook.Outcome) {
				mu.Lock()
				defer mu.Unlock()
				outcomes[o]++
			},
		}, func() { time.Sleep(30 * 24 * time.Hour) })
		e := b.endpoint()
		if outcomes[webhook.Failed] != 1 || outcomes[webhook.Retried] == 0 || e.Failed != 1 || e.Pending != 0 || !log.has("stack", "courier.go") {
			t.Errorf("outcomes %v, endpoint %+v", outcomes, e)
		}
	})
}
