package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/candor-gateway/candor/internal/listening"
)

// Addrs are where a running gateway listens; HTTP is empty when it doesn't.
type Addrs struct{ GRPC, HTTP string }

// ports are the listeners, and the server of the second one; http and web are nil without listen.http.
type ports struct {
	grpc, http net.Listener
	web        *http.Server
}

func (p *ports) addrs() Addrs {
	a := Addrs{GRPC: p.grpc.Addr().String()}
	if p.http != nil {
		a.HTTP = p.http.Addr().String()
	}
	return a
}

func (p *ports) close() error {
	err := p.grpc.Close()
	if p.http != nil {
		err = errors.Join(err, p.http.Close())
	}
	return err
}

// Listen opens the ports; what comes there waits for Run, which calls it where nobody has. Close closes them if Run never comes. An error names the
// field and the remedy, and nothing is left open then. Not at the same time as another Listen, Run or Close.
func (g *Gateway) Listen(ctx context.Context) error {
	if g.ports != nil {
		return nil
	}
	// Without TCP's own probes, which gRPC's pings make needless: they are most of what it costs to turn a connection away.
	network := net.ListenConfig{KeepAlive: -1}
	// A stop that came before would end the look for the host's name, and be told as trouble with the port.
	lis, err := network.Listen(context.WithoutCancel(ctx), "tcp", g.plan().cfg.GetListen().GetGrpc())
	if err != nil {
		return listening.Refused("listen.grpc", err)
	}
	web, webLis, err := g.newHTTP()
	if err != nil {
		return errors.Join(err, lis.Close())
	}
	g.ports = &ports{grpc: lis, http: webLis, web: web}
	return nil
}

// Begin notes in the store what the limits count: their names are taken from then on, and answers that they bound are released. It is the last that can
// refuse a start, so that one which is refused for another reason takes no name. Run calls it where nobody has; a second call does nothing. Errors
// are the store's, or name the limit whose name was taken since New.
func (g *Gateway) Begin(ctx context.Context) error {
	if err := g.gate.Begin(ctx); err != nil {
		return fmt.Errorf("limits: %w", err)
	}
	return nil
}
