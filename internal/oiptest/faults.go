package oiptest

import (
	"context"

	"google.golang.org/grpc/status"
)

// faults is how a server misbehaves now.
type faults struct {
	hanging  chan struct{} // closed by Resume; nil: not hanging
	failure  error
	script   []Responder
	streams  []func(*Stream) error
	notReady bool
}

// Hang makes every call block, those that arrive from now on, until [Server.Resume] or the end of the call's own
// context: a process that accepts connections and does nothing. ModelReady and ModelMetadata hang too.
func (s *Server) Hang() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults.hanging == nil {
		s.faults.hanging = make(chan struct{})
	}
}

// Resume ends a Hang; the calls that waited are answered.
func (s *Server) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.faults.hanging != nil {
		close(s.faults.hanging)
		s.faults.hanging = nil
	}
}

// await blocks while the server hangs.
func (s *Server) await(ctx context.Context) error {
	s.mu.Lock()
	hanging := s.faults.hanging
	s.mu.Unlock()
	if hanging == nil {
		return nil
	}
	select {
	case <-hanging:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

// FailWith fails every ModelInfer with err, which should be a gRPC status, until FailWith(nil). A request on a stream is failed as Triton does
// it, by the message in band; with bare frames, which have no place for it, the stream ends with err.
func (s *Server) FailWith(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.failure = err
}

func (s *Server) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults.failure
}

// Script queues answers for the next calls, one each, whatever the model, in the order in which the calls get that
// far. When they are used up the models answer again. Calling it again appends.
func (s *Server) Script(steps ...Responder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.script = append(s.faults.script, steps...)
}

func (s *Server) nextStep() Responder {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults.script) == 0 {
		return nil
	}
	step := s.faults.script[0]
	s.faults.script = s.faults.script[1:]
	return step
}

// SetReady sets what ServerReady and ModelReady answer; true at the start. Inference isn't affected.
func (s *Server) SetReady(ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.notReady = !ready
}

func (s *Server) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.faults.notReady
}
