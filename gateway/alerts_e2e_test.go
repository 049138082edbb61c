package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/webhook"
)

func replaceOnce(t *testing.T, text, was, now string) string {
	t.Helper()
	if !strings.Contains(text, was) {
		t.Fatalf("there is no %q", was)
	}
	return strings.Replace(text, was, now, 1)
}

// calls is a receiver that keeps what it is sent. While refuse is true it answers 503.
type calls struct {
	*httptest.Server
	mu     sync.Mutex
	refuse bool
	got    []call
}

type call struct {
	path   string
	header http.Header
	body   []byte
}

func newCalls(t *testing.T, refuse bool) *calls {
	c := &calls{refuse: refuse}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.refuse {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		c.got = append(c.got, call{r.URL.Path, r.Header, body})
	}))
	t.Cleanup(func() { c.CloseClientConnections(); c.Close() })
	return c
}

func (c *calls) all() []call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]call(nil), c.got...)
}

func (w *world) tripDeclines() {
	w.t.Helper()
	for range 2 {
		_ = w.infer(w.t.Context(), request([][4]float32{sureRow}))
	}
	if !w.limit("declines").GetTripped() {
		w.t.Fatal("it has not tripped")
	}
}

// A signed webhook verifies by a library that isn't ours, an Alertmanager gets its own form, both when it trips and when it is reset. One
// that is down doesn't hold up the others, and gets both once it is back.
func TestAlertsToSeveral(t *testing.T) {
	secret := webhook.NewSecret(time.Now())
	hook, manager, down := newCalls(t, false), newCalls(t, false), newCalls(t, true)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret.Text()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := start(t, withLimit(1, fmt.Sprintf(`, on_trip: reject, webhook: %q, allow_private: true, alerts: [
		{name: hook, webhook: %q, secret_file: %q, allow_private: true, escalate_after: 1ms},
		{name: manager, alertmanager: "%s/", allow_private: true}]`, down.URL, hook.URL, file, manager.URL))...)
	w.tripDeclines()
	w.eventually(func() bool { return len(hook.all()) == 1 && len(manager.all()) == 1 })
	resp, err := w.limits().GetLimit(as(auditorToken), &candorv1.GetLimitRequest{Name: "limits/declines"})
	if err != nil || len(resp.GetLimit().GetAlerts()) != 3 {
		t.Errorf("told: %v, %v", resp, err)
	}
	if _, err := w.reset(operatorToken, "declines", "r1"); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() bool { return len(hook.all()) == 2 && len(manager.all()) == 2 })

	verifier, err := standardwebhooks.NewWebhook(secret.Text())
	if err != nil {
		t.Fatal(err)
	}
	var types, ids []string
	for _, c := range hook.all() {
		if err := verifier.Verify(c.body, c.header); err != nil {
			t.Errorf("not signed: %v", err)
		}
		var m struct {
			Type, ID string
			Data     struct{ Trip, By, Reason string }
		}
		if err := json.Unmarshal(c.body, &m); err != nil || m.ID != c.header.Get("webhook-id") {
			t.Errorf("%s: %v", c.body, err)
		}
		types, ids = append(types, m.Type+" "+m.Data.By+" "+m.Data.Reason), append(ids, m.ID)
	}
	if want := []string{"limit.tripped  ", "limit.reset olga the feed was wrong"}; fmt.Sprint(types) != fmt.Sprint(want) || ids[1] != ids[0]+"-reset" {
		t.Errorf("messages %q %q, want %q", types, ids, want)
	}

	var labels []string
	for i, c := range manager.all() {
		var alerts []struct {
			Labels           map[string]string
			StartsAt, EndsAt time.Time
		}
		if err := json.Unmarshal(c.body, &alerts); err != nil || len(alerts) != 1 || c.path != "/api/v2/alerts" {
			t.Fatalf("%s %s: %v", c.path, c.body, err)
		}
		a := alerts[0]
		labels = append(labels, fmt.Sprint(a.Labels))
		if a.Labels["alertname"] != "CandorLimitTripped" || a.Labels["limit"] != "declines" || a.Labels["action"] != "decline" || a.StartsAt.IsZero() {
			t.Errorf("alert %+v", a)
		}
		if resolved := i == 1; resolved != a.EndsAt.Before(time.Now().Add(time.Minute)) {
			t.Errorf("message %d ends at %v", i, a.EndsAt)
		}
	}
	if labels[0] != labels[1] {
		t.Errorf("the labels differ, so that nothing is resolved: %q", labels)
	}

	// What a receiver has taken counts as delivered a moment later; a gateway that ends before would send it again.
	w.eventually(func() bool {
		resp, err := w.limits().GetLimit(as(auditorToken), &candorv1.GetLimitRequest{Name: "limits/declines"})
		return err == nil && !slices.ContainsFunc(resp.GetLimit().GetAlerts(), func(a *candorv1.LimitAlert) bool {
			return a.GetReceiver() == "hook" || a.GetReceiver() == "manager"
		})
	})
	down.mu.Lock()
	down.refuse = false
	down.mu.Unlock()
	w.restart()
	w.within(time.Minute, func() bool { return len(down.all()) == 2 })
	w.eventually(func() bool {
		resp, err := w.limits().GetLimit(as(auditorToken), &candorv1.GetLimitRequest{Name: "limits/declines"})
		return err == nil && len(resp.GetLimit().GetAlerts()) == 0
	})
	if a, b := len(hook.all()), len(manager.all()); a != 2 || b != 2 {
		t.Errorf("%d and %d messages after a restart, want 2 and 2", a, b)
	}
}

// Acknowledged in time, a trip is told to the first alone; not acknowledged, to the next.
func TestAlertEscalates(t *testing.T) {
	for name, ack := range map[string]bool{"acknowledged": true, "not acknowledged": false} {
		t.Run(name, func(t *testing.T) {
			first, second := newCalls(t, false), newCalls(t, false)
			wait := "1500ms"
			if ack {
				wait = "1h"
			}
			w := start(t, withLimit(1, fmt.Sprintf(`, on_trip: reject, alerts: [
				{name: first, webhook: %q, allow_private: true, escalate_after: %s}, {name: second, webhook: %q, allow_private: true}]`, first.URL, wait, second.URL))...)
			_, err := w.limits().AcknowledgeLimit(as(operatorToken), &candorv1.AcknowledgeLimitRequest{Name: "limits/declines", RequestId: "a"})
			if _, reason, _ := details(t, err); reason != "LIMIT_NOT_TRIPPED" {
				t.Errorf("acknowledged nothing: %v", err)
			}
			w.tripDeclines()
			w.eventually(func() bool { return len(first.all()) == 1 })
			if !ack {
				w.eventually(func() bool { return len(second.all()) == 1 })
			}
			l, err := w.limits().AcknowledgeLimit(as(operatorToken), &candorv1.AcknowledgeLimitRequest{Name: "limits/declines", Note: "mine", RequestId: "a"})
			if err != nil || l.GetLimit().GetAcknowledgedBy() != "olga" || l.GetLimit().GetAcknowledgeTime() == nil {
				t.Fatalf("acknowledged: %v, %v", l, err)
			}
			if _, err := w.reset(operatorToken, "declines", "r1"); err != nil {
				t.Fatal(err)
			}
			w.eventually(func() bool { return len(first.all()) == 2 })
			if !ack {
				w.eventually(func() bool { return len(second.all()) == 2 })
			}
			w.stop()
			if n := len(second.all()); ack && n > 0 {
				t.Errorf("acknowledged, and the next was told %d times", n)
			}
		})
	}
}
