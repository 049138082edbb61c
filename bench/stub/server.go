// Package stub is a model server that costs next to nothing: it writes the frames of canned answers itself, so that a benchmark
// of what stands before it doesn't measure a model server.
package stub

import (
	"context"
	"errors"
	"net"
	"sync"
)

// Server is the model server. Its answers depend on how many rows it has seen, over all connections.
type Server struct {
	answers *answers
	mu      sync.Mutex
	conns   map[net.Conn]bool
	closed  bool
	wait    sync.WaitGroup
	// failed is the first error of a connection that was not closed by the peer.
	failed error
}

// New makes a server.
func New() *Server { return &Server{answers: newAnswers(), conns: map[net.Conn]bool{}} }

// Serve answers connections until ctx ends. It returns the first fault that it found in what a peer sent.
func (s *Server) Serve(ctx context.Context, lis net.Listener) error {
	stop := context.AfterFunc(ctx, func() { s.close(lis) })
	defer stop()
	for {
		nc, err := lis.Accept()
		if err != nil {
			if ctx.Err() != nil {
				err = nil
			}
			s.close(lis)
			s.wait.Wait()
			return errors.Join(err, s.failed)
		}
		if !s.add(nc) {
			_ = nc.Close()
			continue
		}
		s.wait.Go(func() {
			err := newConn(nc, s.answers).serve()
			s.remove(nc, err)
		})
	}
}

func (s *Server) add(nc net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[nc] = true
	return true
}

func (s *Server) remove(nc net.Conn, err error) {
	_ = nc.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, nc)
	if err != nil && !s.closed && s.failed == nil && !gone(err) {
		s.failed = err
	}
}

// close ends everything.
func (s *Server) close(lis net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	_ = lis.Close()
	for nc := range s.conns {
		_ = nc.Close()
	}
}
