package gateway

import (
	"context"
	"io"
	"net"
	"testing"

	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// comesFrom is a connection from an address.
type comesFrom struct {
	net.Conn
	from written
}

func (c comesFrom) RemoteAddr() net.Addr { return c.from }

// called is the context of a call on a connection from an address.
func called(t *testing.T, from string) context.Context {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { _ = client.Close() })
	go func() { _, _ = io.WriteString(client, preface) }()
	conn, _, err := calmCredentials{TransportCredentials: insecure.NewCredentials(), memory: new(memory)}.ServerHandshake(comesFrom{server, written(from)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return peer.NewContext(t.Context(), &peer.Peer{Addr: conn.RemoteAddr()})
}

// Who shows no credentials is told apart by address, of IPv6 by network; who does is one consumer from wherever.
func TestConsumersByAddress(t *testing.T) {
	anonymous := &Principal{Name: "anyone", priority: candorv1.Priority_PRIORITY_LOW, anonymous: true}
	named := &Principal{Name: "shop", priority: candorv1.Priority_PRIORITY_HIGH}
	for from, want := range map[string]string{
		"192.0.2.1:1000": "192.0.2.1", "192.0.2.1:2000": "192.0.2.1", "192.0.2.2:1000": "192.0.2.2", "[::ffff:192.0.2.1]:1000": "192.0.2.1",
		"[2001:db8:1:2::3]:1000": "2001:db8:1:2::/64", "[2001:db8:1:2:ffff::4]:1000": "2001:db8:1:2::/64", "[2001:db8:1:3::3]:1000": "2001:db8:1:3::/64",
	} {
		ctx := called(t, from)
		if got := anonymous.terms(ctx); got.Consumer != "anyone" || got.Address != want || got.Priority != candorv1.Priority_PRIORITY_LOW {
			t.Errorf("without credentials from %s: %+v, want address %s", from, got, want)
		}
		if got := named.terms(ctx); got.Consumer != "shop" || got.Address != "" || got.Priority != candorv1.Priority_PRIORITY_HIGH {
			t.Errorf("with credentials from %s: %+v", from, got)
		}
	}
	inside := peer.NewContext(t.Context(), &peer.Peer{Addr: written("inside")})
	for name, ctx := range map[string]context.Context{"nowhere": t.Context(), "inside": inside} {
		if got := callsFrom(ctx); got != "" {
			t.Errorf("a call from %s is of %q", name, got)
		}
	}
}
