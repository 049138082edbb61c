package gateway

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/candor-gateway/candor/backend"
	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/fallback"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

// model is one configured model, ready to serve. Read-only after it is made.
type model struct {
	// plan that it is part of.
	plan    *plan
	name    string
	primary *backend.Backend
	// asked are all backends that a request for the model may go to, the primary first.
	asked []*backend.Backend
	card  *backend.Card
	cfg   *candorv1.Model
	// backendCfg is the primary's.
	backendCfg *candorv1.Backend
	// fields of a row, in the card's order; at least one.
	fields []field
	// policy is the one field's; of several, the first's, where what is asked of it is the same for all.
	policy router.Policy
	// readings are how the primary's scores are read, one for each field.
	readings []backend.Reading
	// meta is the backend that says how likely the primary's answers are right; nil: none is asked.
	meta   *backend.Backend
	digest []byte
	// promise of the policy; nil: it promises nothing.
	promise  *promise
	segments segments
	// calibratorDigest names the primary's calibrator; empty: none.
	calibratorDigest string
	// coinScope keeps the coins of model versions apart.
	coinScope string
	// tiers are asked in order for the rows that the stages before them could not answer.
	tiers []*fallback.Ensemble
	// behind are the backends of the tiers, stagesBehind the same by the stages that are asked one after another; unasked: a rule or
	// constant stands behind them.
	behind       []*backend.Backend
	stagesBehind [][]*backend.Backend
	unasked      bool
	// rules of the tiers' remedial stages, by their source.
	rules   map[string]*rule
	review  *candorv1.ReviewPolicy
	losses  *losses
	onDefer candorv1.OnDefer
	// storeLost is what the gate withholds while the store can't be reached.
	storeLost *candorv1.OnStoreLost
	// reviewDeadline and auditDeadline are the spans from a decision to the deadline of its review item.
	reviewDeadline, auditDeadline time.Duration
	fills                         []fill
	// bound is what its calls count.
	bound *modelMetrics
	// watched are its stages that have monitors.
	watched watchedModel
	// alone is the model without its fallback; nil: this is it.
	alone *model
	// params are those of the response that are the same for every call, accepted those that tell of most rows, encoded.
	params, accepted []byte
}

// fill is how one output tensor of the primary is filled from an answer that is not the primary's.
type fill struct {
	output string
	// field whose answer it is; -1: of none alone, so that it is neutral as soon as one of the row's is not the primary's.
	field    int
	how      candorv1.AnswerFill
	datatype wire.Datatype
	// perRow is the shape of one row.
	perRow      []int64
	neutral     float64
	neutralText string
}

// newModel compiles a model. The configuration has been checked: an error here is a check that is missing there.
func newModel(ctx context.Context, name string, g *Gateway, pl *plan) (*model, error) {
	cfg, backends := pl.cfg, pl.backends
	mc := cfg.GetModels()[name]
	primary := backends[mc.GetPrimary()]
	if primary == nil {
		return nil, fmt.Errorf("models.%s.primary: there is no backend %q", name, mc.GetPrimary())
	}
	bc := cfg.GetBackends()[mc.GetPrimary()]
	m := &model{
		plan: pl, bound: newModelMetrics(g.metrics.seconds.WithLabelValues(name), g.metrics.defaulted.WithLabelValues(name)), name: name, primary: primary, card: primary.Card(), cfg: mc, backendCfg: bc, review: mc.GetPolicy().GetReview(),
		onDefer: mc.GetPolicy().GetOnDefer(), storeLost: mc.GetPolicy().GetOnStoreLost(), digest: config.Digest(cfg, name),
	}
	var err error
	if m.fields, err = newFields(mc.GetPolicy(), m.card, bc.GetCalibrator() != ""); err != nil {
		return nil, fmt.Errorf("models.%s.policy.%w", name, err)
	}
	m.policy = m.fields[0].policy
	for k := range m.fields {
		p := &m.fields[k].policy
		m.readings = append(m.readings, backend.Reading{Method: p.Method, Scale: p.Scale, Calibrator: pl.calibrators[mc.GetPrimary()]})
	}
	if m.onDefer == candorv1.OnDefer_ON_DEFER_UNSPECIFIED {
		m.onDefer = candorv1.OnDefer_ON_DEFER_WITHHOLD
	}
	if m.review != nil {
		m.reviewDeadline = m.review.GetDeadline().AsDuration()
		if m.review.GetDeadline() == nil {
			m.reviewDeadline = cfg.GetQueues()[m.review.GetQueue()].GetDeadline().AsDuration()
		}
		if m.auditDeadline = m.reviewDeadline; m.review.GetAuditDeadline() != nil {
			m.auditDeadline = m.review.GetAuditDeadline().AsDuration()
		}
	}
	m.losses = newLosses(m.review.GetCosts(), bc.GetCard(), m.fields)
	m.params, m.accepted = m.constantParams(), m.acceptedParams()
	m.asked = []*backend.Backend{primary}
	if m.policy.Method == candorv1.ConfidenceMethod_CONFIDENCE_METHOD_META {
		if m.meta = backends[mc.GetPolicy().GetMeta().GetBackend()]; m.meta == nil {
			return nil, fmt.Errorf("models.%s.policy.meta.backend: there is no backend %q", name, mc.GetPolicy().GetMeta().GetBackend())
		}
		m.asked = append(m.asked, m.meta)
	}
	for i, f := range router.Cascade(mc.GetPolicy()) {
		e, err := g.newEnsemble(ctx, f.GetEnsemble(), m, m.policy.Tiers[i].Method)
		if err != nil {
			return nil, err
		}
		m.tiers = append(m.tiers, e)
		for _, member := range e.Members {
			m.asked = append(m.asked, backends[member.Backend])
		}
		for _, r := range e.Remedials {
			if r.Backend != "" {
				m.asked = append(m.asked, backends[r.Backend])
			}
		}
	}
	m.lineUp(backends)
	m.fills, err = newFills(mc.GetPolicy().GetAnswers(), m)
	if err != nil {
		return nil, fmt.Errorf("models.%s.policy.answers: %w", name, err)
	}
	alone := *m
	alone.tiers, alone.policy.Tiers, alone.meta = nil, nil, nil
	alone.behind, alone.stagesBehind, alone.unasked = nil, nil, false
	m.alone = &alone
	return m, nil
}

// withoutFallback is the model for what nobody but the primary can be asked about: rows that are not accepted are deferred or
// rejected, and what another model would say of them isn't known.
func (m *model) withoutFallback() *model {
	if m.alone == nil {
		return m
	}
	return m.alone
}

// newFills says how the outputs are filled that can be.
func newFills(answers []*candorv1.AnswerSpec, m *model) ([]fill, error) {
	var fills []fill
	card := m.card.Proto()
	for _, o := range card.GetOutputs() {
		dt, ok := wire.ParseDatatype(o.GetDatatype())
		if !ok {
			return nil, fmt.Errorf("output %q has the unknown datatype %q", o.GetName(), o.GetDatatype())
		}
		f := fill{output: o.GetName(), datatype: dt, how: candorv1.AnswerFill_ANSWER_FILL_NEUTRAL, neutral: math.NaN(), perRow: o.GetShape()}
		if m.several() {
			f.field = m.card.FieldOf(o.GetName())
		}
		if card.GetRows() == candorv1.Rows_ROWS_FIRST_DIM && len(f.perRow) > 0 {
			f.perRow = f.perRow[1:]
		}
		i := slices.IndexFunc(answers, func(a *candorv1.AnswerSpec) bool { return a.GetOutput() == o.GetName() })
		if i < 0 && !dt.IsFloat() {
			// Only floats have a neutral value by nature. A policy that only observes need not declare one, and a row that its
			// primary broke is then answered without this tensor.
			continue
		}
		if i >= 0 {
			a := answers[i]
			f.how, f.neutralText = a.GetFill(), a.GetNeutralText()
			if a.GetField() != "" {
				f.field = slices.IndexFunc(m.fields, func(f field) bool { return f.Name == a.GetField() })
			}
			if f.field < 0 && f.how != candorv1.AnswerFill_ANSWER_FILL_NEUTRAL {
				return nil, fmt.Errorf("output %q is filled from the answer of field %q, and there is none such", o.GetName(), a.GetField())
			}
			if a.Neutral != nil {
				f.neutral = a.GetNeutral()
			}
		}
		fills = append(fills, f)
	}
	return fills, nil
}

// whole says that a request is one row: then no tensor has a dimension for rows.
func (m *model) whole() bool { return m.backendCfg.GetCard().GetRows() == candorv1.Rows_ROWS_NONE }

// created is when the primary's version was trained.
func (m *model) created() time.Time { return m.backendCfg.GetCard().GetCreatedAt().AsTime() }

// actionOf is what the consumer does with this answer of a field: the first declared action that matches; empty: none.
func (m *model) actionOf(f *field, label string, value *float64) string {
	if f == nil {
		return ""
	}
	for _, a := range m.cfg.GetPolicy().GetActions() {
		w := a.GetWhen()
		if w.GetOutput() != "" && w.GetOutput() != f.Output {
			continue
		}
		match := len(w.GetLabelIn()) > 0 && slices.Contains(w.GetLabelIn(), label)
		if value != nil && (w.Above != nil || w.Below != nil) {
			match = (w.Above == nil || *value > w.GetAbove()) && (w.Below == nil || *value < w.GetBelow())
		}
		if match {
			return a.GetName()
		}
	}
	return ""
}
