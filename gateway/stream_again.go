package gateway

import (
	"context"

	"github.com/candor-gateway/candor/backend"
)

// Requests of a stream that broke go on another one, as calls that failed are sent again: where the model server did not begin to answer
// them, within the backend's retry budget, on another replica where there is one. A request of which anything has come for its client
// never does.

// repeat is a request that goes on another stream, and how the attempt before ended.
type repeat struct {
	q   *question
	own *backend.Failure
}

// again is backend.Turn's, within the request's own time.
func (q *question) again(ctx context.Context, own *backend.Failure, others bool) bool {
	_, patience := q.firstBy()
	return q.turn.Again(ctx, own, others, patience)
}

// resend sends requests on another stream, in their order. It is for the receiver of the stream that broke with f.
func (l *lane) resend(f *backend.Failure, again []repeat) {
	if len(again) == 0 {
		return
	}
	defer func() {
		for _, r := range again { // those that a panic has left
			l.s.finish(r.q)
		}
	}()
	pause := l.primary.Pause(l.s.ctx, f)
	for len(again) > 0 {
		r := again[0]
		switch {
		case l.s.over():
			l.s.finish(r.q)
		case !pause:
			l.s.failed(r.q, r.own, true)
			l.s.finish(r.q)
		default:
			l.sendAgain(r.q)
		}
		again = again[1:]
	}
}

func (l *lane) sendAgain(q *question) {
	l.name(q)
	data, err := q.request(l.primary)
	if err != nil {
		// It could be sent before, to the same dialect.
		l.s.cancel(unbuilt(err))
		l.s.finish(q)
		return
	}
	l.post(q, data, true)
}

// resent lets new requests on the lane again.
func (l *lane) resent() {
	l.mu.Lock()
	resending := l.resending
	l.resending, l.moving = nil, nil
	closed, stream := l.closed && !l.own, l.stream
	l.mu.Unlock()
	if closed && stream != nil {
		stream.CloseSend()
	}
	close(resending)
}

// settleDown waits until requests of a stream that broke are on another.
func (l *lane) settleDown() {
	l.mu.Lock()
	resending := l.resending
	l.mu.Unlock()
	if resending != nil {
		<-resending
	}
}
