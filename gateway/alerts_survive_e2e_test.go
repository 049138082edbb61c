package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

var errDead = errors.New("the process has ended")

// mortal is a store as a process sees it that ends at some call about alerts: before the call took effect or after it, and nothing later
// does. What was sent by then was sent.
type mortal struct {
	limits.Store
	mu sync.Mutex
	r  *rand.Rand
	// left calls until the end; negative: it goes on.
	left int
	died chan struct{}
}

// live begins another life on an open store.
func (m *mortal) live(st limits.Store, left int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Store, m.left, m.died = st, left, make(chan struct{})
}

// call makes one, unless that is over.
func (m *mortal) call(effect func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.left < 0:
		return effect()
	case m.left == 0:
		return errDead
	case m.left == 1:
		m.left = 0
		close(m.died)
		if m.r.IntN(2) == 0 {
			_ = effect() // stored, and nobody learns of it
		}
		return errDead
	}
	m.left--
	return effect()
}

func (m *mortal) OpenAlerts(ctx context.Context) (out []limits.Alert, err error) {
	err = m.call(func() error { out, err = m.Store.OpenAlerts(ctx); return err })
	return out, err
}

func (m *mortal) ClaimAlert(ctx context.Context, c limits.AlertClaim) (attempt int, ok bool, err error) {
	if err := m.call(func() error { attempt, ok, err = m.Store.ClaimAlert(ctx, c); return err }); err != nil {
		return 0, false, err
	}
	return attempt, ok, nil
}

func (m *mortal) FinishAlert(ctx context.Context, r limits.AlertResult) error {
	return m.call(func() error { return m.Store.FinishAlert(ctx, r) })
}

func (m *mortal) CloseAlert(ctx context.Context, trip string) error {
	return m.call(func() error { return m.Store.CloseAlert(ctx, trip) })
}

// ahead is a ledger whose clock is that much ahead.
type ahead struct {
	gateway.Ledger
	by time.Duration
}

func (a ahead) Now() time.Time { return a.Ledger.Now().Add(a.by) }

// flaky is a receiver of webhooks and an Alertmanager at once, which refuses, or takes a message and loses its own answer.
type flaky struct {
	*httptest.Server
	mu      sync.Mutex
	r       *rand.Rand
	healthy bool
	// came are ids of webhook messages, and those that they would have of an Alertmanager's, in order of arrival.
	came map[string][]string
}

func newFlaky(t *testing.T, r *rand.Rand) *flaky {
	f := &flaky{r: r, came: map[string][]string{}}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body)
		id := req.Header.Get("webhook-id")
		who := "hook"
		if strings.HasSuffix(req.URL.Path, "/api/v2/alerts") {
			var alerts []struct {
				Labels map[string]string
				EndsAt time.Time
			}
			if err := json.Unmarshal(body, &alerts); err != nil || len(alerts) != 1 {
				t.Errorf("%s: %v", body, err)
				return
			}
			who, id = "manager", alerts[0].Labels["trip"]
			if alerts[0].EndsAt.Before(time.Now().AddDate(1, 0, 0)) {
				id += "-reset"
			}
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		fate := f.r.IntN(3)
		if !f.healthy && fate == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		f.came[who] = append(f.came[who], id)
		if !f.healthy && fate == 1 {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(func() { f.CloseClientConnections(); f.Close() })
	return f
}

func (f *flaky) first(who, id string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Index(f.came[who], id)
}

// TestAlertsSurvive: wherever the process ends, whatever of its last call to the store was stored, and while receivers refuse or lose their
// answers, each of them gets every trip and every reset at least once, under its one id, the trip first; and then nothing is left to do.
func TestAlertsSurvive(t *testing.T) {
	seeds := 3
	if os.Getenv("CANDOR_LONG") == "1" {
		seeds = 20
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(uint64(seed), 1))
			f := newFlaky(t, rand.New(rand.NewPCG(uint64(seed), 2)))
			m := &mortal{r: rand.New(rand.NewPCG(uint64(seed), 3))}
			var clock time.Duration
			left := -1
			w := startWith(t, options{deps: func(d *gateway.Deps) {
				m.live(d.Limits, left)
				d.Limits, d.Ledger = m, ahead{d.Ledger, clock}
			}}, withLimit(1, fmt.Sprintf(`, on_trip: reject, probation: {share: 1}, alerts: [{name: hook, webhook: %q, allow_private: true, escalate_after: 1m},
				{name: manager, alertmanager: %q, allow_private: true}]`, f.URL, f.URL))...)
			// Another life begins an hour later, when all claims of the one before are over. It is a life of some calls, or of some time.
			lives := func(n int) {
				for range n {
					left = 1 + r.IntN(8)
					clock += time.Hour
					w.restart()
					select {
					case <-m.died:
					case <-time.After(30 * time.Millisecond):
					}
				}
				left = -1
				clock += time.Hour
				w.restart()
			}
			var ids []string
			for turn := range 2 {
				w.tripDeclines()
				events, err := m.LimitEvents(t.Context(), "declines", 0, 1)
				if err != nil || events[0].Event != candorv1.LimitEvent_LIMIT_EVENT_TRIPPED {
					t.Fatalf("history %v, %v", events, err)
				}
				ids = append(ids, events[0].TripID, events[0].TripID+"-reset")
				lives(4)
				if _, err := w.reset(operatorToken, "declines", fmt.Sprint("r", turn)); err != nil {
					t.Fatal(err)
				}
				lives(4)
			}
			f.mu.Lock()
			f.healthy = true
			f.mu.Unlock()
			lives(0)
			w.eventually(func() bool {
				open, err := m.OpenAlerts(t.Context())
				return err == nil && len(open) == 0
			})
			for _, who := range []string{"hook", "manager"} {
				for _, id := range ids {
					at := f.first(who, id)
					if trip, ok := strings.CutSuffix(id, "-reset"); at < 0 || ok && at < f.first(who, trip) {
						t.Errorf("%s got %s as its %d. message of %v", who, id, at, f.came[who])
					}
				}
				for _, id := range f.came[who] {
					if !slices.Contains(ids, id) {
						t.Errorf("%s got %s, which is none of %v", who, id, ids)
					}
				}
				t.Logf("%s: %d messages for %d", who, len(f.came[who]), len(ids))
			}
		})
	}
}
