package gateway

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// StreamConn is a client's stream of encoded messages, as its transport has it: ModelInferRequest in, and out what Frames says.
// Recv and Send are called beside each other, each by one goroutine at a time. Recv's io.EOF says that the client sends no more.
// Send waits while the client takes no more.
type StreamConn interface {
	Recv() (*wire.Frame, error)
	Send(message *wire.Frame) error
}

// maxOutstanding is how many requests of a client's stream may wait for their answers. Triton's clients send a handful ahead, and
// its load generator goes up to what a person asks for; beyond this number nothing more is read until one is answered.
const maxOutstanding = 128

// clientStream is one ModelStreamInfer of a client: requests, in turn, for any of its models. For each model there is a lane, a
// stream to the model's primary, on which answers come back.
//
// Three kinds of goroutines work for it. The reader takes requests off the wire. serve, the handler's own, admits each and sends
// it on; when it can't, because the model server takes no more or too many requests are outstanding, it reads no further. A
// receiver per lane takes one answer at a time through the stages and sends it to the client; when that can't be, it receives no
// further. So nothing queues in between, and who is slow slows down the one who sends to it.
type clientStream struct {
	g      *Gateway
	who    Caller
	frames Frames
	conn   StreamConn
	// outer is the call's context. ctx, below it, ends earlier by our share of the caller's deadline, and with the first error that
	// ends the stream, which is then its cause.
	outer, ctx context.Context
	cancel     context.CancelCauseFunc

	requests chan handed
	receiver sync.WaitGroup
	lanes    map[string]*lane // touched by serve alone

	// room bounds the requests that are kept, in bytes: each takes its own size, and at least its share of maxOutstanding.
	room    *semaphore.Weighted
	maxRoom int64
	// hungry: serve waits for room, so that nothing is kept that need not be.
	hungry atomic.Bool

	sending sync.Mutex

	// open are the streams to model servers, with their lanes.
	openMu sync.Mutex
	open   map[*backend.Stream]*lane
	// leaving are the plans that were replaced and whose requests have time left.
	leaving map[*plan]*time.Timer
}

// InferStream serves a client's stream: each request is admitted as Infer admits it, goes to the model's primary on a stream that
// all requests of this model share, and each of its answers takes Infer's path (run) as a prediction of its own. It ends when the
// client has sent its last request and all are answered, with the first error that frames has no place for, or when ctx ends. The
// error is an *Error, or conn's.
//
// While the gateway drains it reads no further requests, answers the outstanding ones, and ends with DRAINING.
func (g *Gateway) InferStream(ctx context.Context, who Caller, frames Frames, conn StreamConn) error {
	s := &clientStream{
		g: g, who: who, frames: frames, conn: conn, outer: ctx, requests: make(chan handed), lanes: map[string]*lane{},
		open: map[*backend.Stream]*lane{}, leaving: map[*plan]*time.Timer{},
		maxRoom: g.plan().cfg.GetListen().GetMaxMessageBytes(),
	}
	s.room = semaphore.NewWeighted(s.maxRoom)
	ctx, stop := shaved(ctx)
	defer stop()
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	defer s.cancel(nil)
	g.streaming.Go(func() { s.guarded(s.read) })
	return s.serve()
}

// handed is a request as it came: its bytes, which take size of the gateway's memory, or why there is no room for it.
type handed struct {
	data    *wire.Frame
	size    int64
	refused *notice
	err     error
}

// read takes requests off the wire until there are no more. The last Recv ends with the handler.
func (s *clientStream) read() {
	for {
		data, err := s.conn.Recv()
		switch {
		case errors.Is(err, io.EOF):
			close(s.requests)
			return
		case err != nil:
			s.cancel(err)
			return
		}
		in := s.hold(data)
		select {
		case s.requests <- in:
		case <-s.ctx.Done():
			s.g.memory.release(in.size)
			return
		}
	}
}

// hold takes room for a request in the gateway's memory. One for which there is none isn't kept.
func (s *clientStream) hold(data *wire.Frame) handed {
	size := int64(data.Len())
	err := s.g.memory.take(size, s.who.Principal.priority)
	if err == nil {
		return handed{data: data, size: size}
	}
	n := noticeOf(data)
	data.Free()
	return handed{refused: &n, err: err}
}

// serve sends requests on until the client has no more, and waits for the answers.
func (s *clientStream) serve() error {
	defer s.stay()
	var last error
	inForce := s.g.plan()
	for more := true; more; {
		var in handed
		select {
		case in, more = <-s.requests:
			if more {
				s.request(in)
			}
		case <-inForce.replaced:
			before := inForce
			inForce = s.g.plan()
			s.replaced(before, inForce)
		case <-s.g.stopping:
			more, last = false, draining("the gateway is shutting down; begin a new stream at another replica")
		case <-s.ctx.Done():
			more = false
		}
	}
	for _, l := range s.lanes {
		l.closeSend()
	}
	answered := make(chan struct{})
	s.g.streaming.Go(func() { s.receiver.Wait(); close(answered) })
	for ended, waiting := s.ctx.Done(), true; waiting; {
		select {
		case <-answered:
			waiting = false
		case <-inForce.replaced:
			before := inForce
			inForce = s.g.plan()
			s.replaced(before, inForce)
		case <-ended:
			// Where only the time has passed, what is outstanding takes its route within our share of the deadline.
			waiting = !s.over() && s.outer.Err() == nil
			ended = s.outer.Done()
		}
	}
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	return last
}

// over says that the stream has ended, for another reason than its time: nobody is there to be told anything.
func (s *clientStream) over() bool {
	return s.ctx.Err() != nil && !errors.Is(context.Cause(s.ctx), context.DeadlineExceeded)
}

// request admits one request and sends it on.
func (s *clientStream) request(in handed) {
	kept := false
	defer func() {
		if !kept {
			s.g.memory.release(in.size)
		}
	}()
	if in.err != nil {
		s.g.metrics.countRefused(in.err)
		s.tell(*in.refused, in.err)
		return
	}
	data := in.data
	c, err := s.g.admit(s.outer, s.who, data)
	if err != nil {
		s.g.metrics.countRefused(err)
		s.tell(noticeOf(data), err)
		return
	}
	q := newQuestion(c)
	q.size.Store(in.size)
	kept = true
	asked := false
	// A panic, which ends the stream, may come before anybody is there to let go of the request.
	defer func() {
		if !asked && q.turn != nil {
			q.turn.End()
		}
		if !asked {
			s.letGo(q)
		}
	}()
	weight := min(s.maxRoom, max(int64(data.Len()), s.maxRoom/maxOutstanding))
	if !s.makeRoom(weight) {
		return
	}
	q.weight = weight
	s.laneFor(q).ask(q)
	asked = true
}

// letGo ends what was kept for a request. Once is enough.
func (s *clientStream) letGo(q *question) {
	if q.gone.Swap(true) {
		return
	}
	if q.weight > 0 {
		s.room.Release(q.weight)
	}
	s.unhold(q)
	q.template.model.plan.drop()
}

// unhold gives back what a request takes of the gateway's memory. One that is owed nothing may be kept for long by a stream on which nothing
// happens: its stream's room alone bounds those.
func (s *clientStream) unhold(q *question) { s.g.memory.release(q.size.Swap(0)) }

// makeRoom waits until a request of this weight may be kept; false: the stream has ended meanwhile.
func (s *clientStream) makeRoom(weight int64) bool {
	if s.room.TryAcquire(weight) {
		return true
	}
	s.hungry.Store(true)
	defer s.hungry.Store(false)
	for _, l := range s.lanes {
		l.forget()
	}
	return s.room.Acquire(s.ctx, weight) == nil
}

// noticeOf says whose a request is that is not admitted, as far as it can be read.
func noticeOf(data *wire.Frame) notice {
	n := notice{final: true}
	if req, err := wire.ScanRequest(data); err == nil {
		n.id, n.model = req.ID, req.ModelName
	}
	return n
}

// laneFor is the lane of the request's model. Where the client reads Triton's frames and the model server sends none, each
// request has a stream of its own: on one that is shared, nothing would say which answer belongs to which request, and which is
// the last; and such model servers may wait for the end of the stream before they answer, which Triton's clients leave open.
func (s *clientStream) laneFor(q *question) *lane {
	m := q.template.model.plan.models[q.template.model.name]
	if m.primary.StreamsBare() && !s.frames.Bare {
		return &lane{s: s, primary: m.primary, fallback: len(m.tiers) > 0, own: true}
	}
	l := s.lanes[m.name]
	if l != nil && l.primary == m.primary && l.fallback == (len(m.tiers) > 0) && !l.astray(q) {
		return l
	}
	if l != nil {
		// The model has another primary now, or its replica gets no calls. What was sent there is answered there.
		l.closeSend()
	}
	l = &lane{s: s, primary: m.primary, fallback: len(m.tiers) > 0}
	s.lanes[m.name] = l
	return l
}

// guarded runs f in a goroutine of its own, behind which no handler recovers: a panic ends this stream and no other.
func (s *clientStream) guarded(f func()) {
	defer func() {
		if p := recover(); p != nil {
			s.g.guard().Tell("a client's stream", p)
			s.cancel(errf(codes.Internal, candorv1.ErrorReason_ERROR_REASON_INTERNAL, "a defect of the gateway; its log has the details"))
		}
	}()
	f()
}
