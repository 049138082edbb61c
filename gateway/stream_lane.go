package gateway

import (
	"sync"
	"time"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// lane is the way of a client's requests for one model: at most one stream to its primary at a time, opened when a request needs
// it, and anew after it has ended.
type lane struct {
	s       *clientStream
	primary *backend.Backend
	// fallback: somebody else may be asked when the primary is silent.
	fallback bool
	// own: it is one request's only, whose last answer is told by the end of the stream.
	own bool

	mu     sync.Mutex
	stream *backend.Stream
	// asked, in the order in which they were sent, until they are finished.
	asked []*question
	// busy is the one whose response is being dealt with.
	busy *question
	// sent is how many requests went out on this stream, first the first of them. echoes: its responses carry the ids of their
	// requests.
	sent   int
	first  struct{ id, sent string }
	echoes bool
	// alarm rings when the time of a request that waits behind others is over: at next, while it is watched. unwatched: it rang while a
	// response was being dealt with, since busySince; dealt is how long that has taken of all together. See stream_due.go.
	alarm              *time.Timer
	next, busySince    time.Time
	watched, unwatched bool
	dealt              time.Duration
	// closed: no more requests come.
	closed bool
	// sequence: one of its requests belongs to a sequence, whose state only the model server at the other end has.
	sequence bool
	// resending, while requests of a stream that broke go on another; it is closed after that. moving are those that were on the one that
	// broke.
	resending chan struct{}
	moving    []*question
	// unary, once made: the primary has no streams, and is asked by ModelInfer. It is closed when those that were sent on a stream
	// have been asked.
	unary chan struct{}
}

// ask sends a request on. What it can't send takes its route as after any failure.
func (l *lane) ask(q *question) {
	if l.hasNoStreams() {
		l.alone(q)
		return
	}
	l.name(q)
	data, err := q.request(l.primary)
	if err != nil {
		l.s.tell(notice{id: q.id, model: q.template.model.name, final: true}, fromWire(err))
		l.s.letGo(q)
		return
	}
	q.ctx, _ = q.template.trace.attempt(l.s.ctx, l.primary.Name(), candorv1.StepKind_STEP_KIND_PRIMARY)
	q.last = time.Now()
	terms := q.template.terms(q.ctx)
	terms.Once = inSequence(q.template.req)
	turn, failure := l.primary.Begin(q.ctx, terms, data.Len(), l.owes() > 0)
	if failure != nil {
		l.s.failed(q, failure, true)
		l.s.letGo(q)
		return
	}
	q.turn = turn
	l.post(q, data, false)
}

// post puts a request on the lane's stream, and on another one than that which can't be opened. again: it was on one that broke.
func (l *lane) post(q *question, data *wire.Frame, again bool) {
	for {
		stream, failure := l.join(q, again)
		if stream != nil {
			// An error is the end of the stream, and the receiver's to tell: it has the request already.
			_ = stream.Send(data)
			if l.own {
				stream.CloseSend()
			}
			return
		}
		if failure == nil {
			q.turn.End()
			l.alone(q)
			return
		}
		own := q.turn.Fail(q.ctx, failure, true)
		if !q.again(q.ctx, own, true) || !l.primary.Pause(q.ctx, own) {
			if !l.s.over() {
				l.s.failed(q, own, true)
			}
			l.s.finish(q)
			return
		}
	}
}

func (l *lane) hasNoStreams() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.unary != nil
}

// alone asks a primary without streams for one request, after those before it.
func (l *lane) alone(q *question) {
	defer l.s.letGo(q)
	l.mu.Lock()
	before := l.unary
	l.mu.Unlock()
	select {
	case <-before:
		l.s.single(q)
	case <-l.s.ctx.Done():
	}
}

// join puts the request on the lane's stream, which it opens if there is none. From then on its answers, and its failures, are the
// receiver's. Neither a stream nor a failure: the primary turned out to have no streams. Requests that come for the first time are
// behind those of a stream that broke: these open the next one, and nobody beside them.
func (l *lane) join(q *question, again bool) (*backend.Stream, *backend.Failure) {
	l.mu.Lock()
	for !again && l.resending != nil {
		resending := l.resending
		l.mu.Unlock()
		<-resending
		l.mu.Lock()
	}
	l.sequence = l.sequence || inSequence(q.template.req)
	if l.unary != nil {
		l.mu.Unlock()
		return nil, nil
	}
	if l.stream != nil {
		defer l.mu.Unlock()
		q.turn.On(l.stream)
		others := l.owedLocked() > 0
		l.asked = append(l.asked, q)
		l.lineUpLocked(q, others)
		l.sent++
		if l.owedLocked() == 1 {
			l.expect()
		}
		return l.stream, nil
	}
	l.mu.Unlock()
	stream, failure := l.primary.OpenStream(q.ctx, l.patience(), q.turn)
	if failure != nil {
		return nil, failure
	}
	q.turn.On(stream)
	l.mu.Lock()
	l.stream, l.sent, l.echoes, l.closed = stream, 1, false, l.closed || l.own
	l.first.id, l.first.sent = q.id, q.sent
	l.asked = append(l.asked, q)
	l.lineUpLocked(q, false)
	l.expect()
	l.mu.Unlock()
	l.s.opened(stream, l)
	l.s.receiver.Add(1)
	l.s.g.streaming.Go(func() {
		defer l.s.receiver.Done()
		l.s.guarded(func() {
			defer l.release(stream)
			l.receive(stream)
		})
	})
	return stream, nil
}

// patience is how long the primary may be silent: an attempt's time, or half of what the caller has left where a fallback waits
// behind it.
func (l *lane) patience() time.Duration {
	limit := l.primary.Timeout()
	if deadline, ok := l.s.ctx.Deadline(); ok && l.fallback {
		// Not 0 when the deadline has passed: that would be for ever.
		limit = min(limit, max(1, time.Until(deadline)/reserveMostDiv))
	}
	return limit
}

// closeSend tells the model server that no more requests come. While requests go on another stream whoever sends them does.
func (l *lane) closeSend() {
	l.mu.Lock()
	stream := l.stream
	l.closed = true
	if l.resending != nil {
		stream = nil
	}
	l.expect()
	l.mu.Unlock()
	if stream != nil {
		stream.CloseSend()
	}
}

// release closes the stream and finishes what is left, which is nothing unless a panic ended the receiver.
func (l *lane) release(stream *backend.Stream) {
	stream.Close()
	l.s.left(stream)
	l.mu.Lock()
	mine := l.stream == stream
	l.mu.Unlock()
	if !mine {
		return
	}
	for _, q := range l.take() {
		l.s.finish(q)
	}
}
