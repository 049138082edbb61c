package certificate

import (
	"fmt"
	"math"
	"math/bits"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Check says what is inconsistent about a state that comes from outside of this package, such as a decoded row of a store; nil:
// every function here may be called with it. A state that this package made always passes.
func Check(s *candorv1.CertificateState) error {
	if err := check(s.GetKey()); err != nil {
		return err
	}
	fail := func(field, format string, args ...any) error {
		return fmt.Errorf("certificate %s: %s %s; the stored state is damaged: restore it, or revoke the certificate", ID(s), field,
			fmt.Sprintf(format, args...))
	}
	switch want := VersionDelta(s.GetKey().GetDelta(), s.GetVersion()); {
	case s.GetVersion() < 1:
		return fail("version", "is 0 and counts from 1")
	// Stored as computed: another value is another promise. Rounding is allowed, since processors may fuse operations.
	case !(math.Abs(s.GetDelta()-want) <= 1e-9*want):
		return fail("delta", "is %v and should be %v", s.GetDelta(), want)
	case s.GetUpstreamThreshold() < 0 || s.GetUpstreamThreshold() > 1 || math.IsNaN(s.GetUpstreamThreshold()):
		return fail("upstream_threshold", "is %v and no confidence", s.GetUpstreamThreshold())
	case len(s.GetLogAlarm()) != len(alarmRates(s.GetKey().GetAlpha())):
		return fail("log_alarm", "has %d bets and should have %d", len(s.GetLogAlarm()), len(alarmRates(s.GetKey().GetAlpha())))
	case !allFinite(s.GetLogAlarm()):
		return fail("log_alarm", "has a number that isn't finite")
	case s.GetAuditErrors() > s.GetAudits():
		return fail("audit_errors", "is %d of %d audits", s.GetAuditErrors(), s.GetAudits())
	case s.GetRecent() > recentAudits || s.GetRecentMissing()>>s.GetRecent() != 0:
		return fail("recent_missing", "%x doesn't fit %d recent audits", s.GetRecentMissing(), s.GetRecent())
	case !(s.GetPassed() >= float64(s.GetDrawn())*(1-1e-9)) || math.IsInf(s.GetPassed(), 1):
		return fail("passed", "is %v for %d drawn rows", s.GetPassed(), s.GetDrawn())
	case s.GetFirstNumber() < 1 || s.GetNextConsumed() < s.GetFirstNumber() || s.GetNextNumber() < s.GetNextConsumed():
		return fail("next_number", "%d, next_consumed %d and first_number %d are out of order", s.GetNextNumber(), s.GetNextConsumed(),
			s.GetFirstNumber())
	case s.GetUnitsConsumed() != s.GetNextConsumed()-s.GetFirstNumber():
		return fail("units_consumed", "is %d; from %d to %d there are others", s.GetUnitsConsumed(), s.GetFirstNumber(), s.GetNextConsumed())
	}
	if len(s.GetGrid()) == 0 {
		return checkBurning(s, fail)
	}
	return checkFrozen(s, fail)
}

// checkBurning looks at a state whose grid isn't frozen; it may have been ended.
func checkBurning(s *candorv1.CertificateState, fail func(string, string, ...any) error) error {
	switch {
	case s.GetStatus() != candorv1.CertificateStatus_CERTIFICATE_STATUS_BURN_IN && !Ended(s):
		return fail("status", "is %v without a grid", s.GetStatus())
	case len(s.GetKey().GetGrid().GetLevels()) > 0:
		return fail("grid", "is empty; the key has its levels")
	case len(s.GetBurnInWeights()) != len(s.GetBurnIn()):
		return fail("burn_in_weights", "has %d numbers for %d confidences", len(s.GetBurnInWeights()), len(s.GetBurnIn()))
	case len(s.GetBurnIn()) >= int(s.GetKey().GetGrid().GetBurnIn()):
		return fail("burn_in", "has %d confidences, and the grid isn't frozen", len(s.GetBurnIn()))
	case s.GetCertified() != 0 || s.GetReached() != 0 || s.GetUnitsConsumed() != 0 ||
		len(s.GetLogWealth())+len(s.GetLabels())+len(s.GetErrors())+len(s.GetMissing()) != 0:
		return fail("log_wealth", "or what comes of it is there without a grid")
	}
	for i, c := range s.GetBurnIn() {
		if w := s.GetBurnInWeights()[i]; !(c >= 0 && c <= 1) || !(w >= 1) || math.IsInf(w, 1) {
			return fail("burn_in", "has confidence %v of weight %v", c, w)
		}
	}
	return nil
}

// checkFrozen looks at a state with a grid.
func checkFrozen(s *candorv1.CertificateState, fail func(string, string, ...any) error) error {
	n := len(s.GetGrid())
	certified := s.GetCertified() > 0
	switch {
	case n > maxLevels:
		return fail("grid", "has %d levels, more than %d", n, maxLevels)
	case len(s.GetBurnIn())+len(s.GetBurnInWeights()) > 0:
		return fail("burn_in", "is there after the grid was frozen")
	case !Ended(s) && s.GetStatus() != candorv1.CertificateStatus_CERTIFICATE_STATUS_EARNING &&
		s.GetStatus() != candorv1.CertificateStatus_CERTIFICATE_STATUS_CERTIFIED,
		!Ended(s) && certified != (s.GetStatus() == candorv1.CertificateStatus_CERTIFICATE_STATUS_CERTIFIED):
		return fail("status", "is %v with %d certified levels", s.GetStatus(), s.GetCertified())
	case len(s.GetLogWealth()) != n*len(bets):
		return fail("log_wealth", "has %d numbers for %d levels of %d bets", len(s.GetLogWealth()), n, len(bets))
	case !allFinite(s.GetLogWealth()):
		return fail("log_wealth", "has a number that isn't finite")
	case len(s.GetLabels()) != n || len(s.GetErrors()) != n || len(s.GetMissing()) != n:
		return fail("labels", "has %d numbers, errors %d, missing %d for %d levels", len(s.GetLabels()), len(s.GetErrors()), len(s.GetMissing()), n)
	case n < maxLevels && s.GetReached()>>n != 0:
		return fail("reached", "%x names levels beyond %d", s.GetReached(), n)
	case s.GetCertified() != uint32(min(bits.TrailingZeros64(^s.GetReached()), n)):
		return fail("certified", "is %d; the levels reached are %b", s.GetCertified(), s.GetReached())
	}
	for j, level := range s.GetGrid() {
		switch {
		case !(level >= 0 && level <= 1) || j > 0 && level >= s.GetGrid()[j-1]:
			return fail("grid", "has %v as level %d; levels are confidences that fall", level, j)
		case s.GetErrors()[j] > s.GetLabels()[j]:
			return fail("errors", "are %d of %d labels at level %d", s.GetErrors()[j], s.GetLabels()[j], j)
		}
	}
	return nil
}

func allFinite(values []float64) bool {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}
