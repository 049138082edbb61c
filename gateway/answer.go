package gateway

import (
	"math"
	"slices"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/review"
)

// answer makes the reply: the primary's response with the rows of others spliced in, and the metadata appended. A client that
// can't tell a withheld row from a real one gets an error instead, beside the Reply that holds the typed predictions.
func (g *Gateway) answer(c *call) (*Reply, error) {
	reply := &Reply{PredictionID: c.idText}
	err := c.withheld()
	if err != nil && !c.ask.aware {
		reply.Predictions, c.shared = g.predictions(c), true
		return reply, err
	}
	if c.told {
		reply.Predictions, c.shared = g.predictions(c), true
	}
	if c.response != nil {
		reply.Frame, err = c.rewritten()
	} else {
		reply.Frame, err = c.built()
	}
	if err != nil {
		// The response has been checked against the card: what can't be spliced now is a defect of ours.
		return reply, errf(codes.Internal, candorv1.ErrorReason_ERROR_REASON_INTERNAL, "the answer could not be put together: %v", err)
	}
	return reply, nil
}

// primarys says that the primary's answer leaves.
func (r *row) primarys() bool { return r.released && r.answeredBy == 0 }

// toFill is what is known of an output's answer in one row of the request; nil: the primary's own stays. What is of no field alone
// is nobody's when a field of the row is not the primary's.
func (c *call) toFill(f *fill, requestRow int) *row {
	if f.field >= 0 {
		if r := c.cell(requestRow, f.field); !r.primarys() {
			return r
		}
		return nil
	}
	for k := range c.model.fields {
		if !c.cell(requestRow, k).primarys() {
			return &nobodys
		}
	}
	return nil
}

// nobodys is not released.
var nobodys row

// rewritten extends the primary's response. Rows that the primary answered keep their bits.
func (c *call) rewritten() (*wire.Frame, error) {
	version := c.model.backendCfg.GetVersion()
	others := false
	for i := range c.rows {
		others = others || !c.rows[i].primarys()
	}
	// A tensor that the card doesn't declare can't be filled for a row that the primary doesn't answer, and would give away
	// what was withheld.
	hidden := func(name string) bool {
		return isOurs(name) || c.ask.added[name] || (others && !c.model.declares(name))
	}
	w := wire.Rewrite{
		Model: &c.model.name, Version: &version, StripOutputs: hidden, StripParams: isOurs, AppendParams: c.params,
	}
	if others {
		// So would what the model server says beside its tensors.
		w.StripParams = func(key string) bool { return !saysHow(key) }
	}
	for i := range c.requestRows {
		for k := range c.model.fills {
			f := &c.model.fills[k]
			r := c.toFill(f, i)
			if r == nil {
				continue
			}
			t := c.response.Output(f.output)
			if t == nil || hidden(f.output) {
				continue
			}
			n, err := t.Elements()
			if err != nil {
				return nil, err
			}
			floats, texts := f.row(c.model, r, int(n)/c.requestRows)
			if c.model.whole() {
				w.AppendOutputs = append(w.AppendOutputs, wire.TensorData{
					Name: f.output, Datatype: f.datatype, Shape: t.Shape, Floats: floats, Texts: texts,
				})
				continue
			}
			w.Splices = append(w.Splices, wire.Splice{Output: f.output, Row: i, Rows: c.requestRows, Floats: floats, Texts: texts})
		}
	}
	if others && c.model.whole() {
		// The one row is all there is, and no tensor has a dimension by which it could be replaced: new tensors take their place.
		replaced := w.AppendOutputs
		w.StripOutputs = func(name string) bool {
			return hidden(name) || slices.ContainsFunc(replaced, func(t wire.TensorData) bool { return t.Name == name })
		}
	}
	w.AppendOutputs = append(w.AppendOutputs, c.metadataTensors()...)
	return c.response.Rewrite(w)
}

func (m *model) declares(output string) bool {
	return slices.ContainsFunc(m.fills, func(f fill) bool { return f.output == output })
}

// built makes a response when the primary gave none, in the form that the client reads, unless a tensor exists only raw.
func (c *call) built() (*wire.Frame, error) {
	var outputs []wire.TensorData
	for k := range c.model.fills {
		f := &c.model.fills[k]
		if !c.wants(f.output) {
			continue
		}
		t := wire.TensorData{Name: f.output, Datatype: f.datatype, Shape: f.shape(c.model, c.requestRows)}
		per := 1
		for _, d := range t.Shape {
			per *= int(d)
		}
		per /= c.requestRows
		for i := range c.requestRows {
			r := &nobodys
			if f.field >= 0 {
				r = c.cell(i, f.field)
			}
			floats, texts := f.row(c.model, r, per)
			t.Floats, t.Texts = append(t.Floats, floats...), append(t.Texts, texts...)
		}
		outputs = append(outputs, t)
	}
	data, err := wire.BuildResponse(c.model.name, c.model.backendCfg.GetVersion(), c.req.ID, nil,
		append(outputs, c.metadataTensors()...), c.builtRaw() || slices.ContainsFunc(outputs, onlyRaw))
	if err != nil {
		return nil, err
	}
	return wire.NewFrame(data, c.params(nil)), nil
}

// onlyRaw: the protocol has no typed contents for these.
func onlyRaw(t wire.TensorData) bool { return t.Datatype.OnlyRaw() }

// wants says whether the client asked for this output of the model: by name, or by naming none.
func (c *call) wants(output string) bool {
	named := false
	for _, o := range c.req.Outputs {
		if o.Name == output {
			return true
		}
		named = named || !isOurs(o.Name)
	}
	return !named
}

// shape of the whole tensor, for an answer that no response gives the shape of.
func (f *fill) shape(m *model, rows int) []int64 {
	shape := make([]int64, 0, len(f.perRow)+1)
	if m.backendCfg.GetCard().GetRows() == candorv1.Rows_ROWS_FIRST_DIM {
		shape = append(shape, int64(rows))
	}
	for _, d := range f.perRow {
		if d < 0 {
			d = 1
			if f.how == candorv1.AnswerFill_ANSWER_FILL_SCORES {
				d = int64(len(m.fields[f.field].Labels))
			}
		}
		shape = append(shape, d)
	}
	return shape
}

// row fills n elements of one row from its answer, or with the neutral value when nothing is released.
func (f *fill) row(m *model, r *row, n int) (floats []float64, texts [][]byte) {
	if f.datatype == wire.BYTES {
		text := f.neutralText
		if r.released && f.how == candorv1.AnswerFill_ANSWER_FILL_LABEL {
			text = r.answer.Label
		}
		for range n {
			texts = append(texts, []byte(text))
		}
		return nil, texts
	}
	v := f.neutral
	if r.released {
		switch {
		case f.how == candorv1.AnswerFill_ANSWER_FILL_SCORES:
			of := &m.fields[f.field]
			if scores := scoresOf(of.Kind, r.answer.Probs, r.answer.Top, len(of.Labels), n); scores != nil {
				return scores, nil
			}
		case f.how == candorv1.AnswerFill_ANSWER_FILL_LABEL_INDEX && r.answer.Top >= 0:
			v = float64(r.answer.Top)
		case f.how == candorv1.AnswerFill_ANSWER_FILL_VALUE && r.answer.Value != nil:
			v = *r.answer.Value
		}
	}
	floats = make([]float64, n)
	for i := range floats {
		floats[i] = v
	}
	return floats, nil
}

// leastProbability keeps the logarithm of a one-hot answer finite: it is about the spacing of FP32 below 1.
const leastProbability = 1e-7

// scoresOf converts class probabilities to n numbers of the primary's score kind. A label without probabilities becomes
// one-hot. nil: there is neither, or the kind is one that nobody else's answer can be told in, a distance or a margin.
func scoresOf(kind candorv1.ScoreKind, probs []float64, top, labels, n int) []float64 {
	if kind == candorv1.ScoreKind_SCORE_KIND_DISTANCE || kind == candorv1.ScoreKind_SCORE_KIND_MARGIN {
		return nil
	}
	if probs == nil {
		if top < 0 {
			return nil
		}
		probs = make([]float64, labels)
		probs[top] = 1
	}
	if n == 1 && len(probs) == 2 {
		p := probs[1]
		switch kind {
		case candorv1.ScoreKind_SCORE_KIND_PROBABILITY:
			return []float64{p}
		case candorv1.ScoreKind_SCORE_KIND_LOG_PROB:
			return []float64{math.Log(max(p, leastProbability))}
		}
		p = min(max(p, leastProbability), 1-leastProbability)
		return []float64{math.Log(p / (1 - p))}
	}
	if n != len(probs) {
		return nil
	}
	out := make([]float64, n)
	for i, p := range probs {
		out[i] = p
		if kind != candorv1.ScoreKind_SCORE_KIND_PROBABILITY {
			// A logit is a log-probability up to a constant, so ln p serves both kinds.
			out[i] = math.Log(max(p, leastProbability))
		}
	}
	return out
}

// withheld answers the error that a client who did not ask for candor_route gets; nil when every row is answered.
func (c *call) withheld() error {
	var deferred, rejected int
	var first, firstLimit, firstRejected *row
	for i := range c.rows {
		r := &c.rows[i]
		if r.released {
			continue
		}
		if r.itemID != "" {
			deferred++
			if first == nil {
				first = r
			}
		} else {
			rejected++
			if firstRejected == nil {
				firstRejected = r
			}
		}
		if r.limit != "" && firstLimit == nil {
			firstLimit = r
		}
	}
	var e *Error
	switch {
	case deferred > 0:
		e = errf(codes.FailedPrecondition, candorv1.ErrorReason_ERROR_REASON_DEFERRED_TO_REVIEW,
			"%d of %d %s wait for a human; GetPrediction and WatchPredictions give the final answer, and a client that names candor_route among the outputs gets the other %s now",
			deferred, len(c.rows), c.units(), c.units())
		e.ResourceType, e.Resource = "candor.v1.ReviewItem", review.Name(first.itemID)
		e.with("review_item", e.Resource).with("deferred", count(deferred))
	case rejected == 0:
		return nil
	case firstLimit != nil && slices.Contains(firstLimit.decision.Reasons, candorv1.Reason_REASON_LIMIT_UNAVAILABLE):
		// Nothing has tripped, and no operator need do anything: a retry may pass.
		e = storeUnavailable()
	case firstLimit != nil && firstLimit.badInput.field != "":
		e = uncounted(firstLimit)
	case firstLimit != nil:
		e = errf(codes.FailedPrecondition, candorv1.ErrorReason_ERROR_REASON_ACTION_LIMIT_TRIPPED,
			"%d of %d %s are withheld: %s and holds until an operator resets it", rejected, len(c.rows), c.units(), tripWords(firstLimit.limit))
		e.ResourceType, e.Resource = "candor.v1.Limit", limits.ResourceName(firstLimit.limit)
	case c.failure != nil:
		return backendError(c.failure).with("backend", c.model.primary.Name()).with("said_by", saidBy(c.failure))
	default:
		e = errf(codes.FailedPrecondition, candorv1.ErrorReason_ERROR_REASON_REJECTED,
			"%d of %d %s have no answer that the policy lets out", rejected, len(c.rows), c.units()).
			with("reasons", reasonsText(firstRejected.decision.Reasons))
	}
	if rejected > 0 {
		e.with("rejected", count(rejected))
	}
	if firstLimit != nil {
		e.with("limit", shortLimit(firstLimit.limit)).with("action", firstLimit.action)
	}
	if c.model.several() {
		e.with("fields", count(len(c.rows)))
	}
	return e.with("rows", count(c.requestRows))
}

// uncounted is the Error of a row that a limit can't count.
func uncounted(r *row) *Error {
	bad := r.badInput
	e := errf(codes.InvalidArgument, candorv1.ErrorReason_ERROR_REASON_LIMIT_INPUT_INVALID,
		"%s %s: without it the limit %q can't count the answer to row %d", bad.field, bad.problem, shortLimit(r.limit), r.row)
	e.Field, e.FieldProblem = bad.field, bad.problem
	e.ResourceType, e.Resource = "candor.v1.Limit", limits.ResourceName(r.limit)
	return e.with("field", bad.field).with("row", count(r.row))
}
