package gateway

import (
	"slices"
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
// drain to be answered, also by a model that never ends; the timer ends that. So has what was asked under one that was in force for so short
// that nobody was told of it.
func (s *clientStream) replaced(before, now *plan) {
	leave := map[*plan]bool{before: true}
	for name, l := range s.lanes {
		old := l.under(now)
		for _, pl := range old {
			leave[pl] = true
		}
		if m := now.models[name]; m == nil || m.primary != l.primary || len(old) > 0 && !l.keepsState() {
			l.closeSend()
			delete(s.lanes, name)
		}
	}
	limit := now.cfg.GetListen().GetDrainTimeout().AsDuration()
	s.openMu.Lock()
	defer s.openMu.Unlock()
	for _, l := range s.open {
		for _, pl := range l.under(now) {
			leave[pl] = true
		}
	}
	for pl := range leave {
		if s.leaving[pl] == nil {
			s.leaving[pl] = time.AfterFunc(limit, func() { s.guarded(func() { s.giveUp(pl, limit) }) })
		}
	}
}

// giveUp ends the streams on which a plan's requests still are, limit after it was replaced.
func (s *clientStream) giveUp(pl *plan, limit time.Duration) {
	s.openMu.Lock()
	defer s.openMu.Unlock()
	delete(s.leaving, pl)
	for stream, l := range s.open {
		l.forget()
		if slices.Contains(l.under(nil), pl) {
			stream.GiveUp("the configuration that the request came under was replaced, and %v later the model was still answering", limit)
		}
	}
}

// stay ends the time of plans that were replaced: the stream is over.
func (s *clientStream) stay() {
	s.openMu.Lock()
	defer s.openMu.Unlock()
	for _, t := range s.leaving {
		t.Stop()
	}
}

// under are the plans that requests on the lane, or on their way to another stream of it, came under, but for one.
func (l *lane) under(but *plan) (plans []*plan) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range slices.Concat(l.asked, l.moving) {
		if pl := q.template.model.plan; pl != but && !slices.Contains(plans, pl) {
			plans = append(plans, pl)
		}
	}
	return plans
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
