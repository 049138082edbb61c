package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/candor-gateway/candor/examples/digits"
	"github.com/candor-gateway/candor/examples/digits/modelserver"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// modelServer is one model behind a gRPC server on a socket of its own: what a process of examples/digits/serve is, except
// that killing it doesn't take a process.
type modelServer struct {
	model *digits.Model
	// addr is chosen at the first start and kept: a server that comes back does so where it was.
	addr   string
	server *modelserver.Server
	served chan error
}

// start listens and serves. The port of a server that was killed may be taken for a moment by an outgoing connection, so a
// taken one is tried again for a while.
func (m *modelServer) start(ctx context.Context) error {
	lis, err := net.Listen("tcp", m.addr)
	for tries := 0; errors.Is(err, syscall.EADDRINUSE) && tries < listenTries; tries++ {
		if err := sleep(ctx, listenPause); err != nil {
			return err
		}
		lis, err = net.Listen("tcp", m.addr)
	}
	if err != nil {
		return fmt.Errorf("model server %s: %w", m.model.Name, err)
	}
	m.addr = lis.Addr().String()
	m.server, m.served = modelserver.New(m.model), make(chan error, 1)
	go func(s *modelserver.Server, served chan<- error) { served <- s.Serve(lis) }(m.server, m.served)
	return nil
}

const (
	listenTries = 20
	listenPause = 100 * time.Millisecond
)

// kill closes the socket and every connection at once, calls in flight included. Without effect on one that is down.
func (m *modelServer) kill() error {
	if m.server == nil {
		return nil
	}
	m.server.Stop()
	err := <-m.served
	m.server = nil
	return err
}

// modelServers are those of the configuration's backends, by the backend's name.
type modelServers map[string]*modelServer

// startServers starts one server for each backend, on a free port of the loopback interface.
func startServers(ctx context.Context, backends map[string]*candorv1.Backend) (modelServers, error) {
	servers := modelServers{}
	for name, b := range backends {
		m, err := digits.LoadModel(b.GetModel())
		if err != nil {
			return nil, errors.Join(fmt.Errorf("backends.%s.model: %w; the demo serves these and no other", name, err), servers.stop())
		}
		s := &modelServer{model: m, addr: anyPort}
		if err := s.start(ctx); err != nil {
			return nil, errors.Join(err, servers.stop())
		}
		servers[name] = s
	}
	return servers, nil
}

// anyPort is a free port on the one address that the demo listens on.
const anyPort = "127.0.0.1:0"

func (servers modelServers) stop() error {
	var errs []error
	for _, s := range servers {
		errs = append(errs, s.kill())
	}
	return errors.Join(errs...)
}

// sleep waits for d, or answers why ctx ended first.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
