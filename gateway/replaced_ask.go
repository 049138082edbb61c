package gateway

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/review"
)

// maxExact is the largest whole number to which a payload, which keeps numbers as doubles, is exact.
const maxExact = 1 << 53

// requestOf turns an item's payload back into a request of one row for the version that is served now. why says what keeps it from being
// the same question; empty: nothing. Request parameters aren't kept in payloads, and so aren't sent.
func (m *model) requestOf(it *review.Item) (request []byte, why string) {
	switch {
	case it.Payload == nil:
		return nil, "it has no input"
	case it.Payload.GetDeleted():
		return nil, "its input was deleted"
	}
	var inputs []wire.TensorData
	for _, spec := range m.backendCfg.GetCard().GetInputs() {
		i := slices.IndexFunc(it.Payload.GetTensors(), func(t *candorv1.PayloadTensor) bool { return t.GetName() == spec.GetName() })
		if spec.GetRedact() || i < 0 {
			return nil, fmt.Sprintf("the input %q isn't in it", spec.GetName())
		}
		t := it.Payload.GetTensors()[i]
		datatype, ok := wire.ParseDatatype(t.GetDatatype())
		if !ok || t.GetDatatype() != spec.GetDatatype() {
			return nil, fmt.Sprintf("the input %q is %s now", spec.GetName(), spec.GetDatatype())
		}
		if slices.ContainsFunc(t.GetValues(), func(v float64) bool { return math.Abs(v) >= maxExact && !datatype.IsFloat() }) {
			return nil, fmt.Sprintf("the input %q has numbers that it doesn't hold exactly", spec.GetName())
		}
		in := wire.TensorData{Name: spec.GetName(), Datatype: datatype, Shape: m.shapeOf(spec, t), Floats: t.GetValues(), Texts: t.GetTexts()}
		inputs = append(inputs, in)
	}
	request, err := wire.BuildRequest(m.name, "", "", nil, inputs, nil, true)
	if err != nil {
		return nil, err.Error() // A tensor that was too large to be kept, for instance.
	}
	return request, ""
}

// shapeOf is the shape that a row's part of an input has in a request of that one row.
func (m *model) shapeOf(spec *candorv1.InputSpec, t *candorv1.PayloadTensor) []int64 {
	if m.whole() || m.card.Shared(spec.GetName()) {
		return t.GetShape()
	}
	perRow := t.GetShape()
	switch rank := len(spec.GetShape()); {
	case rank == 1:
		return []int64{1} // One element per row: its payload has no shape, or that of the batch where an older gateway stored it.
	case rank == 2 && len(perRow) == 2:
		perRow = []int64{perRow[0] * perRow[1]} // A picture out of a vector.
	}
	return append([]int64{1}, perRow...)
}

// askAgain asks the version that is served now for an item's row, by the same stages as a call. What it says stands in the item then;
// with ON_REPLACED_RESCORE an answer that the policy accepts ends it.
func (g *Gateway) askAgain(ctx context.Context, m *model, it *review.Item, request []byte) (done string, err error) {
	who := Caller{Principal: &Principal{Name: it.Consumer, models: []string{m.name}}, Aware: true}
	// Nobody waits, but the stages have the time that they would have for somebody who states none.
	asking, stop := context.WithTimeout(ctx, m.plan.cfg.GetListen().GetDefaultDeadline().AsDuration())
	defer stop()
	c, err := g.admitTo(asking, m.plan, who, wire.NewFrame(request)) // which is held
	if err != nil {
		return "", err
	}
	defer c.end()
	k := slices.IndexFunc(m.fields, func(f field) bool { return f.Name == it.Field })
	if k < 0 || c.requestRows != 1 {
		return "kept", g.change(ctx, it, review.Rescore{Now: g.ledger.Now()})
	}
	if err := g.askPrimary(c); err != nil {
		return "", err
	}
	g.askMeta(c)
	g.decide(c)
	r := c.cell(0, k)
	if c.failure != nil || len(r.evidence.Faults) > 0 {
		return "", fmt.Errorf("version %s had no answer to it: %w", m.backendCfg.GetVersion(), failureOf(c, r))
	}
	loss := it.ExpectedLoss
	if m.losses == nil || m.losses.amount.param == "" {
		// A request parameter isn't in the payload: what the row was worth is all that is known.
		loss = g.lossOf(c, r)
	}
	act := review.Rescore{Now: g.ledger.Now(), Answers: g.answersNow(c, r, it), ExpectedLoss: loss}
	if err := g.change(ctx, it, act); err != nil || !it.Open() {
		return "gone", err
	}
	if m.review.GetOnReplaced() != candorv1.OnReplaced_ON_REPLACED_RESCORE || r.decision.Route != candorv1.Route_ROUTE_ACCEPT || len(it.Sequences) > 0 {
		return "relabelled", nil
	}
	return "released", g.withdraw(ctx, it, verdictOf(c, r))
}

func failureOf(c *call, r *row) error {
	if c.failure != nil {
		return c.failure
	}
	return &backend.Failure{Reason: r.evidence.Faults[0], Message: r.evidence.Detail}
}

// answersNow are the answers of an item in which the new version's stands in the place of the old one's. What the fallback said stays.
func (g *Gateway) answersNow(c *call, r *row, it *review.Item) []*candorv1.StageAnswer {
	out := []*candorv1.StageAnswer{stageAnswer(stageEvidence{0, r.evidence}, c)}
	for _, a := range it.Answers {
		if a.GetStage() != it.Backend && a.GetStage() != c.stages[0].Name {
			out = append(out, a)
		}
	}
	return out
}

// verdictOf is the answer of a stage that was sure enough, in the form of a verdict. Its author is the stage with its version.
func verdictOf(c *call, r *row) *candorv1.Verdict {
	s := &c.stages[0]
	v := &candorv1.Verdict{Author: s.Name + "@" + s.Version, Confidence: r.decision.Confidence}
	if r.evidence.Value != nil {
		v.Answer = &candorv1.Verdict_Value{Value: *r.evidence.Value}
	} else {
		v.Answer = &candorv1.Verdict_Label{Label: r.evidence.Label}
	}
	return v
}
