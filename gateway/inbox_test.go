package gateway_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// inbox is a receiver of alerts.
type inbox struct {
	*httptest.Server
	mu     sync.Mutex
	alerts []alert
	refuse int
}

type alert struct {
	Type, ID string
	Data     struct {
		Limit, Action  string
		Count          int
		MaxCount       int `json:"max_count"`
		Unit, Key      string
		Kind           string
		Amount         *int64
		Denominator    *int64
		PredictionID   string `json:"prediction_id"`
		DryRun         bool   `json:"dry_run"`
		header, method string
	}
}

// newInbox refuses the first alerts with a server error.
func newInbox(t *testing.T, refuse int) *inbox {
	in := &inbox{refuse: refuse}
	in.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in.mu.Lock()
		defer in.mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		var a alert
		if err := json.Unmarshal(body, &a); err != nil {
			t.Errorf("alert %s: %v", body, err)
		}
		a.Data.header, a.Data.method = r.Header.Get("webhook-id"), r.Method
		in.alerts = append(in.alerts, a)
		if len(in.alerts) <= in.refuse {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	// The gateway keeps its connection to a receiver for the next alert.
	t.Cleanup(func() { in.CloseClientConnections(); in.Close() })
	return in
}

func (in *inbox) got() []alert {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.alerts)
}

// of answers the alerts of one type.
func (in *inbox) of(kind string) []alert {
	return slices.DeleteFunc(in.got(), func(a alert) bool { return a.Type != kind })
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}
