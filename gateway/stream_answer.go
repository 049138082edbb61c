package gateway

import (
	"github.com/candor-gateway/candor/backend"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

// receive takes a stream's messages, one at a time, each to its client.
func (l *lane) receive(stream *backend.Stream) {
	for {
		m, failure := stream.Recv()
		if m != nil {
			q := l.match(m.Response.ID)
			if q != nil {
				l.deliver(q, m)
				continue
			}
			// An answer must never go to another request than its own: the stream has lost count.
			failure = stream.Lost("a response with the id %q belongs to none of %d outstanding requests", brief(m.Response.ID, maxErrorField), l.owes())
			l.stray(m.Response.ID, failure)
		}
		if failure == nil {
			l.ended()
			return
		}
		l.broken(failure)
		return
	}
}

// deliver takes one message to the request that it is for.
func (l *lane) deliver(q *question, m *backend.Message) {
	mark, marked := m.Response.Param(paramFinal)
	final := marked && mark.Bool || !marked && m.Error != ""
	overdue := l.settle(q, final, !marked)
	defer l.settled(q, final)
	if overdue {
		return
	}
	l.s.answer(q, m, final, marked)
}

// answer takes one response of a request through the stages and tells the client what comes out.
func (s *clientStream) answer(q *question, m *backend.Message, final, marked bool) {
	switch {
	case m.Error != "":
		s.failed(q, q.turn.Said(s.ctx, m.Error, final), final)
		return
	case len(m.Response.Outputs) == 0 && marked:
		s.pass(q, m.Response, final)
		return
	}
	c, index := q.call(s), q.responses-1
	c.part = index > 0 || !final
	reply, err := s.g.run(c, func(c *call) error {
		began := q.last
		var evidence []router.Evidence
		var readable *wire.Response
		answer, failure := q.turn.Answer(&c.ctx, m.Response, final || !marked, c.weigh(&evidence, &readable))
		if failure != nil {
			return s.g.heard(c, began, nil, nil, nil, failure)
		}
		q.last = began.Add(answer.Duration)
		return s.g.heard(c, began, answer, readable, evidence, nil)
	})
	s.reply(q, c, index, reply, err, final)
	c.end()
}

// failed lets a request, or the rest of a decoupled one, take its route without an answer of the primary.
func (s *clientStream) failed(q *question, f *backend.Failure, final bool) {
	c, index := q.call(s), q.responses-1
	reply, err := s.g.run(c, func(c *call) error { return s.g.heard(c, q.last, nil, nil, nil, f) })
	s.reply(q, c, index, reply, err, final)
	c.end()
}

// single asks a primary that has no streams by ModelInfer. The next request waits for it: so answers keep their order.
func (s *clientStream) single(q *question) {
	c, index := q.call(s), q.responses-1
	c.trace.unasked()
	reply, err := s.g.run(c, s.g.askPrimary)
	s.reply(q, c, index, reply, err, true)
	c.end()
}

// pass hands on a response without outputs: there is nothing in it to decide on. One that only says that no more come is for those
// who asked for it; for the others it was asked for by us.
func (s *clientStream) pass(q *question, response *wire.Response, final bool) {
	if _, failure := q.turn.Answer(s.ctx, response, final, nil); failure != nil {
		s.failed(q, failure, final)
		return
	}
	if final && !q.wantsFinal {
		return
	}
	name, version := q.template.model.name, q.template.model.backendCfg.GetVersion()
	message, err := response.Rewrite(wire.Rewrite{Model: &name, Version: &version, StripParams: isOurs})
	if err == nil && response.ID != q.id {
		err = wire.ExtendResponse(message, &q.id, nil)
	}
	if err != nil {
		s.cancel(unbuilt(err))
		return
	}
	if err := s.send("", message); err != nil {
		s.tell(notice{id: q.id, model: name, final: final}, err)
	}
}

// ended finishes the requests of a stream that the model server ended without an error.
func (l *lane) ended() {
	l.mu.Lock()
	closed := l.closed
	l.mu.Unlock()
	counted := true
	l.s.each(l.take(), func(q *question) (kept bool) {
		switch {
		case q.overdue.Load() > 0:
		case l.own && q.wantsFinal:
			l.s.empty(q)
		case q.heard || closed && l.primary.StreamsBare():
			// Nobody said that more would come; and models behind bare streams may answer several requests at once.
		case !l.s.over():
			l.s.failed(q, q.turn.Fail(l.s.ctx, backend.Unanswered(), counted), true)
			counted = false
		}
		return false
	})
}

// each deals with requests that were taken, in turn, and finishes those that aren't kept; those, too, that a panic leaves.
func (s *clientStream) each(taken []*question, deal func(*question) (kept bool)) {
	defer func() {
		for _, q := range taken {
			s.finish(q)
		}
	}()
	for len(taken) > 0 {
		if !deal(taken[0]) {
			s.finish(taken[0])
		}
		taken = taken[1:]
	}
}

// broken lets the requests of a stream that broke take their routes. The next request opens a new one.
func (l *lane) broken(f *backend.Failure) {
	unary := backend.NoStreams(f)
	l.settleDown()
	l.mu.Lock()
	// What is sent again is all that was sent: nobody need know what was answered.
	closed, vague, others := l.closed, l.vague() && !f.Repeatable(), l.echoes && !l.primary.StreamsBare()
	if unary {
		l.unary = make(chan struct{})
		defer close(l.unary)
	} else {
		l.resending = make(chan struct{})
		defer l.resent()
	}
	l.mu.Unlock()
	owed := 0
	var open *question
	var again []repeat
	sent := false
	defer func() {
		for _, r := range again {
			if !sent { // a panic came before
				l.s.finish(r.q)
			}
		}
	}()
	l.s.each(l.take(), func(q *question) (kept bool) {
		switch {
		case q.overdue.Load() > 0:
		case !unary && (q.heard && !l.own || vague):
			open = q
		case unary:
			q.turn.End()
			if !l.s.over() {
				l.s.single(q)
			}
		default:
			own := q.turn.Fail(l.s.ctx, f, owed == 0)
			owed++
			if !l.s.over() {
				if q.responses == 0 && !q.heard && q.again(l.s.ctx, own, others) {
					again = append(again, repeat{q, own})
					return true
				}
				l.s.failed(q, own, true)
			}
		}
		return false
	})
	sent = true
	l.resend(f, again)
	if open != nil && owed == 0 && (closed || vague) && !l.s.over() {
		// The client waits for the end, and must not take this one for the right one: answers may be missing.
		f = open.turn.Fail(l.s.ctx, f, true)
		e := backendError(f).with("backend", l.primary.Name()).with("said_by", saidBy(f))
		e.Message = "the stream of backend " + l.primary.Name() + " broke: " + e.Message
		l.s.cancel(e)
	}
}

// stray tells a client whose requests are all answered of a response that is nobody's.
func (l *lane) stray(id string, f *backend.Failure) {
	if l.owes() > 0 {
		return
	}
	l.s.tell(notice{id: id, final: true}, backendError(f).with("backend", l.primary.Name()).with("said_by", saidBy(f)))
}

// finish gives back what a request held. Of an overdue one the second to be done with it does.
func (s *clientStream) finish(q *question) {
	if q.overdue.Load() > 0 && q.overdue.Add(-1) > 0 {
		return
	}
	q.turn.End()
	s.letGo(q)
}
