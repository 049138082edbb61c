package certificate

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// bets are the shares of the wealth that are staked, as parts of the most that can't ruin it; the wealth is the mean over them
// (a mixture), so that nobody has to know the error rate beforehand.
var bets = [5]float64{.05, .1, .2, .4, .8}

// Change is what a unit of evidence did.
type Change struct {
	// Certified: a lower threshold is licensed than before, or one for the first time.
	Certified bool
	// Fired: the alarm revoked the certificate. Open the Next.
	Fired bool
}

// Consume takes in the unit that is next in the order; all of its verdicts are final. Errors, with which nothing is changed: a
// unit out of order, a certificate that has ended or whose grid is not frozen, numbers out of range.
//
// The factor of a threshold λ with bet m is 1 + m·least/(1-α)·Σ (1/q)·1{confidence ≥ λ}·(α-loss)/max_rows. Its expectation, given
// all that came before, is at most 1 where the selective risk of λ is above α: the coin makes rows that are seldom looked at
// count 1/q times. It is scaled by the *least* propensity of any row, because one that depends on the row's own would bet more
// exactly where the rows look alike. A unit without rows above λ has factor 1.
func Consume(s *candorv1.CertificateState, u Unit, nowUS int64) (Change, error) {
	switch {
	case Ended(s):
		return Change{}, fmt.Errorf("certificate %s has ended (%s)", ID(s), s.GetEndedReason())
	case s.GetStatus() == candorv1.CertificateStatus_CERTIFICATE_STATUS_BURN_IN:
		return Change{}, fmt.Errorf("certificate %s: the grid is not frozen yet, no verdict counts", ID(s))
	case u.Number != s.GetNextConsumed() || u.Number >= s.GetNextNumber():
		return Change{}, fmt.Errorf("certificate %s: unit %d is not the next one, %d: verdicts count strictly in the order in which "+
			"rows were drawn, because wrong answers may take longer to judge", ID(s), u.Number, s.GetNextConsumed())
	}
	if err := fits(s, u.Least, u.Rows); err != nil {
		return Change{}, err
	}
	s.NextConsumed++
	s.UnitsConsumed++
	s.ConsumedUs, s.OldestOpenUs = nowUS, 0
	count(s, u)
	grow(s, u)
	var c Change
	if c.Fired = watch(s, u); c.Fired {
		End(s, candorv1.CertificateStatus_CERTIFICATE_STATUS_REVOKED, "alarm",
			fmt.Sprintf("judged accepts were wrong more often than %v: the alarm reached %v", s.GetKey().GetAlpha(), s.GetKey().GetAlarmRunLength()), nowUS)
		return c, nil
	}
	c.Certified = certify(s, nowUS)
	return c, nil
}

// count keeps the plain numbers that people look at.
func count(s *candorv1.CertificateState, u Unit) {
	for _, r := range u.Rows {
		for j, level := range s.GetGrid() {
			switch {
			case r.Foreign || !(r.Confidence >= level):
			case r.Missing:
				s.Missing[j]++
			default:
				s.Labels[j]++
				if r.Loss > 0 {
					s.Errors[j]++
				}
			}
		}
	}
}

// grow multiplies the wealth of every level and bet by the unit's factor.
func grow(s *candorv1.CertificateState, u Unit) {
	alpha := s.GetKey().GetAlpha()
	scale := u.Least / (1 - alpha) / float64(s.GetKey().GetMaxRows())
	// Neighbouring levels mostly have the same rows above them, so that one logarithm serves many levels.
	var steps [len(bets)]float64
	last := 0.0
	for j, level := range s.GetGrid() {
		xi := 0.0
		for _, r := range u.Rows {
			if !r.Foreign && r.Confidence >= level {
				xi += (alpha - lossOf(r)) / r.Propensity
			}
		}
		if xi == 0 {
			continue
		}
		if xi != last {
			for b, bet := range bets {
				// The factor is at least 1 - bet, since every propensity is at least the least.
				steps[b] = math.Log1p(bet * scale * xi)
			}
			last = xi
		}
		for b, step := range steps {
			s.LogWealth[j*len(bets)+b] += step
		}
	}
}

// lossOf is what a row counts in the wealth: one that nobody judged may have been wrong.
func lossOf(r Row) float64 {
	if r.Missing {
		return 1
	}
	return r.Loss
}

// certify notes which levels have reached 1/δ, for ever (Ville's inequality), and how far the certified ones reach from the top.
// A level that gets there before the one above it waits: to license any unsafe level, the topmost unsafe one must get there,
// which happens with probability at most δ, however many levels there are.
func certify(s *candorv1.CertificateState, nowUS int64) bool {
	n, bound := len(bets), -math.Log(s.GetDelta())
	for j := range s.GetGrid() {
		logs := s.GetLogWealth()[j*n : (j+1)*n]
		// The mean is never above the largest.
		if s.Reached&(1<<j) == 0 && slices.Max(logs) >= bound && logMeanExp(logs) >= bound {
			s.Reached |= 1 << j
		}
	}
	prefix := uint32(min(bits.TrailingZeros64(^s.GetReached()), len(s.GetGrid())))
	if prefix <= s.GetCertified() {
		return false
	}
	s.Certified = prefix
	s.Status = candorv1.CertificateStatus_CERTIFICATE_STATUS_CERTIFIED
	if s.CertifiedUs == 0 {
		s.CertifiedUs = nowUS
	}
	return true
}

func onesIn(v uint64) int { return bits.OnesCount64(v) }
