package oiptest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/candor-gateway/candor/gen/inference"
)

// Call is one ModelInfer as it arrived. It is shared with the Responder and with every reader: don't change it.
type Call struct {
	// Request is the parsed message, unknown fields included.
	Request *inference.ModelInferRequest
	// Bytes is the message as it was sent (after decompression).
	Bytes []byte
	// Metadata is what came with the call; keys are lower case.
	Metadata metadata.MD
	// Deadline of the call; zero: none.
	Deadline time.Time
}

// Rows is the first dimension of the first input; 0 if there is none or it is negative.
func (c Call) Rows() int {
	inputs := c.Request.GetInputs()
	if len(inputs) == 0 || len(inputs[0].GetShape()) == 0 || inputs[0].GetShape()[0] < 0 {
		return 0
	}
	return int(inputs[0].GetShape()[0])
}

// historyLen bounds how many calls are kept, so that a load test doesn't run out of memory. Counters go on.
const historyLen = 1024

// record is what a server has seen.
type record struct {
	calls, rows map[string]int // by model name
	total       int
	totalRows   int
	streams     int
	history     []Call
	changed     chan struct{} // closed and replaced at each call
}

func (s *Server) recordCall(c Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := &s.record
	if r.calls == nil {
		r.calls, r.rows = make(map[string]int), make(map[string]int)
	}
	name := c.Request.GetModelName()
	r.total++
	r.totalRows += c.Rows()
	r.calls[name]++
	r.rows[name] += c.Rows()
	if len(r.history) == historyLen {
		r.history = slices.Delete(r.history, 0, 1)
	}
	r.history = append(r.history, c)
	close(r.changed)
	r.changed = make(chan struct{})
}

// Calls is how many ModelInfer calls arrived, answered or not.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.total
}

// Rows is how many rows arrived with them.
func (s *Server) Rows() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.totalRows
}

// CallsTo is Calls of one model name, known to the server or not.
func (s *Server) CallsTo(model string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.calls[model]
}

// RowsTo is Rows of one model name.
func (s *Server) RowsTo(model string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.rows[model]
}

// Last is the call that arrived last. Without one it ends the test.
func (s *Server) Last() Call {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.record.history) == 0 {
		s.t.Fatal("oiptest: no call has arrived")
	}
	return s.record.history[len(s.record.history)-1]
}

// History is the calls in the order of their arrival, the last 1,024 at most.
func (s *Server) History() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.record.history)
}

// AwaitCalls waits until n calls have arrived over the server's whole life, so that a test can act while they hang.
func (s *Server) AwaitCalls(ctx context.Context, n int) error {
	for {
		s.mu.Lock()
		total, changed := s.record.total, s.record.changed
		s.mu.Unlock()
		if total >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("oiptest: %d of %d calls have arrived: %w", total, n, context.Cause(ctx))
		}
	}
}
