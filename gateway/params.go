package gateway

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/review"
)

// prefix of every name that is Candor's, in parameters and among tensors. What a backend or a client sends under it is
// dropped.
const prefix = "candor_"

func isOurs(name string) bool { return strings.HasPrefix(name, prefix) }

// ofProtocol are a model server's parameters that say how to read an answer, or where it belongs, beside those that begin with
// tritonPrefix: a client needs them whoever answered. Any other may be the model's answer in other words.
var ofProtocol = []string{"content_type", "sequence_id", "sequence_start", "sequence_end"}

func saysHow(key string) bool {
	return strings.HasPrefix(key, tritonPrefix) || slices.Contains(ofProtocol, key)
}

// Metadata tensors: named among a request's outputs, they come with one element per row; where the model has several fields, for each
// field of a row.
const (
	tensorRoute      = "candor_route"
	tensorConfidence = "candor_confidence"
	tensorAnsweredBy = "candor_answered_by"
	tensorDecisionID = "candor_decision_id"
	tensorThreshold  = "candor_threshold"
	tensorLicense    = "candor_certificate"
	tensorSampling   = "candor_sampling_probability"
)

// metadataOutputs are the metadata tensors with their datatypes, as ModelMetadata advertises them.
var metadataOutputs = []struct {
	name     string
	datatype wire.Datatype
}{
	{tensorRoute, wire.BYTES},
	{tensorConfidence, wire.FP32},
	{tensorAnsweredBy, wire.BYTES},
	{tensorDecisionID, wire.BYTES},
	{tensorThreshold, wire.FP32},
	{tensorLicense, wire.BYTES},
	{tensorSampling, wire.FP32},
}

// askedFor reads what the client named among the outputs.
func askedFor(req *wire.Request, m *model, aware bool) (asked, error) {
	a := asked{aware: aware}
	named := false
	for i, o := range req.Outputs {
		if !isOurs(o.Name) {
			named = true
			continue
		}
		if !slices.ContainsFunc(metadataOutputs, func(t struct {
			name     string
			datatype wire.Datatype
		}) bool {
			return t.name == o.Name
		}) {
			return asked{}, invalid("outputs["+strconv.Itoa(i)+"].name", "there is no metadata tensor "+strconv.Quote(o.Name)+"; there are "+metadataNames())
		}
		a.aware = a.aware || o.Name == tensorRoute
		if !slices.Contains(a.tensors, o.Name) {
			a.tensors = append(a.tensors, o.Name)
		}
	}
	if named {
		for _, score := range m.card.ScoreOutputs() {
			if !slices.ContainsFunc(req.Outputs, func(o wire.RequestedOutput) bool { return o.Name == score }) {
				if a.added == nil {
					a.added = map[string]bool{}
				}
				a.added[score] = true
			}
		}
	}
	return a, nil
}

func metadataNames() string {
	names := make([]string, len(metadataOutputs))
	for i, t := range metadataOutputs {
		names[i] = t.name
	}
	return strings.Join(names, ", ")
}

// constantParams are the response parameters that are the same for every call of a model, encoded.
func (m *model) constantParams() []byte {
	var b []byte
	if names := m.fieldNames(); names != "" {
		b = wire.AppendParam(b, wire.StringParam("candor_fields", names))
	}
	for _, p := range []wire.Param{
		wire.StringParam("candor_model_created_at", m.created().UTC().Format(time.RFC3339)),
		wire.StringParam("candor_policy", digestText(m.digest)),
	} {
		b = wire.AppendParam(b, p)
	}
	return b
}

// acceptedParams are outcomeParams of a row that the primary answered because it was confident, which nearly all are.
func (m *model) acceptedParams() []byte {
	return outcomeParams(nil, candorv1.Route_ROUTE_ACCEPT, []candorv1.Reason{candorv1.Reason_REASON_CONFIDENT}, m.primary.Name(), candorv1.AnswerState_ANSWER_STATE_FINAL)
}

// outcomeParams tell what became of the only row.
func outcomeParams(b []byte, route candorv1.Route, reasons []candorv1.Reason, answeredBy string, state candorv1.AnswerState) []byte {
	b = wire.AppendParam(b, wire.StringParam("candor_route", routeName(route)))
	b = wire.AppendParam(b, wire.StringParam("candor_reasons", reasonsText(reasons)))
	b = wire.AppendParam(b, wire.StringParam("candor_answered_by", answeredBy))
	return wire.AppendParam(b, wire.StringParam("candor_state", stateName(state)))
}

// asMost says that the row's outcome is what acceptedParams tell.
func (r *row) asMost() bool {
	return r.decision.Route == candorv1.Route_ROUTE_ACCEPT && r.state == candorv1.AnswerState_ANSWER_STATE_FINAL && r.primarys() &&
		len(r.decision.Reasons) == 1 && r.decision.Reasons[0] == candorv1.Reason_REASON_CONFIDENT
}

// params appends the response parameters, encoded; docs/metadata.md is their table. Only bool, int64 and string survive every
// dialect.
func (c *call) params(b []byte) []byte {
	b = append(b, c.model.params...)
	b = wire.AppendParam(b, wire.StringParam("candor_mode", modeName(c.mode())))
	b = wire.AppendParam(b, wire.StringParam("candor_prediction_id", c.idText))
	if c.defaulted > 0 {
		b = wire.AppendParam(b, wire.Int64Param("candor_default_deadline_ms", c.defaulted.Milliseconds()))
	}
	if len(c.stages) > 0 && c.stages[0].Attempts > 1 {
		b = wire.AppendParam(b, wire.Int64Param("candor_attempts", int64(c.stages[0].Attempts)))
	}
	b = c.troubleParams(b)
	if len(c.rows) > 1 {
		stem := "candor_rows_"
		if c.model.several() {
			stem = "candor_fields_"
		}
		var counts [candorv1.Route_ROUTE_REJECT + 1]int64
		for i := range c.rows {
			counts[c.rows[i].decision.Route]++
		}
		for _, r := range []candorv1.Route{
			candorv1.Route_ROUTE_ACCEPT, candorv1.Route_ROUTE_FALLBACK, candorv1.Route_ROUTE_DEFER, candorv1.Route_ROUTE_REJECT,
		} {
			b = wire.AppendParam(b, wire.Int64Param(stem+strings.ToLower(routeName(r)), counts[r]))
		}
		return b
	}
	r := &c.rows[0]
	if r.asMost() {
		b = append(b, c.model.accepted...)
	} else {
		b = outcomeParams(b, r.decision.Route, r.decision.Reasons, c.answeredBy(r), r.state)
	}
	if v := ppm(r.decision.Confidence); v != nil {
		b = wire.AppendParam(b, wire.Int64Param("candor_confidence_ppm", int64(*v)))
	}
	if v := ppm(r.decision.Threshold); v != nil {
		b = wire.AppendParam(b, wire.Int64Param("candor_threshold_ppm", int64(*v)))
	}
	if l := r.license(); l != nil {
		b = wire.AppendParam(b, wire.StringParam("candor_certificate", l.id))
		b = wire.AppendParam(b, wire.Int64Param("candor_certificate_labels", int64(l.shown.GetLabels())))
		b = wire.AppendParam(b, wire.Int64Param("candor_certificate_errors", int64(l.shown.GetErrors())))
		b = wire.AppendParam(b, wire.Int64Param("candor_sampling_ppm", int64(*ppm(r.sampling()))))
	}
	b = appendText(b, "candor_review_item", review.Name(r.deferredItem()))
	b = appendText(b, "candor_action", r.action)
	b = appendText(b, "candor_limit", r.limitName())
	return appendText(b, "candor_fault", r.fault(c))
}

// appendText appends a parameter, unless there is nothing to say.
func appendText(b []byte, key, text string) []byte {
	if text == "" {
		return b
	}
	return wire.AppendParam(b, wire.StringParam(key, text))
}

// deferredItem is the review item that the caller may wait for; empty: none. That a row is audited is nobody's to know.
func (r *row) deferredItem() string {
	if r.applied != candorv1.Route_ROUTE_DEFER {
		return ""
	}
	return r.itemID
}

// fault says for people what was wrong with the primary's answer, or with what a limit asks of the request; empty: nothing.
func (r *row) fault(c *call) string {
	if r.badInput.field != "" {
		return r.badInput.field + " " + r.badInput.problem
	}
	if len(r.evidence.Faults) == 0 {
		return ""
	}
	return c.model.primary.Name() + ": " + r.evidence.Detail
}

// answeredBy names the stage whose answer left; empty: none did.
func (c *call) answeredBy(r *row) string {
	if !r.released || r.answeredBy < 0 {
		return ""
	}
	return c.stages[r.answeredBy].Name
}

// metadataTensors are those that the client asked for, one element per row and field.
func (c *call) metadataTensors() []wire.TensorData {
	var out []wire.TensorData
	for _, name := range c.ask.tensors {
		t := wire.TensorData{Name: name, Datatype: wire.BYTES, Shape: metadataShape(int64(c.requestRows), c.model)}
		for i := range c.rows {
			r := &c.rows[i]
			switch name {
			case tensorRoute:
				t.Texts = append(t.Texts, []byte(routeName(r.decision.Route)))
			case tensorAnsweredBy:
				t.Texts = append(t.Texts, []byte(c.answeredBy(r)))
			case tensorDecisionID:
				t.Texts = append(t.Texts, []byte(decisionID(c.idText, r.row, c.fieldOf(r).Output)))
			case tensorConfidence:
				t.Datatype = wire.FP32
				v := math.NaN()
				if r.decision.Confidence != nil {
					v = *r.decision.Confidence
				}
				t.Floats = append(t.Floats, v)
			case tensorThreshold:
				t.Datatype = wire.FP32
				v := math.NaN()
				if r.decision.Threshold != nil {
					v = *r.decision.Threshold
				}
				t.Floats = append(t.Floats, v)
			case tensorLicense:
				id := ""
				if l := r.license(); l != nil {
					id = l.id
				}
				t.Texts = append(t.Texts, []byte(id))
			case tensorSampling:
				t.Datatype = wire.FP32
				t.Floats = append(t.Floats, *r.sampling())
			}
		}
		out = append(out, t)
	}
	return out
}

// metadataShape has a second dimension where a row has several fields.
func metadataShape(rows int64, m *model) []int64 {
	if m.several() {
		return []int64{rows, int64(len(m.fields))}
	}
	return []int64{rows}
}

// decisionID names one decision: prediction, row, output.
func decisionID(prediction string, row int, output string) string {
	return prediction + "/" + strconv.Itoa(row) + "/" + output
}

func reasonsText(reasons []candorv1.Reason) string {
	switch len(reasons) {
	case 0:
		return ""
	case 1:
		return reasonName(reasons[0])
	}
	names := make([]string, len(reasons))
	for i, r := range reasons {
		names[i] = reasonName(r)
	}
	return strings.Join(names, ",")
}

// limitName is the limit that withholds the row; empty: none does.
func (r *row) limitName() string {
	if r.limit == "" {
		return ""
	}
	return shortLimit(r.limit)
}
