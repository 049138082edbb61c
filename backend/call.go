package backend

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// Call forwards a message to a method of the model server's inference service other than ModelInfer, and answers what came
// back, both as bytes. It lasts as long as ctx, and no longer than the backend's timeout. The breaker neither stops it nor hears of
// it: such calls say nothing about predictions. The error is a *Failure.
func (b *Backend) Call(ctx context.Context, method string, request []byte) ([]byte, error) {
	start := time.Now()
	if len(request) > b.maxBytes {
		f := inferred(Excluded, candorv1.Reason_REASON_BACKEND_FAILURE, codes.ResourceExhausted,
			"the request has %d bytes, more than max_message_bytes, %d", len(request), b.maxBytes)
		return nil, b.named(f, start, 0)
	}
	timed, cancel := context.WithTimeoutCause(ctx, b.set.timeout, errTimeUp)
	defer cancel()
	var trailer metadata.MD
	reply, speech := new(wire.Frame), b.Speech()
	err := b.conns.Invoke(timed, speech.method(method), wire.NewFrame(request), reply, grpc.Trailer(&trailer))
	if err == nil {
		return reply.Bytes(), nil
	}
	timeUp := context.Cause(timed) == errTimeUp
	st := status.Convert(err)
	return nil, b.named(classify(speech.Dialect, b.maxBytes, ended{
		status: st, said: saidIt(trailer, st.Message()), trailer: trailer,
		callerGone: ctx.Err() != nil && !timeUp, callerLate: ctx.Err() == context.DeadlineExceeded,
		timeUp: timeUp, ours: true, elapsed: time.Since(start), given: b.set.timeout,
	}), start, 1)
}

// named completes a Failure that isn't counted.
func (b *Backend) named(f *Failure, start time.Time, attempts int) *Failure {
	f.Backend, f.Duration, f.Attempts = b.name, time.Since(start), attempts
	f.Message = sanitize(f.Message, b.set.host)
	return f
}
