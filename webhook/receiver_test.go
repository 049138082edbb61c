package webhook_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/candor-gateway/candor/webhook"
)

// pipes is a network of one listener in memory, so that time can be fake.
type pipes struct {
	conns chan net.Conn
	ended chan struct{}

	mu   sync.Mutex
	down bool
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), ended: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { close(p.ended); return nil }

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	p.mu.Lock()
	down := p.down
	p.mu.Unlock()
	if down {
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// receiver takes messages as a careful one does: it verifies with a library, drops ids that it has, and notes the order.
type receiver struct {
	t      *testing.T
	answer func(w http.ResponseWriter, r *http.Request) (taken bool)

	mu     sync.Mutex
	hook   *standardwebhooks.Webhook
	inHand map[string]bool
	taken  map[string]bool
	// order of the numbers of each prediction.
	order    map[string][]int
	requests int
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	id := req.Header.Get("webhook-id")
	var msg struct {
		Type, Timestamp string
		Data            struct {
			Prediction string
			Number     int
		}
	}
	r.mu.Lock()
	r.requests++
	if err == nil {
		err = errors.Join(r.hook.Verify(body, req.Header), json.Unmarshal(body, &msg))
	}
	if err != nil || msg.Type != webhook.TypeFinal || msg.Timestamp == "" {
		r.t.Errorf("%s: %v", body, err)
	}
	if r.inHand[id] {
		r.t.Errorf("%s is sent twice at once", id)
	}
	r.inHand[id] = true
	r.mu.Unlock()
	taken := r.answer(w, req)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.inHand, id)
	if taken && !r.taken[id] {
		r.taken[id] = true
		r.order[msg.Data.Prediction] = append(r.order[msg.Data.Prediction], msg.Data.Number)
	}
}

// events are numbered entries about some predictions, in turn.
type events struct {
	// Now is the store's.
	now func() time.Time

	mu      sync.Mutex
	entries []webhook.Event
	changed chan struct{}
}

// grow adds n entries about p predictions.
func (f *events) grow(t *testing.T, n, p int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		i := len(f.entries)
		key := string(rune('a' + i%p))
		data, err := json.Marshal(map[string]any{"prediction": key, "number": i})
		if err != nil {
			t.Fatal(err)
		}
		body, err := webhook.Body(webhook.TypeFinal, f.now(), data)
		if err != nil {
			t.Fatal(err)
		}
		f.entries = append(f.entries, webhook.Event{Position: uint64(i + 1), Key: key, Subject: "0", Body: body})
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *events) Now() time.Time { return f.now() }

func (f *events) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

func (f *events) Events(_ context.Context, _ string, after uint64, limit int) ([]webhook.Event, uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	to := min(uint64(len(f.entries)), after+uint64(limit))
	return f.entries[after:to], to, nil
}
