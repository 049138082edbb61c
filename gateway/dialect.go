package gateway

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// form is where a caller reads the elements of tensors.
type form uint8

const (
	// asAnswered: wherever the model server put them.
	asAnswered form = iota
	inRaw
	inTyped
)

// speaks is the dialect that the principal's client was made for: as configured, or else as the called service's name tells.
func (p *Principal) speaks(called candorv1.Dialect) candorv1.Dialect {
	if p.dialect != candorv1.Dialect_DIALECT_UNSPECIFIED {
		return p.dialect
	}
	return called
}

// formFor is the form in which a caller reads an answer: as configured, or else detected. Who sends raw reads raw. Who sends
// typed reads what servers of its dialect answer; where the dialect isn't known, what this server answers, which is what
// the client would get without the gateway.
func formFor(p *Principal, d candorv1.Dialect, sentRaw bool) form {
	switch p.contents {
	case candorv1.Contents_CONTENTS_RAW:
		return inRaw
	case candorv1.Contents_CONTENTS_TYPED:
		return inTyped
	}
	if sentRaw {
		return inRaw
	}
	switch wire.DialectOf(d).Answers {
	case wire.AnswersRaw:
		return inRaw
	case wire.AnswersMirrored, wire.AnswersTyped:
		return inTyped
	}
	return asAnswered
}

// readable is the model server's answer as the caller can read it: tensors in its form, and parameters of kinds that it knows. It
// is resp itself where it fits, which is the rule. The error says what is wrong with the answer.
func (c *call) readable(resp *wire.Response) (*wire.Response, error) {
	resp, err := resp.For(wire.DialectOf(c.dialect).Params)
	if err != nil || c.form == asAnswered {
		return resp, err
	}
	return resp.In(c.form == inRaw)
}

// builtRaw says whether an answer that the gateway builds itself is raw: as the caller reads, or else as the primary would have
// answered.
func (c *call) builtRaw() bool {
	if c.form != asAnswered {
		return c.form == inRaw
	}
	switch c.model.primary.Speech().Wire.Answers {
	case wire.AnswersRaw:
		return true
	case wire.AnswersTyped:
		return false
	}
	return c.req.RawForm
}

// tritonReserved are the request parameters that Triton takes for itself, as its parameters extension lists them, beside all that
// begin with tritonPrefix.
var tritonReserved = []string{
	"sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "headers", "binary_data_output",
}

const tritonPrefix = "triton_"

// refuseReserved refuses a parameter that its sender means as its own and that a Triton behind the gateway would take for an
// instruction. Callers of Triton's dialect mean the instruction, and so may those whose dialect nobody stated.
func (m *model) refuseReserved(req *wire.Request, d candorv1.Dialect) error {
	if len(req.Params) == 0 || d == candorv1.Dialect_DIALECT_UNSPECIFIED || d == candorv1.Dialect_DIALECT_TRITON {
		return nil
	}
	for _, p := range req.Params {
		if !slices.Contains(tritonReserved, p.Key) && !strings.HasPrefix(p.Key, tritonPrefix) {
			continue
		}
		for _, b := range m.asked {
			if b.Speech().Dialect == candorv1.Dialect_DIALECT_TRITON {
				return invalid("parameters["+p.Key+"]", "Triton, which backend "+b.Name()+" is, takes this parameter as an instruction, and a "+
					"client of dialect "+dialectName(d)+" can't mean that; rename it, or have consumers.NAME.dialect say triton")
			}
		}
	}
	return nil
}

// paramClassification is the parameter of a requested output by which Triton's clients ask for its best classes, as texts.
const paramClassification = "classification"

// refuseClassification refuses to ask Triton for other elements than the card declares of an output. Nobody could read a score in them, and the
// model server, which does as it was told, would have broken its card.
func (m *model) refuseClassification(req *wire.Request) error {
	for i, o := range req.Outputs {
		asks := slices.ContainsFunc(o.Params, func(p wire.Param) bool { return p.Key == paramClassification })
		if !asks || !slices.ContainsFunc(m.card.Proto().GetOutputs(), func(out *candorv1.OutputSpec) bool { return out.GetName() == o.Name }) {
			continue
		}
		if d := m.primary.Speech(); d.Dialect == candorv1.Dialect_DIALECT_TRITON || d.Source == candorv1.DialectSource_DIALECT_SOURCE_UNSPECIFIED {
			return invalid("outputs["+strconv.Itoa(i)+"].parameters["+paramClassification+"]",
				"it asks for texts instead of the elements that the model's card declares of "+strconv.Quote(o.Name)+"; leave it out, and find the best classes in the numbers")
		}
	}
	return nil
}

// dialectName is a dialect as the configuration spells it.
func dialectName(d candorv1.Dialect) string {
	return strings.ToLower(strings.TrimPrefix(d.String(), "DIALECT_"))
}

// bridgeMetadata gives field 6 of a model's metadata the form that the caller's dialect has. A caller whose dialect nobody knows
// gets what it would get without us: the other form would be no message to who was made for this one. Our proto leaves the
// field out, so that it lies among the unknown ones.
func (s *oipServer) bridgeMetadata(ctx context.Context, b *backend.Backend, md proto.Message) {
	d := principal(ctx).speaks(s.dialect)
	if d == candorv1.Dialect_DIALECT_UNSPECIFIED {
		return
	}
	m := md.ProtoReflect()
	m.SetUnknown(wire.Metadata(m.GetUnknown(), b.Speech().Wire.Metadata, wire.DialectOf(d).Metadata))
}
