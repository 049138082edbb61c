package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bounds on a receiver.
const (
	// maxAnswerBytes are read of an answer's body, so that the connection can be used again; nothing in it matters.
	maxAnswerBytes  = 4 << 10
	maxHeaderBytes  = 64 << 10
	idleConnTimeout = 30 * time.Second
	// connectTimeout leaves time to try another address of the same name.
	connectTimeout = 5 * time.Second
)

// Sender sends messages. It follows no redirect, takes no proxy from the environment (a proxy would dial for us, unchecked), and
// refuses addresses inside where they aren't allowed. Safe for concurrent use. Close it.
type Sender struct {
	public, private *http.Client
}

// NewSender makes a Sender.
func NewSender() *Sender {
	return &Sender{
		public:  newClient(&net.Dialer{Timeout: connectTimeout, Control: refuseInside}),
		private: newClient(&net.Dialer{Timeout: connectTimeout}),
	}
}

func newClient(d *net.Dialer) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DialContext: d.DialContext, ForceAttemptHTTP2: true, DisableCompression: true,
			TLSHandshakeTimeout: connectTimeout, IdleConnTimeout: idleConnTimeout, MaxResponseHeaderBytes: maxHeaderBytes,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close gives unused connections back.
func (s *Sender) Close() {
	s.public.CloseIdleConnections()
	s.private.CloseIdleConnections()
}

// Target is where messages go.
type Target struct {
	URL string
	// AllowPrivate permits addresses that point inside, and http.
	AllowPrivate bool
	// Timeout of one attempt, from the first byte of the request to the last that is read of the answer; above 0.
	Timeout time.Duration
}

// Message is what is sent.
type Message struct {
	ID   string
	Body []byte
	// Secrets sign it; none: it goes unsigned.
	Secrets []Secret
}

// Reply is what came of an attempt.
type Reply struct {
	// Status is the receiver's HTTP status; 0: there was none.
	Status int
	// RetryAfter is what the receiver asked for; 0: nothing.
	RetryAfter time.Duration
	Duration   time.Duration
	// Err is nil when the receiver took the message: it answered 2xx.
	Err error
}

// Gone says that the receiver wants nothing more, which is what 410 means in the specification.
func (r Reply) Gone() bool { return r.Status == http.StatusGone }

// Send makes one attempt. It returns within the target's timeout.
func (s *Sender) Send(ctx context.Context, t Target, m Message) Reply {
	start := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, t.Timeout, fmt.Errorf("the receiver did not answer within %v", t.Timeout))
	defer cancel()
	r := s.send(ctx, t, m)
	if r.Err != nil && r.Status == 0 && ctx.Err() != nil {
		r.Err = context.Cause(ctx)
	}
	r.Duration = time.Since(start)
	return r
}

func (s *Sender) send(ctx context.Context, t Target, m Message) Reply {
	client := s.public
	if t.AllowPrivate {
		client = s.private
	} else if !strings.HasPrefix(strings.ToLower(t.URL), "https://") {
		return Reply{Err: errors.New("refused to send in plain text; write an https URL, or allow_private: true")}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL, bytes.NewReader(m.Body))
	if err != nil {
		return Reply{Err: err}
	}
	// A receiver checks the time against its own clock, so this is the wall's, not the store's.
	now := time.Now()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "candor")
	req.Header.Set("webhook-id", m.ID)
	req.Header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	if len(m.Secrets) > 0 {
		req.Header.Set("webhook-signature", sign(m.Secrets, m.ID, now, m.Body))
	}
	resp, err := client.Do(req)
	if err != nil {
		return Reply{Err: plain(err)}
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswerBytes)
	r := Reply{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"), now)}
	switch {
	case resp.StatusCode/100 == 2:
	case resp.StatusCode/100 == 3:
		r.Err = fmt.Errorf("the receiver answered %s; redirects are not followed: write the address that it means", status(resp.StatusCode))
	default:
		r.Err = fmt.Errorf("the receiver answered %s", status(resp.StatusCode))
	}
	return r
}

// status is the code in words of ours: a receiver's own may be anything.
func status(code int) string {
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}

// plain takes the URL out of an error: it may have a secret in its path, and errors are shown to people who may not see it.
func plain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
