package gateway

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

// Caller is who calls, as the transport authenticated them, and how they read the answer.
type Caller struct {
	Principal *Principal
	// Told callers get Reply.Predictions with every answer; the others with errors that tell of withheld rows.
	Told bool
	// Aware callers understand every route, whatever they name among the outputs.
	Aware bool
	// Dialect is what the name of the service that was called tells; unspecified: nothing.
	Dialect candorv1.Dialect
}

// Reply is what leaves for a prediction.
type Reply struct {
	PredictionID string
	// Frame is the encoded ModelInferResponse, to be sent once. It shares memory with what the backend answered.
	Frame *wire.Frame
	// Predictions, one per row and field, for callers who are told; nil when the call failed before rows were decided.
	Predictions []*candorv1.Prediction
}

// Infer is the request path. data is an encoded ModelInferRequest, which it takes over.
// The error is an *Error. Beside one of a call that was admitted stands a Reply without a Frame, with Predictions only when the
// error tells of withheld rows. Whatever happens, what the reply says about a deferred, withheld or fallback row is durable
// before Infer returns.
//
// It lasts no longer than ctx, or listen.default_deadline where ctx has no deadline, and a store that doesn't answer; it may be
// called by any number of goroutines.
func (g *Gateway) Infer(ctx context.Context, who Caller, data *wire.Frame) (*Reply, error) {
	size := int64(data.Len())
	err := g.memory.take(size, who.Principal.priority)
	if err != nil {
		g.metrics.countRefused(err)
		return nil, err
	}
	defer g.memory.release(size)
	c, err := g.admit(ctx, who, data)
	if err != nil {
		g.metrics.countRefused(err)
		return nil, err
	}
	defer c.end()
	return g.run(c, g.askPrimary)
}

// run takes an admitted call through the stages, of which ask, the first, brings the primary's answer: by a call of its own, or
// from a stream. Its results are Infer's. The call is still to be ended.
func (g *Gateway) run(c *call, ask func(*call) error) (*Reply, error) {
	defer g.observe(c)

	if err := ask(c); err != nil {
		g.recordRefused(c)
		return &Reply{PredictionID: c.idText}, g.named(c, err)
	}
	g.askMeta(c)
	g.decide(c)
	g.fallBack(c)
	g.shed(c)
	g.checkLimits(c)
	g.choose(c)
	g.deferRows(c)
	g.coalesce(c)
	if err := g.recordCall(c); err != nil {
		return &Reply{PredictionID: c.idText}, g.named(c, err)
	}
	g.seated(c)
	reply, err := g.answer(c)
	if err != nil {
		return reply, g.named(c, err)
	}
	return reply, nil
}

// named adds the ids that every error of a prediction carries.
func (g *Gateway) named(c *call, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	c.trace.fail(e)
	e.with("prediction_id", c.idText)
	if id := c.traceID(); id.IsValid() {
		e.with("trace_id", id.String())
	}
	return e
}

// admit begins a call under the plan in force, which it ends under, too: where nobody holds that for ctx, the call does.
func (g *Gateway) admit(ctx context.Context, who Caller, data *wire.Frame) (*call, error) {
	if pl := heldIn(ctx); pl != nil {
		return g.admitTo(ctx, pl, who, data)
	}
	pl := g.hold()
	c, err := g.admitTo(ctx, pl, who, data)
	if err != nil {
		pl.drop()
		return nil, err
	}
	c.holds = true
	return c, nil
}

// admitTo reads the request without decoding a tensor, and refuses what can't be served.
func (g *Gateway) admitTo(ctx context.Context, pl *plan, who Caller, data *wire.Frame) (*call, error) {
	start := time.Now()
	req, err := wire.ScanRequest(data)
	if err != nil {
		return nil, fromWire(err)
	}
	m, err := pl.modelFor(who.Principal, req.ModelName, req.ModelVersion)
	if err != nil {
		return nil, err
	}
	if err := req.Validate(); err != nil {
		return nil, fromWire(err)
	}
	rows, err := m.card.Rows(req)
	if err != nil {
		return nil, fromWire(err)
	}
	asked, err := askedFor(req, m, who.Aware)
	if err != nil {
		return nil, err
	}
	dialect := who.Principal.speaks(who.Dialect)
	if err := m.refuseReserved(req, dialect); err != nil {
		return nil, err
	}
	if err := m.refuseClassification(req); err != nil {
		return nil, err
	}
	if inSequence(req) {
		// Others don't have the state that the sequence has built up: an answer of theirs would be one to another question.
		m = m.withoutFallback()
	}
	allotted, err := allot(ctx, m, start)
	if err != nil {
		return nil, err
	}
	if allotted.defaulted > 0 {
		m.bound.defaulted.Inc()
	}
	c := calls.Get().(*call)
	c.id, c.start, c.who, c.model, c.req, c.ask, c.told = newID(), start, who.Principal, m, req, asked, who.Told
	c.idText = c.id.String()
	c.until, c.defaulted = allotted.until, allotted.defaulted
	c.ctx.Context, c.ctx.until = ctx, c.until
	c.stages = c.oneStage[:0]
	c.perRow.resize(rows, len(m.fields))
	c.rows, c.requestRows = c.perRow.rows, rows
	c.dialect, c.form = dialect, formFor(who.Principal, dialect, req.RawForm)
	c.trace = &c.ownTrace
	g.tracing.begin(ctx, c.trace)
	return c, nil
}

// modelFor finds a model that the caller may use. A model without a grant and a model that isn't there are told apart: names of
// models are no secret inside one company, and a clear error is worth more.
func (pl *plan) modelFor(p *Principal, name, version string) (*model, error) {
	m, ok := pl.models[name]
	if !ok {
		return nil, errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND,
			"there is no model %q; the configuration has %s", name, strings.Join(pl.modelNames, ", ")).with("model", name)
	}
	if !p.mayUse(name) {
		return nil, errf(codes.PermissionDenied, candorv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED,
			"%q has no grant for model %q; an administrator can add it under consumers.%s.models", p.Name, name, p.Name).
			with("principal", p.Name).with("model", name)
	}
	if pinned := m.backendCfg.GetVersion(); version != "" && version != pinned {
		return nil, errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_VERSION_NOT_SERVED,
			"model %q serves version %q, not %q; leave the version empty to take the pinned one", name, pinned, version).
			with("model", name).with("version", version).with("pinned_version", pinned)
	}
	return m, nil
}

// decide routes every row on the primary's Evidence.
func (g *Gateway) decide(c *call) {
	g.viewRows(c)
	for i := range c.rows {
		r := &c.rows[i]
		policy := c.policy(r)
		r.decision = g.applyConditions(c, r, policy, router.Decide(*policy, *r.evidence), r.evidence)
		r.answer, r.answeredBy = r.evidence, 0
		if len(r.evidence.Faults) > 0 {
			r.answeredBy = -1
		}
		r.applied = r.decision.Route
		// In mode observe the model's answer passes. One that broke its card is no answer, whatever the mode: it takes its
		// route.
		if policy.Mode == candorv1.Mode_MODE_OBSERVE && r.answeredBy == 0 {
			r.applied = candorv1.Route_ROUTE_ACCEPT
		}
	}
}
