package webhook_test

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/store/sqlite"
	"github.com/candor-gateway/candor/webhook"
)

// bench is a real store, a receiver, and dispatchers between them, in fake time.
type bench struct {
	t        *testing.T
	store    *sqlite.Store
	feed     *events
	net      *pipes
	receiver *receiver
	sender   *webhook.Sender

	mu       sync.Mutex
	outcomes map[webhook.Outcome]int
}

// seen counts outcomes until now.
func (b *bench) seen() map[webhook.Outcome]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.outcomes)
}

const (
	hookName = "payments"
	poll     = 10 * time.Minute
)

// run calls f in a bubble of fake time, with n dispatchers at work as that many gateways are.
func run(t *testing.T, n int, answer func(w http.ResponseWriter, r *http.Request) bool, f func(b *bench)) {
	path := filepath.Join(t.TempDir(), "candor.db")
	if err := sqlite.Init(t.Context(), path, "test"); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		store, err := sqlite.Open(t.Context(), path, "test", sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{t: t, store: store, net: newPipes(), outcomes: map[webhook.Outcome]int{}}
		b.feed = &events{now: store.Now, changed: make(chan struct{})}
		b.sender = webhook.SenderOver(b.net.dial)
		secret := webhook.NewSecret(store.Now())
		if err := store.OpenWebhook(t.Context(), hookName, store.Now()); err != nil {
			t.Fatal(err)
		}
		if err := store.RotateWebhookSecret(t.Context(), b.change(), secret, 0); err != nil {
			t.Fatal(err)
		}
		hook, err := standardwebhooks.NewWebhook(secret.Text())
		if err != nil {
			t.Fatal(err)
		}
		b.receiver = &receiver{t: t, answer: answer, hook: hook, inHand: map[string]bool{}, taken: map[string]bool{}, order: map[string][]int{}}
		srv := &http.Server{Handler: b.receiver}
		go func() { _ = srv.Serve(b.net) }()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() { b.dispatcher().Run(ctx) })
		}
		f(b)
		cancel()
		wg.Wait()
		b.sender.Close()
		_ = srv.Close()
		if err := store.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func (b *bench) dispatcher() *webhook.Dispatcher {
	d := webhook.NewDispatcher(webhook.Options{
		Store: b.store, Feed: b.feed, Sender: b.sender, Log: slog.New(slog.DiscardHandler),
		Targets: map[string]webhook.Target{hookName: {URL: "http://receiver.test/", AllowPrivate: true, Timeout: 10 * time.Second}},
		Observe: func(_ string, o webhook.Outcome) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.outcomes[o]++
		},
	})
	d.PollEvery(poll)
	return d
}

func (b *bench) change() webhook.Change {
	return webhook.Change{Endpoint: hookName, Now: b.store.Now(), By: "ada"}
}

func (b *bench) endpoint() webhook.Endpoint {
	b.t.Helper()
	e, err := b.store.Webhook(b.t.Context(), hookName, b.store.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

// settle waits, in steps, until nothing is pending, and answers how long it took.
func (b *bench) settle(step, most time.Duration) time.Duration {
	b.t.Helper()
	start := time.Now()
	for time.Sleep(step); b.endpoint().Pending > 0; time.Sleep(step) {
		if time.Since(start) > most {
			b.t.Fatalf("%d deliveries wait after %v", b.endpoint().Pending, time.Since(start))
		}
	}
	return time.Since(start)
}

// wantAll holds what was taken against the feed: everything, once, in order within each prediction.
func (b *bench) wantAll() {
	b.t.Helper()
	b.receiver.mu.Lock()
	defer b.receiver.mu.Unlock()
	want := map[string][]int{}
	for i, e := range b.feed.entries {
		want[e.Key] = append(want[e.Key], i)
		if !b.receiver.taken[webhook.ID(hookName, e)] {
			b.t.Errorf("entry %d did not arrive", i)
		}
	}
	for key, numbers := range want {
		if !slices.Equal(b.receiver.order[key], numbers) {
			b.t.Errorf("of %s came %v, want %v", key, b.receiver.order[key], numbers)
		}
	}
	if len(b.receiver.taken) != len(b.feed.entries) {
		b.t.Errorf("%d ids for %d entries", len(b.receiver.taken), len(b.feed.entries))
	}
}

// A receiver that is down in every way there is, for hours, gets everything once by id and in order, from two gateways on one
// store.
func TestReceiverIsDownForAWhile(t *testing.T) {
	start := time.Time{}
	answer := func(w http.ResponseWriter, r *http.Request) bool {
		switch down := time.Since(start); {
		case down < time.Hour:
			w.WriteHeader(http.StatusInternalServerError)
		case down < 2*time.Hour:
			// As one that hangs does; a request that was cut off may have been read, or not.
			<-r.Context().Done()
		case down < 5*time.Hour:
			w.Header().Set("Location", "http://169.254.169.254/latest/meta-data")
			w.WriteHeader(http.StatusTemporaryRedirect)
		default:
			w.WriteHeader(http.StatusNoContent)
			return true
		}
		return false
	}
	run(t, 2, answer, func(b *bench) {
		start = time.Now()
		b.net.down = true
		b.feed.grow(t, 30, 10)
		time.Sleep(10 * time.Minute)
		b.net.mu.Lock()
		b.net.down = false
		b.net.mu.Unlock()
		b.feed.grow(t, 30, 10)
		time.Sleep(4 * time.Hour)
		b.feed.grow(t, 40, 10)
		time.Sleep(time.Minute)
		if e := b.endpoint(); e.Pending != 100 || e.Failed != 0 || e.LastError == "" || e.DisabledReason != "" {
			t.Errorf("while it is down: %+v", e)
		}
		b.settle(time.Hour, 24*time.Hour)
		b.wantAll()
		if b.seen()[webhook.Delivered] != 100 || b.seen()[webhook.Failed] != 0 {
			t.Errorf("outcomes %v", b.seen())
		}
	})
}

// One that stays down gets ten attempts over three days, and is disabled; a person enables it, and nothing is lost.
func TestReceiverIsDownForGood(t *testing.T) {
	up := false
	run(t, 1, func(w http.ResponseWriter, _ *http.Request) bool {
		if !up {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return up
	}, func(b *bench) {
		start := time.Now()
		b.feed.grow(t, 2, 1)
		for b.endpoint().DisabledReason == "" {
			if time.Sleep(time.Hour); time.Since(start) > 100*time.Hour {
				t.Fatalf("still enabled: %+v", b.endpoint())
			}
		}
		if took := time.Since(start); took < 75*time.Hour || took > 84*time.Hour {
			t.Errorf("disabled after %v", took)
		}
		if e := b.endpoint(); e.Failed != 1 || e.Pending != 1 || b.receiver.requests != webhook.MaxAttempts {
			t.Errorf("%+v after %d requests", e, b.receiver.requests)
		}
		b.feed.grow(t, 3, 1)
		time.Sleep(24 * time.Hour)
		if b.receiver.requests != webhook.MaxAttempts {
			t.Errorf("disabled, and asked %d times", b.receiver.requests)
		}
		up = true
		if _, err := b.store.ReplayDeliveries(t.Context(), webhook.Replay{Change: b.change(), Since: start.Add(-time.Hour), FailedOnly: true}); err != nil {
			t.Fatal(err)
		}
		if err := b.store.EnableWebhook(t.Context(), b.change()); err != nil {
			t.Fatal(err)
		}
		b.settle(time.Minute, 2*poll)
		b.wantAll()
	})
}

// One message that a receiver can't take holds back its own prediction, and no other, and disables nothing.
func TestOneMessageIsPoison(t *testing.T) {
	var b *bench
	run(t, 1, func(w http.ResponseWriter, r *http.Request) bool {
		b.receiver.mu.Lock()
		defer b.receiver.mu.Unlock()
		if r.Header.Get("webhook-id") == webhook.ID(hookName, b.feed.entries[0]) {
			w.WriteHeader(http.StatusBadRequest)
			return false
		}
		return true
	}, func(made *bench) {
		b = made
		b.feed.grow(t, 20, 5)
		time.Sleep(time.Minute)
		if e := b.endpoint(); e.Pending != 4 || b.seen()[webhook.Delivered] != 16 {
			t.Errorf("after a minute %+v, %v", e, b.seen())
		}
		for range 80 {
			time.Sleep(time.Hour)
			b.feed.grow(t, 4, 4)
		}
		b.settle(time.Hour, 24*time.Hour)
		if e := b.endpoint(); e.DisabledReason != "" || e.Failed != 1 {
			t.Errorf("%+v", e)
		}
		if got := len(b.receiver.taken); got != len(b.feed.entries)-1 {
			t.Errorf("%d of %d taken", got, len(b.feed.entries))
		}
	})
}

// 410 means that nothing more is wanted, at once; what was under way waits for a person.
func TestReceiverIsGone(t *testing.T) {
	gone := true
	run(t, 1, func(w http.ResponseWriter, _ *http.Request) bool {
		if gone {
			w.WriteHeader(http.StatusGone)
		}
		return !gone
	}, func(b *bench) {
		b.feed.grow(t, 5, 5)
		time.Sleep(time.Hour)
		if e := b.endpoint(); e.DisabledReason == "" || e.Pending != 5 || b.receiver.requests > 5 {
			t.Errorf("%+v after %d requests", e, b.receiver.requests)
		}
		gone = false
		if err := b.store.EnableWebhook(t.Context(), b.change()); err != nil {
			t.Fatal(err)
		}
		b.settle(time.Minute, 2*poll)
		b.wantAll()
		out, _, err := b.store.Deliveries(t.Context(), webhook.Filter{Endpoint: hookName, Limit: 9, State: candorv1.WebhookDeliveryState_WEBHOOK_DELIVERY_STATE_DELIVERED})
		if err != nil || len(out) != 5 {
			t.Errorf("%d delivered, %v", len(out), err)
		}
	})
}

// What a receiver asks for by Retry-After is kept to.
func TestRetryAfterIsKept(t *testing.T) {
	var at []time.Time
	run(t, 1, func(w http.ResponseWriter, _ *http.Request) bool {
		at = append(at, time.Now())
		if len(at) > 1 {
			return true
		}
		w.Header().Set("Retry-After", "3600")
		w.WriteHeader(http.StatusTooManyRequests)
		return false
	}, func(b *bench) {
		b.feed.grow(t, 1, 1)
		b.settle(time.Minute, 2*time.Hour)
		if gap := at[1].Sub(at[0]); gap < time.Hour || gap > time.Hour+2*time.Minute {
			t.Errorf("tried again after %v", gap)
		}
	})
}
