package webhook

import (
	"context"
	"net"
	"net/http"
)

// SenderOver makes a Sender whose connections are the test's own, for tests in fake time.
func SenderOver(dial func(ctx context.Context, network, address string) (net.Conn, error)) *Sender {
	s := NewSender()
	s.private.Transport.(*http.Transport).DialContext = dial
	return s
}
