package oiptest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/candor-gateway/candor/internal/heldport"
)

// Model is one model of a server.
type Model struct {
	Name string
	// Version is the only one served: a request that names another gets NOT_FOUND. Empty: "1".
	Version string
	// Inputs and Outputs are what ModelMetadata tells. If Outputs is set, a request for an output that isn't there gets
	// INVALID_ARGUMENT.
	Inputs, Outputs []TensorSpec
	// Infer answers; nil: UNIMPLEMENTED. Called from many goroutines at once.
	Infer Responder
	// Stream answers requests on streams; nil: Infer does, once each.
	Stream StreamResponder
}

// TensorSpec describes a tensor in ModelMetadata. -1 in Shape marks a dimension of any size.
type TensorSpec struct {
	Name     string
	Datatype string
	Shape    []int64
}

// Options of a server; the zero value is plain text on a free port of 127.0.0.1.
type Options struct {
	// TLS, if set, is the server's configuration (certificates, and ClientCAs and ClientAuth for mTLS).
	TLS *tls.Config
	// MaxMessageBytes bounds a request. Default 64 MiB.
	MaxMessageBytes int
	// Dialect is what the server differs in.
	Dialect Dialect
	// Bare streams hold responses without Triton's frame, as MLServer's do.
	Bare bool
	// Address is where it listens, host:port. Empty: a free port of 127.0.0.1.
	Address string
}

const defaultMaxMessageBytes = 64 << 20

// Server is a model server on a loopback socket. Its methods may be called from any goroutine, except Kill and
// Restart, which (like all that can call t.Fatal) belong to the test's.
type Server struct {
	t       testing.TB
	addr    string
	options Options
	models  map[string]Model

	lifeMu sync.Mutex   // guards running; held over a Kill or a Restart
	run    *incarnation // nil while killed

	mu     sync.Mutex // guards the rest; never held while a Responder runs
	faults faults
	record record
}

// incarnation is one life of the server between a Restart and a Kill.
type incarnation struct {
	grpc *grpc.Server
	done chan error // Serve's result
}

// Start starts a server of these models and stops it, waiting for its handlers, at t.Cleanup.
func Start(t testing.TB, models ...Model) *Server {
	t.Helper()
	return StartWith(t, Options{}, models...)
}

// StartWith is Start with options.
func StartWith(t testing.TB, options Options, models ...Model) *Server {
	t.Helper()
	if options.MaxMessageBytes == 0 {
		options.MaxMessageBytes = defaultMaxMessageBytes
	}
	s := &Server{t: t, options: options, models: make(map[string]Model, len(models))}
	s.record.changed = make(chan struct{})
	for _, m := range models {
		if m.Name == "" {
			t.Fatal("oiptest: a model without a name")
		}
		if _, twice := s.models[m.Name]; twice {
			t.Fatalf("oiptest: two models named %q", m.Name)
		}
		if m.Version == "" {
			m.Version = "1"
		}
		s.models[m.Name] = m
	}
	if options.Address == "" {
		// It is the server's own over its whole life, also while it is killed.
		options.Address = heldport.For(t)
	}
	lis, err := net.Listen("tcp", options.Address)
	if err != nil {
		t.Fatalf("oiptest: listen: %v", err)
	}
	s.addr = lis.Addr().String()
	s.serve(lis)
	t.Cleanup(s.Kill)
	return s
}

// Addr is the server's host:port, the same over its whole life.
func (s *Server) Addr() string { return s.addr }

// Kill closes the listener and every connection at once, as the death of a process does: callers see UNAVAILABLE, new
// connections are refused. It cancels the contexts of running Responders and waits for them to return. Killing a dead
// server does nothing.
func (s *Server) Kill() {
	s.lifeMu.Lock()
	defer s.lifeMu.Unlock()
	if s.run == nil {
		return
	}
	s.run.grpc.Stop()
	// ErrServerStopped: killed before Serve began.
	if err := <-s.run.done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		s.t.Errorf("oiptest: serve %s: %v", s.addr, err)
	}
	s.run = nil
}

// Restart brings a killed server back on the same address, with its script, faults and counters as they were. On a
// live server it does nothing.
func (s *Server) Restart() {
	s.t.Helper()
	s.lifeMu.Lock()
	defer s.lifeMu.Unlock()
	if s.run != nil {
		return
	}
	lis, err := relisten(s.addr)
	if err != nil {
		s.t.Fatalf("oiptest: restart: %v", err)
	}
	s.serve(lis)
}

// serve needs lifeMu, or sole ownership.
func (s *Server) serve(lis net.Listener) {
	options := []grpc.ServerOption{
		grpc.ForceServerCodec(codec{}),
		grpc.MaxRecvMsgSize(s.options.MaxMessageBytes),
		grpc.WaitForHandlers(true),
	}
	if s.options.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(s.options.TLS)))
	}
	run := &incarnation{grpc: grpc.NewServer(options...), done: make(chan error, 1)}
	run.grpc.RegisterService(s.options.Dialect.desc(), &service{server: s})
	go func() { run.done <- run.grpc.Serve(lis) }()
	s.run = run
}

// relisten takes an address back. Where its port isn't held, the kernel may lend it to an outgoing connection of another process for a moment
// between a Kill and a Restart, hence several attempts.
func relisten(addr string) (net.Listener, error) {
	const (
		attempts = 100
		pause    = 20 * time.Millisecond
	)
	var err error
	for range attempts {
		var lis net.Listener
		if lis, err = net.Listen("tcp", addr); err == nil {
			return lis, nil
		}
		time.Sleep(pause)
	}
	return nil, fmt.Errorf("%s is taken: %w", addr, err)
}
