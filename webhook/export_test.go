package webhook

import (
	"context"
	"net"
	"net/http"
	"time"
)

// SenderOver makes a Sender whose connections are the test's own, for tests in fake time.
func SenderOver(dial func(ctx context.Context, network, address string) (net.Conn, error)) *Sender {
	s := NewSender()
	s.private.Transport.(*http.Transport).DialContext = dial
	return s
}

// PollEvery makes the dispatcher look less often for what others did, so that days of fake time take less real time.
func (d *Dispatcher) PollEvery(t time.Duration) { d.poll = t }
