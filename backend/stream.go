package backend

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// StreamsBare says that this model server answers ModelStreamInfer with bare responses, which have no place for an error and no
// mark for the last one. The others frame them as Triton does.
func (b *Backend) StreamsBare() bool { return b.Speech().Wire.Frames == wire.StreamBare }

// Stream is one ModelStreamInfer on a backend's connection. One goroutine may call Send and CloseSend while another calls Recv;
// Expect and Close may be called by any. It is closed by Close, whatever else happened.
//
// The requests on it are calls like any other: each is let in by Backend.Begin before it is sent, and its Turn is told what
// became of it. The stream itself takes no slot and no permit: an idle one costs the model server nothing. To those who choose a
// replica it is a call for as long as it is open.
type Stream struct {
	b *Backend
	// parent is the caller's context, ctx our own below it.
	parent, ctx context.Context
	cancel      context.CancelCauseFunc
	grpc        grpc.ClientStream
	bare        bool
	clock       *clock
	closed      atomic.Bool
	// came: a message has come.
	came bool
	// given is why we gave it up; nil: we didn't.
	given atomic.Pointer[Failure]

	// conn carries the stream until it is closed, and waiting requests on it; idle: conn counts it as a stream on which none waits.
	conn          *sharedConn
	mu            sync.Mutex
	waiting       int
	idle, settled bool
}

// Message is one message of a Stream. It aliases what came, and nobody changes it.
type Message struct {
	// Error is what the model server says instead of an answer; empty: it answered. Response then tells at most whom it is for.
	Error    string
	Response *wire.Response
}

// detectShare of the time in which a stream must begin may go into asking who the model server is.
const detectShare = 4

// OpenStream begins a stream for a request, which lasts until Close, until ctx ends or until the model server ends it. Outgoing
// metadata in ctx goes along. It returns within silence. Where there is another, it is on another replica than those that the request
// has been sent to. The Turn hasn't been told of its Failure.
func (b *Backend) OpenStream(ctx context.Context, silence time.Duration, first *Turn) (*Stream, *Failure) {
	if b.Speech().Source == candorv1.DialectSource_DIALECT_SOURCE_UNSPECIFIED {
		// Frames can't be told apart by looking at them, and a stream is worth a moment's wait for who is there.
		asking, cancel := context.WithTimeout(ctx, silence/detectShare)
		b.Detect(asking)
		cancel()
	}
	s := &Stream{b: b, parent: ctx, conn: b.conns.takeOther(first.tried...)}
	if s.conn.replica != nil {
		first.tried = append(first.tried, s.conn.replica)
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.clock = &clock{ring: func() { s.cancel(errTimeUp) }}
	s.clock.set(silence)
	s.clock.run()
	desc := &grpc.StreamDesc{StreamName: "ModelStreamInfer", ClientStreams: true, ServerStreams: true}
	s.bare = b.StreamsBare()
	var err error
	s.grpc, err = s.conn.NewStream(s.ctx, desc, b.Speech().method("ModelStreamInfer"))
	waited := s.clock.stop()
	if err != nil {
		f := s.failed(err, waited)
		s.Close()
		told := outcomeOf(f, Verdict{})
		f.outlier = s.conn.heard(told, first.sent()) != told
		f.Replica = s.conn.place()
		return nil, f
	}
	return s, nil
}

// Send sends an encoded ModelInferRequest, which it takes over. It waits while the model server takes no more. io.EOF says that the stream has ended:
// Recv says why.
func (s *Stream) Send(request *wire.Frame) error {
	if err := s.grpc.SendMsg(request); err != nil {
		// A message that our own client refuses leaves the stream open on the other side, and whoever waits for its answer waiting.
		if !errors.Is(err, io.EOF) {
			s.cancel(err)
		}
		return io.EOF
	}
	return nil
}

// CloseSend tells the model server that no more requests come.
func (s *Stream) CloseSend() {
	s.closed.Store(true)
	// The only error is a stream that has ended, which Recv tells.
	_ = s.grpc.CloseSend()
}

// Expect says how long from now on the model server may keep us waiting for what is owed, whatever else it says; 0: for ever. Only the
// time that Recv waits counts: a gateway that is busy with the last message, or with a client that reads slowly, is not a model server
// that hangs.
func (s *Stream) Expect(silence time.Duration) { s.clock.set(silence) }

// Close ends the stream. What the model server is still working on is cancelled.
func (s *Stream) Close() {
	s.clock.set(0)
	s.cancel(nil)
	s.settle()
}

// Recv waits for the next message. Neither a message nor a Failure: the model server ended the stream without an error. Of a Failure
// the Turns have to be told. Bytes that are no message end the stream, for nobody can know whose they were.
func (s *Stream) Recv() (*Message, *Failure) {
	frame := new(wire.Frame)
	s.clock.run()
	err := s.grpc.RecvMsg(frame)
	waited := s.clock.stop()
	switch {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, s.failed(err, waited)
	}
	s.came = true
	m, err := s.scan(frame)
	if err != nil {
		return nil, s.Lost("a message of the stream could not be read: %v", err)
	}
	return m, nil
}

func (s *Stream) scan(data *wire.Frame) (*Message, error) {
	m := new(Message)
	if !s.bare {
		frame, err := wire.ScanStreamFrame(data)
		if err != nil {
			return nil, err
		}
		data.Free()
		m.Error, data = frame.Error, frame.Response
	}
	var err error
	m.Response, err = wire.ScanResponse(data)
	return m, err
}

// Lost ends a stream of which nobody knows any more whose answers it brings, and is its Failure.
func (s *Stream) Lost(format string, args ...any) *Failure {
	f := broken(format, args...)
	f.began = true
	s.cancel(f)
	return f
}

// GiveUp ends a stream that takes too long for us, through nobody's fault. Recv then has a Failure that says why.
func (s *Stream) GiveUp(format string, args ...any) {
	f := inferred(Excluded, candorv1.Reason_REASON_BACKEND_FAILURE, codes.Unavailable, format, args...)
	s.given.CompareAndSwap(nil, f)
	s.cancel(f)
}

// Out says that the stream is on a replica that gets no calls any more, although others do.
func (s *Stream) Out() bool {
	r := s.conn.replica
	return r != nil && (r.gone.Load() || r.fleet.now.Load().out(r))
}

// failed is the end of the stream, which came after somebody had waited for so long for its next message.
func (s *Stream) failed(err error, waited time.Duration) *Failure {
	f := copied(s.given.Load())
	if f == nil {
		f = s.judge(err, waited)
	}
	f.began = s.came
	if s.grpc != nil {
		header, _ := s.grpc.Header() // doesn't wait: the stream has ended
		f.began = f.began || len(header) > 0
		f.pushback = pushbackOf(s.grpc.Trailer())
	}
	if f.Class == Overload {
		f.RetryAfter = f.pushback.wait
	}
	return f
}

func (s *Stream) judge(err error, waited time.Duration) *Failure {
	rung := s.clock.rung.Load()
	gone := s.parent.Err()
	e := ended{
		status: status.Convert(err), elapsed: waited, given: waited,
		callerGone: !rung && gone != nil, callerLate: errors.Is(gone, context.DeadlineExceeded), enough: s.b.tempo.enough(waited),
	}
	if s.grpc != nil {
		e.trailer = s.grpc.Trailer()
		e.said = saidIt(e.trailer, e.status.Message())
	}
	switch {
	case !rung:
	case s.bare && !s.closed.Load():
		// MLServer's models may read all requests before they answer any. Then the silence is the client's, who has not ended its
		// stream.
		return inferred(Excluded, candorv1.Reason_REASON_DEADLINE, codes.DeadlineExceeded,
			"no answer within %v; the model may be waiting for the end of the client's stream", waited.Round(time.Millisecond))
	case waited < s.b.set.timeout:
		// The caller left less time than the backend may have.
		e.callerGone, e.callerLate = true, true
	default:
		return inferred(Failed, candorv1.Reason_REASON_DEADLINE, codes.DeadlineExceeded, "no answer within %v", s.b.set.timeout)
	}
	if e.said && e.status.Code() == codes.Unimplemented {
		// judge would raise an alarm. That a server has no streams is no mistake of the configuration: most have none.
		f := classify(s.b.Speech().Dialect, s.b.maxBytes, e)
		f.Message = "the model server has no ModelStreamInfer: " + f.Message
		return f
	}
	return s.b.judge(e)
}

// NoStreams says that the stream broke because the model server has no ModelStreamInfer at all, so that it has seen no request.
func NoStreams(f *Failure) bool {
	return f.Code == codes.Unimplemented && f.Source == candorv1.FailureSource_FAILURE_SOURCE_BACKEND
}

// Overdue is the Failure of a request whose own time was over while it waited behind others on its stream, which go on: the model server
// need not be at fault.
func Overdue(own time.Duration) *Failure {
	return inferred(Excluded, candorv1.Reason_REASON_DEADLINE, codes.DeadlineExceeded, "no answer within %v, behind other requests of the stream", own.Round(time.Millisecond))
}

// Unanswered is the Failure of a request on a stream that the model server ended, without an error, before it was answered.
func Unanswered() *Failure {
	return inferred(Failed, candorv1.Reason_REASON_BACKEND_FAILURE, codes.Unavailable, "the model server ended the stream without an answer")
}
