package gateway

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/candor-gateway/candor/backend"
	"github.com/candor-gateway/candor/internal/wire"
)

// Parameters of Triton's that mean something on a stream.
const (
	// paramWantsFinal asks for an empty response after a decoupled request's last one, where the last one didn't say so itself.
	paramWantsFinal = "triton_enable_empty_final_response"
	// paramFinal says of a response whether it is its request's last.
	paramFinal = "triton_final_response"
	// paramSequence makes a request one of a sequence, whose state only its model server has.
	paramSequence = "sequence_id"
)

// question is one request of a client's stream, until nothing more comes for it.
type question struct {
	// template is the call as it was admitted. Each response gets a copy of it: the first its id, the others ids of their own.
	template *call
	// id is the client's, sent the one under which the model server has it.
	id, sent string
	turn     *backend.Turn
	// ctx is that of its way to the primary.
	ctx context.Context
	// weight is the room that is taken for it; 0: none yet.
	weight int64
	// size is what it takes of the gateway's memory, in bytes; 0: nothing, or no longer.
	size atomic.Int64
	// gone: it was let go.
	gone atomic.Bool
	// wantsFinal: the client asked for the empty final response.
	wantsFinal bool
	// last is when it was sent, or when its last response came.
	last time.Time
	// responses that were decided.
	responses int
	// heard: it was answered, by a server that doesn't say whether more will come. It is owed nothing, and may get more.
	heard bool
	// behind: it was sent while others waited for their answers; got: it has got a response. dealtBefore is the lane's dealt of then. These
	// are the lane's to guard.
	behind, got bool
	dealtBefore time.Duration
	// overdue is how many have yet to be done with a request whose time was over before its first response: the one who tells its client,
	// and the one who receives what the model server says of it all the same. 0: it is not one.
	overdue atomic.Int32
	// until is when the route of an overdue one ends.
	until time.Time
	// vague: its responses may be another's. See lane.vague.
	vague bool
}

func newQuestion(c *call) *question {
	q := &question{template: c, id: c.req.ID, last: c.start}
	if p, ok := c.req.Param(paramWantsFinal); ok {
		q.wantsFinal = p.Bool
	}
	return q
}

// inSequence: the request belongs to a sequence. Triton counts 0 and "" as none.
func inSequence(req *wire.Request) bool {
	p, ok := req.Param(paramSequence)
	return ok && (p.Int64 != 0 || p.U64 != 0 || p.Str != "")
}

// request is what is sent to the primary. The error is that of a request that its dialect can't hold.
func (q *question) request(b *backend.Backend) (*wire.Frame, error) {
	req, err := q.template.req.For(b.Speech().Wire)
	if err != nil {
		return nil, err
	}
	f := q.template.forward(b)
	f.ID = &q.sent
	if !b.StreamsBare() && !q.wantsFinal {
		// Without it a decoupled request that has had its last response can't be told from one that waits for more.
		f.AppendParams = []wire.Param{wire.BoolParam(paramWantsFinal, true)}
	}
	return req.Forward(f), nil
}

// call is the next response's, with its time before it. It shares the request with the others.
func (q *question) call(s *clientStream) *call {
	t := q.template
	c := &call{
		id: t.id, idText: t.idText, start: t.start, who: t.who, model: t.model, req: t.req, ask: t.ask, dialect: t.dialect, form: t.form,
		trace: t.trace, told: t.told, shared: true,
	}
	c.perRow.resize(t.requestRows, len(t.model.fields))
	c.rows, c.requestRows = c.perRow.rows, t.requestRows
	if q.responses > 0 {
		c.id, c.start = newID(), time.Now()
		c.idText = c.id.String()
		c.trace = t.trace.again(c.model.primary.Name())
		// The ensemble has been asked for this request, whose rows are all that it can be asked for: it has no second response.
		c.model = c.model.withoutFallback()
	}
	if q.vague {
		// Neither an ensemble nor a person may be asked about a request that the response may not be to.
		c.model = c.model.withoutFallback()
		req := *c.req
		req.Inputs = nil
		c.req, c.vague = &req, true
	}
	q.responses++
	deadline, ok := s.outer.Deadline()
	if !ok {
		deadline = time.Now().Add(t.model.plan.cfg.GetListen().GetDefaultDeadline().AsDuration())
	}
	c.until = deadline.Add(-ownShare(time.Until(deadline)))
	if !q.until.IsZero() {
		c.until = q.until
	}
	c.ctx.Context, c.ctx.until = s.outer, c.until
	return c
}

// again is the trace of a further response to the same request: the same trace, with a span of its own beside the first's.
func (ct *callTrace) again(backend string) *callTrace {
	next := &callTrace{t: ct.t, parent: ct.parent, trace: ct.trace, sampled: ct.sampled}
	if ct.t.provider != nil {
		next.span = newSpanID()
		next.asked = []*askedSpan{{ct: next, backend: backend, span: newSpanID()}}
	}
	return next
}

// shaved is ctx without our share of its deadline.
func shaved(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-ownShare(time.Until(deadline))))
}
