package calibration

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// ErrNoArtefact is what a store answers when it has no such artefact.
var ErrNoArtefact = errors.New("there is no such artefact")

// Calibrator is a stored artefact, ready to be applied. It is immutable and safe for concurrent use.
type Calibrator struct {
	name, digest string
	scope        *candorv1.ArtefactScope
	// temperature; 0: curve maps one number.
	temperature float64
	curve       curve
}

// curve maps a probability in [0,1] whose complement is rest to another in [0,1]. It never decreases.
type curve interface{ at(p, rest float64) float64 }

type plattCurve struct{ a, b float64 }

func (f plattCurve) at(p, rest float64) float64 { return sigmoid(f.a*logOdds(p, rest) + f.b) }

// New makes an artefact ready. An error names the field that can't be, and says so when the artefact is no calibrator. It keeps
// nothing of a.
func New(a *candorv1.Artefact) (*Calibrator, error) {
	if len(a.GetScope().GetLabels()) < 2 {
		return nil, fmt.Errorf("artefact %q: scope.labels has %d labels, a calibrator has at least 2", a.GetName(), len(a.GetScope().GetLabels()))
	}
	c := &Calibrator{
		name:  fmt.Sprintf("%s@%d", a.GetName(), a.GetVersion()),
		scope: proto.CloneOf(a.GetScope()),
	}
	var err error
	if c.digest, err = Digest(a); err != nil {
		return nil, fmt.Errorf("artefact %q: %w", a.GetName(), err)
	}
	switch b := a.GetBody().(type) {
	case *candorv1.Artefact_Temperature:
		t := b.Temperature.GetTemperature()
		if !(t > 0) || math.IsInf(t, 0) {
			err = fmt.Errorf("temperature: is %v; it is a number above 0", t)
		}
		c.temperature = t
	case *candorv1.Artefact_Platt:
		c.curve = plattCurve{b.Platt.GetA(), b.Platt.GetB()}
		err = errors.Join(finite("platt.a", b.Platt.GetA(), 0), finite("platt.b", b.Platt.GetB(), math.Inf(-1)))
	case *candorv1.Artefact_Beta:
		c.curve = betaCurve{b.Beta.GetA(), b.Beta.GetB(), b.Beta.GetC()}
		err = errors.Join(finite("beta.a", b.Beta.GetA(), 0), finite("beta.b", b.Beta.GetB(), 0), finite("beta.c", b.Beta.GetC(), math.Inf(-1)))
	case *candorv1.Artefact_Isotonic:
		f := steps{slices.Clone(b.Isotonic.GetX()), slices.Clone(b.Isotonic.GetY())}
		c.curve = f
		err = errors.Join(points("isotonic.x", f.x, len(f.x), true), points("isotonic.y", f.y, len(f.x), false))
	case *candorv1.Artefact_VennAbers:
		f := interval{slices.Clone(b.VennAbers.GetX()), slices.Clone(b.VennAbers.GetP0()), slices.Clone(b.VennAbers.GetP1())}
		c.curve = f
		err = errors.Join(points("venn_abers.x", f.x, len(f.x), true), points("venn_abers.p0", f.p0, len(f.x), false), points("venn_abers.p1", f.p1, len(f.x), false))
		for i := range f.p0 {
			if err == nil && f.p0[i] > f.p1[i] {
				err = fmt.Errorf("venn_abers.p0[%d]: %v is above p1, %v", i, f.p0[i], f.p1[i])
			}
		}
	default:
		err = errors.New("it is no calibrator; candor artefacts list shows which are")
	}
	if err != nil {
		return nil, fmt.Errorf("artefact %q: %w", a.GetName(), err)
	}
	return c, nil
}

// IsCalibrator says whether the artefact's body is one that New takes.
func IsCalibrator(a *candorv1.Artefact) bool {
	switch a.GetBody().(type) {
	case *candorv1.Artefact_Temperature, *candorv1.Artefact_Platt, *candorv1.Artefact_Beta, *candorv1.Artefact_Isotonic, *candorv1.Artefact_VennAbers:
		return true
	}
	return false
}

// maxParameter bounds coefficients: with larger ones a product with log-odds could be infinite, and infinity less infinity is
// no number.
const maxParameter = 1e9

func finite(field string, v, least float64) error {
	if !(v >= least && math.Abs(v) <= maxParameter) {
		return fmt.Errorf("%s: is %v; it is a number from %v to %v", field, v, max(least, -maxParameter), float64(maxParameter))
	}
	return nil
}

// points checks that values are in [0,1] and ascend, strictly or not.
func points(field string, values []float64, want int, strictly bool) error {
	if len(values) == 0 || len(values) != want {
		return fmt.Errorf("%s: has %d values, not %d", field, len(values), max(want, 1))
	}
	for i, v := range values {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("%s[%d]: %v is outside of [0,1]", field, i, v)
		}
		if i > 0 && (v < values[i-1] || strictly && v == values[i-1]) {
			return fmt.Errorf("%s[%d]: %v does not ascend from %v", field, i, v, values[i-1])
		}
	}
	return nil
}

// Digest is the hex SHA-256 of what an artefact does: of the deterministic encoding of its scope and body. Name, version, data
// and author are not in it.
func Digest(a *candorv1.Artefact) (string, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(&candorv1.Artefact{Scope: a.GetScope(), Body: a.GetBody()})
	if err != nil {
		return "", fmt.Errorf("encode the artefact: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// Name is name@version.
func (c *Calibrator) Name() string { return c.name }

// Digest is that of the artefact; see [Digest]. A threshold on the calibrated scale is bound to it.
func (c *Calibrator) Digest() string { return c.digest }

// Suits says why the calibrator can't be used for a model: another model, version, kind of score, labels, or members. nil: it can.
func (c *Calibrator) Suits(want *candorv1.ArtefactScope) error { return Suits(c.name, c.scope, want) }

// Suits compares the scope of an artefact with that of its use; the error names the first difference.
func Suits(name string, have, want *candorv1.ArtefactScope) error {
	differs := func(what string, have, want any) error {
		return fmt.Errorf("%s is for %s %v, not %v; fit one with candor calibrate", name, what, have, want)
	}
	switch {
	case have.GetModel() != want.GetModel():
		return differs("model", have.GetModel(), want.GetModel())
	case have.GetVersion() != want.GetVersion():
		return differs("version", have.GetVersion(), want.GetVersion())
	case have.GetKind() != want.GetKind():
		return differs("score kind", have.GetKind(), want.GetKind())
	case !slices.Equal(have.GetLabels(), want.GetLabels()):
		return differs("the labels", fmt.Sprintf("%q", have.GetLabels()), fmt.Sprintf("%q", want.GetLabels()))
	case !slices.Equal(have.GetMembers(), want.GetMembers()):
		return differs("the members", fmt.Sprintf("%q", have.GetMembers()), fmt.Sprintf("%q", want.GetMembers()))
	}
	return nil
}

// Apply answers calibrated probabilities, which sum to 1, of probabilities in the order of the labels, which should. They go into
// dst where it has room; dst may be probs. Never NaN: of what are no probabilities (NaN, a negative number, nothing above 0,
// another number of them than labels) it answers the same for each, which is to know nothing.
func (c *Calibrator) Apply(dst, probs []float64) []float64 {
	if cap(dst) < len(probs) {
		dst = make([]float64, len(probs))
	}
	dst = dst[:len(probs)]
	sum := 0.0
	for _, p := range probs {
		if !(p >= 0) {
			sum = math.NaN()
		}
		sum += p
	}
	if len(probs) != len(c.scope.GetLabels()) || !(sum > 0) || math.IsInf(sum, 1) {
		return uniform(dst)
	}
	for i, p := range probs {
		dst[i] = p / sum
	}
	if c.temperature > 0 {
		heat(dst, c.temperature)
		return dst
	}
	j := target(dst)
	rest := others(dst, j)
	p := math.Min(1, math.Max(0, c.curve.at(dst[j], rest)))
	for i := range dst {
		switch {
		case i == j:
			dst[i] = p
		case rest > 0:
			// In this order: the inverse of the smallest doubles is infinite.
			dst[i] = dst[i] / rest * (1 - p)
		default:
			// Nothing to scale: nothing says who should have it.
			dst[i] = (1 - p) / float64(len(dst)-1)
		}
	}
	return dst
}

func uniform(dst []float64) []float64 {
	for i := range dst {
		dst[i] = 1 / float64(len(dst))
	}
	return dst
}

// ApplyTo answers the sample as the calibrator changes it. The answers stay the model's, as in the gateway: a curve may find another
// label more probable, of two labels as of many. Temperature can't.
func (c *Calibrator) ApplyTo(s Sample) Sample {
	out := Sample{Labels: s.Labels, Truth: s.Truth, Probs: make([][]float64, len(s.Probs))}
	if c.temperature == 0 || s.Answers != nil {
		out.Answers = make([]int, len(s.Probs))
	}
	for i, row := range s.Probs {
		if out.Answers != nil {
			out.Answers[i] = s.answer(i)
		}
		out.Probs[i] = c.Apply(nil, row)
	}
	return out
}
