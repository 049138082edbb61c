package gateway

import (
	"cmp"
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/backend"
	"github.com/candor-gateway/candor/fallback"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

// askPrimary calls the primary and makes one Evidence per row and field. Its error ends the call: the client's own fault, or nobody
// left to ask.
func (g *Gateway) askPrimary(c *call) error {
	until := c.model.primaryUntil(c.start, c.until)
	b := c.model.primary
	began := time.Now()
	request, err := c.req.For(b.Speech().Wire)
	if err != nil {
		return fromWire(err)
	}
	var evidence []router.Evidence
	var readable *wire.Response
	ctx, headers := c.trace.attempt(c.ctx.Context, b.Name(), candorv1.StepKind_STEP_KIND_PRIMARY)
	terms := c.terms(ctx)
	terms.Until, terms.Once, terms.Headers = until, inSequence(c.req), headers
	answer, err := b.Infer(ctx, terms, request.Forward(c.forward(b)), c.weigh(&evidence, &readable))
	return g.heard(c, began, answer, readable, evidence, err)
}

// weigh is the check of the primary's answer, which leaves one Evidence per row and field behind, and the answer as the caller can read it.
func (c *call) weigh(evidence *[]router.Evidence, readable **wire.Response) func(*wire.Response) backend.Verdict {
	return func(resp *wire.Response) (v backend.Verdict) {
		b := c.model.primary
		*evidence, v = b.Card().Evidence(c.perRow.evidence, b.Name(), resp, c.requestRows, c.model.readings...)
		unsure(&v, *evidence, b.UnsureBelow())
		if v.BadRows > 0 {
			c.excuse(&v, *evidence, allRows(len(*evidence)))
		}
		var err error
		if *readable, err = c.readable(resp); err != nil && v.Unusable == "" {
			v.Unusable = err.Error()
		}
		return v
	}
}

// heard notes the primary's answer, or that there is none: then every row's Evidence is the failure.
func (g *Gateway) heard(c *call, began time.Time, answer *backend.Answer, readable *wire.Response, evidence []router.Evidence, err error) error {
	b := c.model.primary
	stage := fallback.Stage{
		Kind: candorv1.StepKind_STEP_KIND_PRIMARY, Name: b.Name(), Version: c.model.backendCfg.GetVersion(),
		Created: c.model.created().Unix(), Start: began, Duration: time.Since(began), Rows: allRows(len(c.rows)), Attempts: 1,
	}
	if err == nil {
		stage.Evidence, stage.Attempts, stage.Replica, stage.Tried, stage.Waited = evidence, answer.Attempts, answer.Replica, triedOf(answer.Tried), answer.Waited
		c.response = readable
		for i := range c.rows {
			c.rows[i].evidence = &evidence[i]
		}
	} else {
		var f *backend.Failure
		if !errors.As(err, &f) {
			f = &backend.Failure{Reason: candorv1.Reason_REASON_BACKEND_FAILURE, Code: codes.Internal, Message: err.Error()}
		}
		c.failure, stage.Attempts, stage.Replica, stage.Tried, stage.Waited = f, f.Attempts, f.Replica, triedOf(f.Tried), f.Waited
		stage.Failure = &fallback.Failure{Reason: f.Reason, Source: f.Source, Detail: f.Message}
		failed := router.Failed(b.Name(), f.Reason, f.Message)
		for i := range c.rows {
			c.rows[i].evidence = &failed
		}
	}
	c.stages = append(c.stages, stage)
	c.note(0, &stage)
	if c.failure != nil {
		return g.hopeless(c)
	}
	return nil
}

// hopeless answers the error of a failure that no other stage can mend: the model server refused the client's own input, the
// client has gone, or there is neither fallback nor review.
func (g *Gateway) hopeless(c *call) error {
	f, b := c.failure, c.model.primary
	if errors.Is(context.Cause(&c.ctx), context.Canceled) {
		return errf(codes.Canceled, candorv1.ErrorReason_ERROR_REASON_CANCELLED, "the caller went away")
	}
	if f.Class == backend.Excluded && f.Code == codes.ResourceExhausted {
		return errf(f.Code, candorv1.ErrorReason_ERROR_REASON_MESSAGE_TOO_LARGE, "backend %q: %s", b.Name(), f.Message).
			with("limit_bytes", count(int(c.model.plan.cfg.GetListen().GetMaxMessageBytes()))).with("backend", b.Name())
	}
	if f.Class == backend.Alive && (f.Code == codes.InvalidArgument || f.Code == codes.OutOfRange) {
		return errf(f.Code, candorv1.ErrorReason_ERROR_REASON_BACKEND_ERROR, "the model server of backend %q refused the request: %s", b.Name(), f.Message).
			with("backend", b.Name()).with("said_by", saidBy(f))
	}
	p := c.model.policy
	if len(p.Tiers) > 0 || p.HasReview {
		return nil
	}
	e := backendError(f).with("backend", b.Name()).with("said_by", saidBy(f))
	e.Message = "backend " + b.Name() + ": " + e.Message
	return e
}

// saidBy names who said that a backend failed: it, or we.
func saidBy(f *backend.Failure) string {
	if f.Source == candorv1.FailureSource_FAILURE_SOURCE_BACKEND {
		return "backend"
	}
	return "gateway"
}

// backendError keeps the status that a model server gave, and finds one for what we inferred. Where nothing is known of when to come back,
// the advice is a second; where the model server asks for no other call, there is none.
func backendError(f *backend.Failure) *Error {
	switch f.Reason {
	case candorv1.Reason_REASON_CONTRACT_FAILURE:
		return errf(codes.Internal, candorv1.ErrorReason_ERROR_REASON_BACKEND_CONTRACT_FAILURE, "the answer broke the model's card: %s", f.Message).
			with("fault", f.Message)
	case candorv1.Reason_REASON_DEADLINE:
		return errf(codes.DeadlineExceeded, candorv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED, "%s", f.Message).with("stage", f.Backend)
	case candorv1.Reason_REASON_OVERLOAD:
		e := errf(codes.ResourceExhausted, candorv1.ErrorReason_ERROR_REASON_OVERLOADED, "%s", f.Message)
		e.RetryAfter = cmp.Or(f.RetryAfter, time.Second)
		return e
	}
	if f.Source == candorv1.FailureSource_FAILURE_SOURCE_BACKEND && f.Code != codes.Unavailable && f.Code != codes.Unknown {
		return errf(f.Code, candorv1.ErrorReason_ERROR_REASON_BACKEND_ERROR, "%s", f.Message)
	}
	e := errf(codes.Unavailable, candorv1.ErrorReason_ERROR_REASON_BACKEND_UNAVAILABLE, "%s", f.Message)
	e.RetryAfter = cmp.Or(f.RetryAfter, time.Second)
	return e
}

// unsure notes in a Verdict how many rows have a confidence, and how many of them one below a bound; 0: nobody asks.
func unsure(v *backend.Verdict, evidence []router.Evidence, below float64) {
	if below <= 0 {
		return
	}
	for i := range evidence {
		if c := evidence[i].Confidence; c != nil {
			v.Scored++
			if *c < below {
				v.Unsure++
			}
		}
	}
}
