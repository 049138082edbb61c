package certificate

import (
	"fmt"
	"math"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Row is one chosen row of a unit: what the stage was sure of, and what became of it.
type Row struct {
	// Confidence of the certificate's stage, in [0,1].
	Confidence float64
	// Propensity is the recorded probability with which the row was chosen, in [the unit's least, 1].
	Propensity float64
	// Accepted: the row was at or above the licensed threshold when it was decided, so the alarm watches it; also where a mode,
	// a limit or a stale certificate kept the answer back, because it is the threshold that is watched.
	Accepted bool
	// Foreign: another model version answered under this certificate. Only the alarm counts it.
	Foreign bool
	// Loss is the final verdict's, in [0,1]: 1 is an error.
	Loss float64
	// Missing: the row ended for good without a verdict. It counts as an error in the wealth, and not in the alarm.
	Missing bool
}

// Unit is the evidence of one call: its rows share a fate, so that they make one factor.
type Unit struct {
	// Number is its place in the certificate's order.
	Number uint64
	// Least is the least propensity that any row could get when the call was decided, fixed before a confidence was seen.
	Least float64
	Rows  []Row
}

// Draw gives a call's chosen rows, at least one, the next place in the certificate's order. counts is false while the grid is not
// frozen: the confidences are noted, the verdicts won't be wanted. Rows need a Confidence and a Propensity only. Errors: a
// certificate that has ended; numbers out of range, with which nothing is changed.
func Draw(s *candorv1.CertificateState, least float64, rows []Row, nowUS int64) (number uint64, counts bool, err error) {
	if Ended(s) {
		return 0, false, fmt.Errorf("certificate %s has ended (%s)", ID(s), s.GetEndedReason())
	}
	if err := fits(s, least, rows); err != nil {
		return 0, false, err
	}
	number = s.NextNumber
	s.NextNumber++
	s.Drawn += uint64(len(rows))
	for _, r := range rows {
		s.Passed += 1 / r.Propensity
	}
	if s.Status != candorv1.CertificateStatus_CERTIFICATE_STATUS_BURN_IN {
		if s.OldestOpenUs == 0 {
			s.OldestOpenUs = nowUS
		}
		return number, true, nil
	}
	for _, r := range rows {
		if r.Foreign {
			continue
		}
		s.BurnIn, s.BurnInWeights = append(s.BurnIn, r.Confidence), append(s.BurnInWeights, 1/r.Propensity)
	}
	if len(s.BurnIn) >= int(s.GetKey().GetGrid().GetBurnIn()) {
		freeze(s, quantiles(s.BurnIn, s.BurnInWeights, s.GetKey().GetGrid()), nowUS)
	}
	return number, false, nil
}

func fits(s *candorv1.CertificateState, least float64, rows []Row) error {
	switch {
	case !(least > 0 && least <= 1):
		return fmt.Errorf("certificate %s: the least propensity is %v; it is a probability in (0,1]", ID(s), least)
	case len(rows) == 0 || len(rows) > int(s.GetKey().GetMaxRows()):
		return fmt.Errorf("certificate %s: a unit of %d rows; it has 1 to max_rows, %d", ID(s), len(rows), s.GetKey().GetMaxRows())
	}
	for i, r := range rows {
		switch {
		case !(r.Confidence >= 0 && r.Confidence <= 1):
			return fmt.Errorf("certificate %s: row %d has confidence %v; it is in [0,1]", ID(s), i, r.Confidence)
		case !(r.Propensity >= least && r.Propensity <= 1):
			return fmt.Errorf("certificate %s: row %d has propensity %v; it is in [%v,1]", ID(s), i, r.Propensity, least)
		case !(r.Loss >= 0 && r.Loss <= 1):
			return fmt.Errorf("certificate %s: row %d has loss %v; it is in [0,1]", ID(s), i, r.Loss)
		}
	}
	return nil
}

// quantiles makes the grid of burn-in confidences, each with its weight: steps thresholds, of which the first keeps the share
// start_coverage of the rows and the last all of them. No label is looked at. Equal thresholds become one.
func quantiles(confidences, weights []float64, g *candorv1.ThresholdGrid) []float64 {
	order := make([]int, len(confidences))
	total := 0.0
	for i := range order {
		order[i] = i
		total += weights[i]
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case confidences[a] > confidences[b]:
			return -1
		case confidences[a] < confidences[b]:
			return 1
		}
		return a - b
	})
	steps, start := int(max(g.GetSteps(), 1)), g.GetStartCoverage()
	var levels []float64
	kept, at := 0.0, 0
	for j := range steps {
		want := start
		if steps > 1 {
			want += (1 - start) * float64(j) / float64(steps-1)
		}
		for at < len(order)-1 && kept+weights[order[at]] < want*total*(1-1e-12) {
			kept += weights[order[at]]
			at++
		}
		level := confidences[order[at]]
		if len(levels) == 0 || level < levels[len(levels)-1] {
			levels = append(levels, level)
		}
	}
	return levels
}

// finiteExp is e^v, at most the largest finite number: JSON has no infinity.
func finiteExp(v float64) float64 { return math.Min(math.Exp(v), math.MaxFloat64) }

// logMeanExp is ln of the mean of e^v, without overflow.
func logMeanExp(logs []float64) float64 {
	largest := slices.Max(logs)
	if math.IsInf(largest, -1) {
		return largest
	}
	sum := 0.0
	for _, v := range logs {
		sum += math.Exp(v - largest)
	}
	return largest + math.Log(sum/float64(len(logs)))
}
