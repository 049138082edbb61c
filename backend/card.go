package backend

import (
	"fmt"
	"math"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

// MaxRows is how many rows a request may have. Each costs the gateway evidence and a decision of some hundred bytes,
// whatever its tensors cost: without a bound 64 MiB of one-byte rows would take many gigabytes.
const MaxRows = 1 << 16

// MaxFields is how many scores a card may have. Rows times fields are at most MaxRows.
const MaxFields = 64

// reservedPrefix begins the names of the gateway's own tensors.
const reservedPrefix = "candor_"

// Card is a candor.v1.ModelCard made ready to check requests and answers. It is read-only after CompileCard and safe for
// concurrent use; its slices are not to be changed.
type Card struct {
	proto   *candorv1.ModelCard
	rows    candorv1.Rows
	inputs  []tensorSpec
	outputs []tensorSpec
	// scores, one for each field; empty when the card declares none.
	scores []scoreSpec
	fields []Field
	// abstain is the output that says where the model has no usable answer; empty: none.
	abstain string
	// reads are the names of the outputs that Evidence reads.
	reads []string
}

// tensorSpec is what the card says about one tensor.
type tensorSpec struct {
	name     string
	datatype wire.Datatype
	// shape as declared; -1: any size.
	shape []int64
	// perRow: the first dimension is the row.
	perRow bool
	shared bool
}

// scoreSpec is what the card says about a score.
type scoreSpec struct {
	output       string
	kind         candorv1.ScoreKind
	labels       []string
	sumTolerance float64
	lower, upper string
	variance     string
	coverage     float64
	min, max     *float64
	// single: a row has one number.
	single bool
}

// CompileCard checks a card for contradictions and makes it ready. Errors name the field, relative to the card, and what to
// write instead.
func CompileCard(p *candorv1.ModelCard) (*Card, error) {
	switch {
	case p == nil:
		return nil, fmt.Errorf("created_at: there is no card; say what the model is")
	case p.GetCreatedAt() == nil || p.GetCreatedAt().CheckValid() != nil:
		return nil, fmt.Errorf("created_at: is missing; write when this version was trained, for example 2026-01-31T00:00:00Z")
	case strings.TrimSpace(p.GetOwner()) == "":
		return nil, fmt.Errorf("owner: is missing; write the team or person to ask")
	case p.GetRows() != candorv1.Rows_ROWS_FIRST_DIM && p.GetRows() != candorv1.Rows_ROWS_NONE:
		return nil, fmt.Errorf("rows: is missing; write ROWS_FIRST_DIM if the first dimension is the row, else ROWS_NONE")
	case len(p.GetInputs()) == 0:
		return nil, fmt.Errorf("inputs: there is none; list the model's input tensors")
	case len(p.GetOutputs()) == 0:
		return nil, fmt.Errorf("outputs: there is none; list the model's output tensors")
	case len(p.GetScores()) > MaxFields:
		return nil, fmt.Errorf("scores: there are %d; write at most %d", len(p.GetScores()), MaxFields)
	}
	c := &Card{proto: p, rows: p.GetRows()}
	batched := c.rows == candorv1.Rows_ROWS_FIRST_DIM
	unshared := false
	for i, in := range p.GetInputs() {
		t, err := compileTensor(in.GetName(), in.GetDatatype(), in.GetShape(), batched && !in.GetShared(), c.inputs)
		if err != nil {
			return nil, fmt.Errorf("inputs[%d].%w", i, err)
		}
		t.shared = in.GetShared()
		unshared = unshared || !t.shared
		c.inputs = append(c.inputs, t)
	}
	if batched && !unshared {
		return nil, fmt.Errorf("inputs: all are shared, so nothing says how many rows a request has; take shared from one, or write rows: ROWS_NONE")
	}
	for i, out := range p.GetOutputs() {
		t, err := compileTensor(out.GetName(), out.GetDatatype(), out.GetShape(), batched, c.outputs)
		if err != nil {
			return nil, fmt.Errorf("outputs[%d].%w", i, err)
		}
		c.outputs = append(c.outputs, t)
	}
	for i, s := range p.GetScores() {
		score, err := c.compileScore(s)
		if err != nil {
			return nil, fmt.Errorf("scores[%d].%w", i, err)
		}
		c.scores = append(c.scores, *score)
	}
	c.fields = fieldsOf(p, c.scores)
	if err := c.compileAbstain(p.GetAbstainOutput()); err != nil {
		return nil, fmt.Errorf("abstain_output: %w", err)
	}
	c.reads = c.readOutputs()
	return c, nil
}

func compileTensor(name, datatype string, shape []int64, perRow bool, others []tensorSpec) (tensorSpec, error) {
	t := tensorSpec{name: name, shape: shape, perRow: perRow}
	if name == "" {
		return t, fmt.Errorf("name: is empty; write the tensor's name on the server")
	}
	if strings.HasPrefix(name, reservedPrefix) {
		return t, fmt.Errorf("name: %q begins with %s, which is reserved for the gateway's own tensors; rename it in the model", name, reservedPrefix)
	}
	if find(others, name) != nil {
		return t, fmt.Errorf("name: %q stands here twice; write each tensor once", name)
	}
	var ok bool
	if t.datatype, ok = wire.ParseDatatype(datatype); !ok {
		return t, fmt.Errorf("datatype: %q is unknown; write BOOL, INT8 to INT64, UINT8 to UINT64, FP16, FP32, FP64, BF16 or BYTES", datatype)
	}
	if perRow && len(shape) == 0 {
		return t, fmt.Errorf("shape: is empty, but rows is ROWS_FIRST_DIM; write the shape with the row dimension, for example [-1, 64]")
	}
	elements := int64(1)
	for i, d := range shape {
		switch {
		case d < -1 || d == 0:
			return t, fmt.Errorf("shape[%d]: is %d; write a size of at least 1, or -1 for any", i, d)
		case d == -1:
		case elements > math.MaxInt64/d:
			return t, fmt.Errorf("shape: %s has more elements than can be counted", shapeText(shape))
		default:
			elements *= d
		}
	}
	return t, nil
}

// elements is how many elements one row has, or the whole tensor if it has no rows; ok is false when the card leaves it open.
func (t *tensorSpec) elements() (n int64, ok bool) {
	shape := t.shape
	if t.perRow {
		shape = shape[1:]
	}
	n = 1
	for _, d := range shape {
		if d == -1 {
			return 0, false
		}
		n *= d
	}
	return n, true
}

// Proto is the card as configured.
func (c *Card) Proto() *candorv1.ModelCard { return c.proto }

// Kind is what the first score is; unspecified when the card declares none.
func (c *Card) Kind() candorv1.ScoreKind { return c.fields[0].Kind }

// Shared says whether an input is the same for all rows of a batch; false for one that the card doesn't know.
func (c *Card) Shared(input string) bool {
	t := find(c.inputs, input)
	return t != nil && t.shared
}

// ScoreOutput is the output tensor that holds the first score; empty when the card declares none.
func (c *Card) ScoreOutput() string { return c.fields[0].Output }

// ScoreOutputs are the output tensors that Evidence reads: the scores', those of their intervals or variances, and the one that says
// where the model abstains. Nil when the card declares none of them.
func (c *Card) ScoreOutputs() []string { return c.reads }

// Source is what a policy has to know of the first score; calibrated says that there is a calibrator for it.
func (c *Card) Source(calibrated bool) router.Source { return c.fields[0].Source(calibrated) }

// Labels of the first score, in the order of its tensor; for one number, [negative, positive]. Nil for regression.
func (c *Card) Labels() []string { return c.fields[0].Labels }

func find(list []tensorSpec, name string) *tensorSpec {
	for i := range list {
		if list[i].name == name {
			return &list[i]
		}
	}
	return nil
}

func names(list []tensorSpec) string {
	all := make([]string, len(list))
	for i := range list {
		all[i] = list[i].name
	}
	return strings.Join(all, ", ")
}

// shapeText writes a shape as the configuration does.
func shapeText(shape []int64) string {
	return "[" + strings.Trim(strings.ReplaceAll(fmt.Sprint(shape), " ", ", "), "[]") + "]"
}
