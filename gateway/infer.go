package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/backend"
	"github.com/candor-gateway/candor/fallback"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

// Caller is who calls, as the transport authenticated them, and how they read the answer.
type Caller struct {
	Principal *Principal
	// Typed callers get Reply.Predictions and understand every route.
	Typed bool
}

// Reply is what leaves for a prediction.
type Reply struct {
	PredictionID string
	// Segments of the encoded ModelInferResponse, to be sent one after another.
	Segments [][]byte
	// Predictions, one per row.
	Predictions []*candorv1.Prediction
}

// Infer is the request path. data is an encoded ModelInferRequest; it is not changed, and must not be until Infer returns.
// The error is an *Error; one that tells of withheld rows comes beside a Reply without segments. Whatever happens, what the reply says about a deferred, withheld or fallback row is durable
// before Infer returns.
func (g *Gateway) Infer(ctx context.Context, who Caller, data []byte) (*Reply, error) {
	c, err := g.admit(ctx, who, data)
	if err != nil {
		return nil, err
	}
	defer c.cancel()
	defer g.observe(c)

	if err := g.askPrimary(c); err != nil {
		return nil, g.named(c, err)
	}
	g.decide(c)
	g.fallBack(c)
	g.checkLimits(c)
	g.deferRows(c)
	if err := g.recordCall(c); err != nil {
		return nil, g.named(c, err)
	}
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
	e.with("prediction_id", c.id.String())
	if id := c.traceID(); id.IsValid() {
		e.with("trace_id", id.String())
	}
	return e
}

// Our share of a caller's deadline: what is left over when the stages have used theirs, so that the reply, with its reasons,
// still arrives. After letsencrypt/boulder's gRPC interceptors.
const (
	ownShareMax = 20 * time.Millisecond
	ownShareDiv = 10
)

// admit reads the request without decoding a tensor, and refuses what can't be served.
func (g *Gateway) admit(ctx context.Context, who Caller, data []byte) (*call, error) {
	start := time.Now()
	req, err := wire.ScanRequest(data)
	if err != nil {
		return nil, fromWire(err)
	}
	m, err := g.modelFor(who.Principal, req.ModelName, req.ModelVersion)
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
	asked, err := askedFor(req, m, who.Typed)
	if err != nil {
		return nil, err
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = start.Add(g.cfg.GetListen().GetDefaultDeadline().AsDuration())
	}
	left := deadline.Sub(start)
	least := m.backendCfg.GetMinTimeout().AsDuration()
	own := min(ownShareMax, left/ownShareDiv)
	if left-own < least {
		return nil, errf(codes.DeadlineExceeded, candorv1.ErrorReason_ERROR_REASON_DEADLINE_TOO_SHORT,
			"%v are left, and a prediction of %q needs %v; send a longer deadline", left.Round(time.Millisecond), m.name, least).
			with("left_ms", millis(left)).with("needed_ms", millis(least))
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, errf(codes.Internal, candorv1.ErrorReason_ERROR_REASON_INTERNAL, "no randomness for an id")
	}
	c := &call{id: id, start: start, who: who.Principal, model: m, req: req, ask: asked, typed: who.Typed, rows: make([]row, rows)}
	c.ctx, c.cancel = context.WithDeadline(ctx, deadline.Add(-own))
	c.trace = g.tracing.begin(ctx, c)
	return c, nil
}

// modelFor finds a model that the caller may use. A model without a grant and a model that isn't there are told apart: names of
// models are no secret inside one company, and a clear error is worth more.
func (g *Gateway) modelFor(p *Principal, name, version string) (*model, error) {
	m, ok := g.models[name]
	if !ok {
		return nil, errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND,
			"there is no model %q; the configuration has %s", name, strings.Join(g.modelNames, ", ")).with("model", name)
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

// primaryShareDiv: with a fallback behind it, the primary may use this part of the remaining time, so that one that hangs
// leaves enough for an answer from somebody else.
const primaryShareDiv = 2

// askPrimary calls the primary and makes one Evidence per row. Its error ends the call: the client's own fault, or nobody
// left to ask.
func (g *Gateway) askPrimary(c *call) error {
	ctx := c.ctx
	if c.model.ensemble != nil {
		deadline, _ := ctx.Deadline()
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/primaryShareDiv)
		defer cancel()
	}
	b := c.model.primary
	began := time.Now()
	var evidence []router.Evidence
	check := func(resp *wire.Response) backend.Verdict {
		var v backend.Verdict
		evidence, v = b.Card().Evidence(b.Name(), resp, len(c.rows), c.model.policy.Method, c.model.policy.IntervalScale)
		return v
	}
	ctx = c.trace.attempt(ctx, b.Name(), candorv1.StepKind_STEP_KIND_PRIMARY)
	answer, err := b.Infer(ctx, c.req.Forward(c.forward(b)), check)
	stage := fallback.Stage{
		Kind: candorv1.StepKind_STEP_KIND_PRIMARY, Name: b.Name(), Version: c.model.backendCfg.GetVersion(),
		Created: c.model.created().Unix(), Duration: time.Since(began), Rows: allRows(len(c.rows)), Attempts: 1,
	}
	if err == nil {
		stage.Evidence, stage.Attempts = evidence, answer.Attempts
		c.response = answer.Response
		for i := range c.rows {
			c.rows[i].evidence = evidence[i]
		}
	} else {
		var f *backend.Failure
		if !errors.As(err, &f) {
			f = &backend.Failure{Reason: candorv1.Reason_REASON_BACKEND_FAILURE, Code: codes.Internal, Message: err.Error()}
		}
		c.failure, stage.Attempts = f, f.Attempts
		stage.Failure = &fallback.Failure{Reason: f.Reason, Source: f.Source, Detail: f.Message}
		for i := range c.rows {
			c.rows[i].evidence = router.Failed(b.Name(), f.Reason, f.Message)
		}
	}
	c.stages = append(c.stages, stage)
	c.note(0, stage)
	if c.failure != nil {
		return g.hopeless(c)
	}
	return nil
}

// hopeless answers the error of a failure that no other stage can mend: the model server refused the client's own input, the
// client has gone, or there is neither fallback nor review.
func (g *Gateway) hopeless(c *call) error {
	f, b := c.failure, c.model.primary
	if errors.Is(context.Cause(c.ctx), context.Canceled) {
		return errf(codes.Canceled, candorv1.ErrorReason_ERROR_REASON_CANCELLED, "the caller went away")
	}
	said := "gateway"
	if f.Source == candorv1.FailureSource_FAILURE_SOURCE_BACKEND {
		said = "backend"
	}
	if f.Class == backend.Excluded && f.Code == codes.ResourceExhausted {
		return errf(f.Code, candorv1.ErrorReason_ERROR_REASON_MESSAGE_TOO_LARGE, "backend %q: %s", b.Name(), f.Message).
			with("limit_bytes", count(int(g.cfg.GetListen().GetMaxMessageBytes()))).with("backend", b.Name())
	}
	if f.Class == backend.Alive && (f.Code == codes.InvalidArgument || f.Code == codes.OutOfRange) {
		return errf(f.Code, candorv1.ErrorReason_ERROR_REASON_BACKEND_ERROR, "the model server of backend %q refused the request: %s", b.Name(), f.Message).
			with("backend", b.Name()).with("said_by", said)
	}
	p := c.model.policy
	if p.HasFallback || p.HasReview {
		return nil
	}
	e := backendError(f).with("backend", b.Name()).with("said_by", said)
	e.Message = "backend " + b.Name() + ": " + e.Message
	return e
}

// backendError keeps the status that a model server gave, and finds one for what we inferred.
func backendError(f *backend.Failure) *Error {
	switch f.Reason {
	case candorv1.Reason_REASON_CONTRACT_FAILURE:
		return errf(codes.Internal, candorv1.ErrorReason_ERROR_REASON_BACKEND_CONTRACT_FAILURE, "the answer broke the model's card: %s", f.Message).
			with("fault", f.Message)
	case candorv1.Reason_REASON_DEADLINE:
		return errf(codes.DeadlineExceeded, candorv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED, "%s", f.Message).with("stage", f.Backend)
	case candorv1.Reason_REASON_OVERLOAD:
		e := errf(codes.ResourceExhausted, candorv1.ErrorReason_ERROR_REASON_OVERLOADED, "%s", f.Message)
		e.RetryAfter = time.Second
		return e
	}
	if f.Source == candorv1.FailureSource_FAILURE_SOURCE_BACKEND && f.Code != codes.Unavailable && f.Code != codes.Unknown {
		return errf(f.Code, candorv1.ErrorReason_ERROR_REASON_BACKEND_ERROR, "%s", f.Message)
	}
	e := errf(codes.Unavailable, candorv1.ErrorReason_ERROR_REASON_BACKEND_UNAVAILABLE, "%s", f.Message)
	e.RetryAfter = time.Second
	return e
}

// decide routes every row on the primary's Evidence.
func (g *Gateway) decide(c *call) {
	for i := range c.rows {
		r := &c.rows[i]
		r.decision = router.Decide(c.model.policy, r.evidence)
		r.answer, r.answeredBy = r.evidence, 0
		if len(r.evidence.Faults) > 0 {
			r.answeredBy = -1
		}
		r.applied = r.decision.Route
		// In mode observe the model's answer passes. One that broke its card is no answer, whatever the mode: it takes its
		// route.
		if c.model.policy.Mode == candorv1.Mode_MODE_OBSERVE && r.answeredBy == 0 {
			r.applied = candorv1.Route_ROUTE_ACCEPT
		}
	}
}

// fallBack sends the rows that go to fallback, and only they, to the ensemble in one sub-batch, and decides again.
func (g *Gateway) fallBack(c *call) {
	var rows []int
	for i := range c.rows {
		if c.rows[i].applied == candorv1.Route_ROUTE_FALLBACK {
			rows = append(rows, i)
		}
	}
	if len(rows) == 0 {
		return
	}
	result := c.model.ensemble.Run(c.ctx, rows, func(ctx context.Context, name string, rows []int) fallback.Reply {
		return g.askMember(ctx, c, name, rows)
	})
	base := len(c.stages)
	c.stages = append(c.stages, result.Stages...)
	for s, stage := range result.Stages {
		c.note(base+s, stage)
	}
	for j, i := range rows {
		r := &c.rows[i]
		r.decision = router.DecideFallback(c.model.policy, r.decision, result.Evidence[j])
		r.applied = r.decision.Route
		r.answer, r.answeredBy = result.Evidence[j], -1
		if result.AnsweredBy[j] >= 0 {
			r.answeredBy = base + result.AnsweredBy[j]
		}
	}
}

// askMember asks one backend for some rows of the call. It may run beside others of the same call, and reads the call only.
func (g *Gateway) askMember(ctx context.Context, c *call, name string, rows []int) fallback.Reply {
	b := g.backends[name]
	cfg := g.cfg.GetBackends()[name]
	reply := fallback.Reply{Version: cfg.GetVersion(), Created: cfg.GetCard().GetCreatedAt().GetSeconds(), Attempts: 1}
	request, err := c.req.SelectRows(rows, len(c.rows), c.model.card.Shared, forMember(b))
	if err != nil {
		reply.Failure = &fallback.Failure{
			Reason: candorv1.Reason_REASON_CONTRACT_FAILURE, Source: candorv1.FailureSource_FAILURE_SOURCE_INFERRED, Detail: err.Error(),
		}
		return reply
	}
	check := func(resp *wire.Response) backend.Verdict {
		var v backend.Verdict
		reply.Evidence, v = b.Card().Evidence(name, resp, len(rows), c.model.policy.Method, c.model.policy.IntervalScale)
		return v
	}
	ctx = c.trace.attempt(ctx, name, candorv1.StepKind_STEP_KIND_MEMBER)
	answer, err := b.Infer(ctx, request, check)
	if err != nil {
		var f *backend.Failure
		reply.Evidence = nil
		if !errors.As(err, &f) {
			f = &backend.Failure{Reason: candorv1.Reason_REASON_BACKEND_FAILURE, Message: err.Error()}
		}
		reply.Failure = &fallback.Failure{Reason: f.Reason, Source: f.Source, Detail: f.Message}
		reply.Attempts = f.Attempts
		return reply
	}
	reply.Attempts = answer.Attempts
	return reply
}

// forward is how the request is put to a backend: its own model and pinned version, our metadata tensors taken out, the score
// tensors added where the client named outputs without them.
func (c *call) forward(b *backend.Backend) wire.Forward {
	f := wire.Forward{Model: b.Model(), Version: b.Version(), StripOutputs: isOurs, StripParams: isOurs}
	named := false
	for _, o := range c.req.Outputs {
		named = named || !isOurs(o.Name)
	}
	if !named {
		return f
	}
	for _, score := range b.Card().ScoreOutputs() {
		if !slices.ContainsFunc(c.req.Outputs, func(o wire.RequestedOutput) bool { return o.Name == score }) {
			f.AddOutputs = append(f.AddOutputs, score)
		}
	}
	return f
}

// forMember is how rows are put to a member: it is asked for all of its outputs, because what the client named are the
// primary's.
func forMember(b *backend.Backend) wire.Forward {
	return wire.Forward{
		Model: b.Model(), Version: b.Version(), StripOutputs: func(string) bool { return true }, StripParams: isOurs,
	}
}

// note keeps every stage's Evidence with the rows that it is about: one verdict scores all of them.
func (c *call) note(index int, s fallback.Stage) {
	for j, ev := range s.Evidence {
		if len(ev.Faults) == 0 {
			r := &c.rows[s.Rows[j]]
			r.stageEvidence = append(r.stageEvidence, stageEvidence{index, ev})
		}
	}
}

func allRows(n int) []int {
	rows := make([]int, n)
	for i := range rows {
		rows[i] = i
	}
	return rows
}
