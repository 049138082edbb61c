package gateway

import (
	"time"

	"github.com/candor-gateway/candor/backend"
)

// What a client's stream holds of a configuration that has been replaced, it lets go within a bounded time.

// opened and left say that a lane has a stream, and no longer.
func (s *clientStream) opened(stream *backend.Stream, l *lane) {
	s.openMu.Lock()
	defer s.openMu.Unlock()
	s.open[stream] = l
}

func (s *clientStream) left(stream *backend.Stream) {
	s.openMu.Lock()
	defer s.openMu.Unlock()
	delete(s.open, stream)
}

// replaced is told that another plan is in force. Streams with requests from before get no further ones, so that only these
// end with them; nor do those to backends that are no model's primary any more. What was asked under the plan before has the time of a
// drain to be answered, also by a model that never ends; the timer ends that.
func (s *clientStream) replaced(before, now *plan) {
	for name, l := range s.lanes {
		if m := now.models[name]; m == nil || m.primary != l.primary || l.holds(before) && !l.keepsState() {
			l.closeSend()
			delete(s.lanes, name)
		}
	}
	limit := now.cfg.GetListen().GetDrainTimeout().AsDuration()
	s.openMu.Lock()
	defer s.openMu.Unlock()
	s.leaving[before] = time.AfterFunc(limit, func() {
		s.guarded(func() {
			s.openMu.Lock()
			defer s.openMu.Unlock()
			delete(s.leaving, before)
			for stream, l := range s.open {
				l.forget()
				if l.holds(before) {
					stream.GiveUp("the configuration that the request came under was replaced, and %v later the model was still answering", limit)
				}
			}
		})
	})
}

// stay ends the time of plans that were replaced: the stream is over.
func (s *clientStream) stay() {
	s.openMu.Lock()
	defer s.openMu.Unlock()
	for _, t := range s.leaving {
		t.Stop()
	}
}

// holds says that a request on the lane came under this plan.
func (l *lane) holds(pl *plan) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range l.asked {
		if q.template.model.plan == pl {
			return true
		}
	}
	return false
}

// keepsState says that a sequence is on the lane.
func (l *lane) keepsState() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sequence
}

// astray says that the lane's stream is on a replica that gets no calls, so that a request is better sent on another stream. A sequence
// stays where its state is.
func (l *lane) astray(q *question) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stream != nil && !l.sequence && !inSequence(q.template.req) && l.stream.Out()
}
