package webhook

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// receiver answers by a handler, on a socket.
func receiver(t *testing.T, h http.HandlerFunc) Target {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	return Target{URL: srv.URL, AllowPrivate: true, Timeout: 10 * time.Second}
}

func newSender(t *testing.T) *Sender {
	s := NewSender()
	t.Cleanup(s.Close)
	return s
}

func TestSend(t *testing.T) {
	s := newSender(t)
	for name, tc := range map[string]struct {
		status int
		header string
		want   string
		gone   bool
		after  time.Duration
	}{
		"taken": {status: 200}, "taken without words": {status: 204},
		"a failure":       {status: 500, want: "500 Internal Server Error"},
		"an unknown code": {status: 799, want: "answered 799"},
		"busy":            {status: 429, header: "120", want: "429 Too Many Requests", after: 2 * time.Minute},
		"gone":            {status: 410, want: "410 Gone", gone: true},
		"a redirect":      {status: 307, want: "redirects are not followed"},
		"not modified":    {status: 304, want: "redirects are not followed"},
	} {
		t.Run(name, func(t *testing.T) {
			target := receiver(t, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil || string(body) != "{}" || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" ||
					r.Header.Get("webhook-id") != "msg_1" || r.Header.Get("webhook-timestamp") == "" || len(r.Header.Values("webhook-signature")) != 0 {
					t.Errorf("%s %q %v %v", r.Method, body, r.Header, err)
				}
				w.Header().Set("Retry-After", tc.header)
				// An address inside, where following it would be found out.
				w.Header().Set("Location", "http://"+r.Host+"/inside")
				if r.URL.Path == "/inside" {
					t.Error("a redirect was followed")
				}
				w.WriteHeader(tc.status)
			})
			r := s.Send(t.Context(), target, Message{ID: "msg_1", Body: []byte("{}")})
			if r.Status != tc.status || r.Gone() != tc.gone || r.RetryAfter != tc.after || (r.Err == nil) != (tc.want == "") ||
				r.Err != nil && !strings.Contains(r.Err.Error(), tc.want) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// A receiver that never ends is left when the time is over, wherever it stops.
func TestSendEnds(t *testing.T) {
	s := newSender(t)
	for name, h := range map[string]http.HandlerFunc{
		"no answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"headers without end": func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			_, err = io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
			for err == nil {
				time.Sleep(time.Millisecond)
				_, err = io.WriteString(conn, "X-More: and more\r\n")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			target := receiver(t, h)
			target.Timeout = 100 * time.Millisecond
			if r := s.Send(t.Context(), target, Message{ID: "msg_1"}); r.Err == nil || r.Status != 0 {
				t.Errorf("%+v", r)
			}
		})
	}
	// What it says beside its status is no matter, however long it takes.
	target := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(time.Millisecond)
		}
	})
	target.Timeout = 2 * time.Second // the status comes at once, also on a busy machine
	if r := s.Send(t.Context(), target, Message{ID: "msg_1"}); r.Err != nil || r.Status != 200 {
		t.Errorf("%+v", r)
	}
}

// Nothing reaches an address inside that isn't allowed, by number or by name, whatever the environment says about proxies.
func TestSendRefuses(t *testing.T) {
	s := newSender(t)
	target := receiver(t, func(http.ResponseWriter, *http.Request) { t.Error("it was reached") })
	port := target.URL[strings.LastIndex(target.URL, ":"):]
	t.Setenv("HTTPS_PROXY", target.URL)
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254", "2130706433", "0x7f.1"} {
		r := s.Send(t.Context(), Target{URL: "https://" + host + port, Timeout: 5 * time.Second}, Message{ID: "msg_1"})
		var refused *RefusedError
		// The last two are spellings that a resolver may take for an address or not know at all.
		if numeric := host[0] == '2' || host[:2] == "0x"; r.Err == nil || !numeric && !errors.As(r.Err, &refused) {
			t.Errorf("%s: %+v", host, r)
		}
	}
	r := s.Send(t.Context(), Target{URL: target.URL, Timeout: time.Second}, Message{ID: "msg_1"})
	if r.Err == nil || !strings.Contains(r.Err.Error(), "plain text") {
		t.Errorf("http: %+v", r)
	}
	// The secret in a path isn't in the error.
	r = s.Send(t.Context(), Target{URL: "https://127.0.0.1/hush", Timeout: time.Second}, Message{ID: "msg_1"})
	if r.Err == nil || strings.Contains(r.Err.Error(), "hush") {
		t.Errorf("%+v", r)
	}
}
