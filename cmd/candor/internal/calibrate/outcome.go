package calibrate

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/candor-gateway/candor/calibration"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// folds of the cross-validation by which a calibrator is judged that is fitted on all rows.
const folds = 5

// order are what to do with a sample.
type order struct {
	// method; empty: none, or given.
	method calibration.Method
	// given is a calibrator that there is already; nil: fit one.
	given *candorv1.Artefact
	// certify: on a part of the rows that nothing was fitted on.
	certify      bool
	alpha, delta float64
	confidence   candorv1.ConfidenceMethod
	// share of the rows that are tested.
	share float64
	seed  uint64
}

// outcome is what became of it.
type outcome struct {
	// calibrator has body and scope; nil: none was asked for.
	calibrator *candorv1.Artefact
	// certificate; nil: none was asked for.
	certificate *candorv1.HeldOutCertificate
	// fitted and tested count rows. Without a certificate all rows are fitted on, and tested by cross-validation.
	fitted, tested int
	crossed        bool
	before         calibration.Report
	after          *calibration.Report
	// judged: why there is no after.
	unjudged string
}

// work fits, judges and certifies.
func work(s calibration.Sample, scope *candorv1.ArtefactScope, o order) (*outcome, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if o.certify {
		return workApart(s, scope, o)
	}
	out := &outcome{fitted: len(s.Probs), tested: len(s.Probs), before: calibration.Measure(s)}
	if o.given != nil {
		c, err := calibration.New(o.given)
		if err != nil {
			return nil, err
		}
		after := calibration.Measure(c.ApplyTo(s))
		out.fitted, out.after, out.calibrator = 0, &after, o.given
		return out, nil
	}
	var err error
	if out.calibrator, err = fit(s, scope, o.method); err != nil {
		return nil, err
	}
	out.crossed = true
	after, err := crossValidate(s, o.method, o.seed)
	if err != nil {
		out.unjudged = "too few rows to judge it by cross-validation: " + err.Error()
		return out, nil
	}
	report := calibration.Measure(after)
	out.after = &report
	return out, nil
}

func fit(s calibration.Sample, scope *candorv1.ArtefactScope, m calibration.Method) (*candorv1.Artefact, error) {
	a, err := calibration.Fit(m, s)
	if err != nil {
		return nil, err
	}
	a.Scope = scope
	return a, nil
}

// crossValidate calibrates each fifth of the rows by what was fitted to the others.
func crossValidate(s calibration.Sample, m calibration.Method, seed uint64) (calibration.Sample, error) {
	shuffled := shuffle(len(s.Probs), seed)
	out := calibration.Sample{Labels: s.Labels, Probs: make([][]float64, len(s.Probs)), Truth: s.Truth, Answers: make([]int, len(s.Probs))}
	for f := range folds {
		var inside, outside []int
		for i, row := range shuffled {
			if i%folds == f {
				outside = append(outside, row)
			} else {
				inside = append(inside, row)
			}
		}
		a, err := calibration.Fit(m, s.Pick(inside))
		if err != nil {
			return out, err
		}
		c, err := calibration.New(a)
		if err != nil {
			return out, err
		}
		part := c.ApplyTo(s.Pick(outside))
		for i, row := range outside {
			out.Probs[row] = part.Probs[i]
			out.Answers[row] = answerOf(part, i)
		}
	}
	return out, nil
}

// answerOf is the label that row i of a sample is answered with.
func answerOf(s calibration.Sample, i int) int {
	if s.Answers != nil {
		return s.Answers[i]
	}
	top := 0
	for j, p := range s.Probs[i] {
		if p > s.Probs[i][top] {
			top = j
		}
	}
	return top
}

// shuffle is the order of n rows that the seed stands for.
func shuffle(n int, seed uint64) []int {
	// The second number only has to stay what it is.
	return rand.New(rand.NewPCG(seed, 0xca11b)).Perm(n)
}

// workApart fits on one part of the rows and certifies on the other.
func workApart(s calibration.Sample, scope *candorv1.ArtefactScope, o order) (*outcome, error) {
	n := len(s.Probs)
	test := int(o.share * float64(n))
	if need := int(calibration.RowsToCertify(o.alpha, o.delta)); test < need {
		all := int(float64(need)/o.share) + 1
		return nil, fmt.Errorf("a certificate with alpha %g and delta %g needs %d rows that nothing was fitted on, %g of %d rows are %d; have %d rows in all, "+
			"or a larger --test-share", o.alpha, o.delta, need, o.share, n, test, all)
	}
	shuffled := shuffle(n, o.seed)
	train, tested := s.Pick(shuffled[test:]), s.Pick(shuffled[:test])
	out := &outcome{fitted: len(train.Probs), tested: test, before: calibration.Measure(tested)}
	if len(train.Probs) == 0 {
		return nil, errors.New("no row is left to choose the grid of thresholds by; have a --test-share below 1")
	}
	digest := ""
	out.calibrator = o.given
	if o.given == nil && o.method != "" {
		var err error
		if out.calibrator, err = fit(train, scope, o.method); err != nil {
			return nil, fmt.Errorf("of %d rows %d are for fitting: %w", n, len(train.Probs), err)
		}
	}
	if out.calibrator != nil {
		c, err := calibration.New(out.calibrator)
		if err != nil {
			return nil, err
		}
		digest = c.Digest()
		train, tested = c.ApplyTo(train), c.ApplyTo(tested)
		after := calibration.Measure(tested)
		out.after = &after
	}
	unlabelled, _ := confidences(train, o.confidence)
	grid, err := calibration.Grid(unlabelled, test, o.alpha, o.delta, calibration.DefaultLevels)
	if err != nil {
		return nil, err
	}
	values, wrong := confidences(tested, o.confidence)
	if out.certificate, err = calibration.Certify(grid, values, wrong, o.alpha, o.delta); err != nil {
		return nil, err
	}
	out.certificate.Confidence, out.certificate.Calibrator = o.confidence, digest
	return out, nil
}

// confidences are as the gateway makes them of calibrated probabilities: the answer's own for max_prob.
func confidences(s calibration.Sample, method candorv1.ConfidenceMethod) (values []float64, wrong []bool) {
	for i := range s.Probs {
		v := s.Confidence(i)
		if method != candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB {
			ev := router.FromProbabilities("", s.Probs[i], s.Labels, method)
			if ev.Confidence != nil {
				v = min(1, max(0, *ev.Confidence))
			}
			if ev.Top != answerOf(s, i) {
				// It speaks for another answer than the one that is given.
				v = 0
			}
		}
		values, wrong = append(values, v), append(wrong, s.Wrong(i))
	}
	return values, wrong
}
