package certificate

import (
	"fmt"
	"math"
	"strconv"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const (
	usPerDay = 24 * 60 * 60 * 1e6
	// leastUnits of evidence must be in before their growth says anything about when the bound is reached.
	leastUnits = 20
)

// Plain says in sentences what is promised, on what evidence, and what it costs, as of nowUS; staleAfterUS as in [Stale].
// reviewerError is the measured share of verdicts that are wrong, in [0, 0.5); nil: it isn't measured.
func Plain(s *candorv1.CertificateState, nowUS, staleAfterUS int64, reviewerError *float64) []string {
	lines := []string{promised(s, nowUS, staleAfterUS), earned(s)}
	if line := lacking(s, nowUS); line != "" {
		lines = append(lines, line)
	}
	return append(lines, cost(s, nowUS), detection(s, nowUS), judged(s.GetKey().GetAlpha(), reviewerError))
}

// promised is the sentence of what holds now.
func promised(s *candorv1.CertificateState, nowUS, staleAfterUS int64) string {
	alpha, delta := percent(s.GetKey().GetAlpha()), percent(s.GetDelta())
	tau, ok := Threshold(s)
	switch {
	case Ended(s):
		return fmt.Sprintf("Nothing is promised any more: %s.", s.GetEndedReason())
	case !ok:
		return fmt.Sprintf("Nothing is promised yet, and nothing is accepted. Once certified: with probability at least 1 - %s, at no "+
			"time is a row accepted under a threshold at which more than %s of the answers are wrong.", delta, alpha)
	}
	line := fmt.Sprintf("Rows with a confidence of %s or more may be accepted. With probability at least 1 - %s, at no time is a row "+
		"accepted under a threshold at which more than %s of the answers are wrong, while rows resemble those that earned this.",
		short(tau), delta, alpha)
	if Stale(s, nowUS, staleAfterUS) {
		line += " The evidence is stale: verdicts on audits are overdue or missing, so that a change would not be noticed."
	}
	return line
}

// earned is the sentence of the evidence at the threshold, or at the strictest level while there is none.
func earned(s *candorv1.CertificateState) string {
	if len(s.GetGrid()) == 0 {
		return fmt.Sprintf("Evidence: %d of %d confidences that the levels are made of; no verdict counts before.",
			len(s.GetBurnIn()), s.GetKey().GetGrid().GetBurnIn())
	}
	j := int(max(s.GetCertified(), 1)) - 1
	return fmt.Sprintf("Evidence at %s: %d judged rows, %d of them wrong, and %d without a verdict, which count as wrong; "+
		"wealth %s of the %s that certify.", short(s.GetGrid()[j]), s.GetLabels()[j], s.GetErrors()[j], s.GetMissing()[j],
		short(Wealth(s, j)), short(math.Ceil(1/s.GetDelta())))
}

// lacking says how far the next level is from its bound; empty: there is none, or the certificate has ended.
func lacking(s *candorv1.CertificateState, nowUS int64) string {
	next := int(s.GetCertified())
	if Ended(s) || len(s.GetGrid()) == 0 || next >= len(s.GetGrid()) {
		return ""
	}
	what := fmt.Sprintf("Next: %s, at wealth %s.", short(s.GetGrid()[next]), short(Wealth(s, next)))
	if days, ok := DaysToCertify(s, nowUS); ok {
		return fmt.Sprintf("%s At the growth so far it is certified in about %s.", what, inDays(days))
	}
	return what + " When it is certified isn't known yet: too few verdicts, or its wealth doesn't grow."
}

// DaysToCertify is about how long it takes until the next level is certified, if its wealth grows on as it did since the grid
// was frozen; ok is false while that can't be told: too little evidence, no growth, or nothing left to certify.
func DaysToCertify(s *candorv1.CertificateState, nowUS int64) (days float64, ok bool) {
	next, n := int(s.GetCertified()), len(bets)
	elapsed := float64(nowUS-s.GetFrozenUs()) / usPerDay
	if Ended(s) || next >= len(s.GetGrid()) || s.GetUnitsConsumed() < leastUnits || !(elapsed > 0) {
		return 0, false
	}
	if s.GetReached()&(1<<next) != 0 {
		return 0, true
	}
	days = math.Inf(1)
	for _, log := range s.GetLogWealth()[next*n : (next+1)*n] {
		if log > 0 {
			// One bet alone carries the mean of all to 1/δ when it has got there times their number.
			lack := math.Log(float64(n)/s.GetDelta()) - log
			days = math.Min(days, math.Max(lack, 0)*elapsed/log)
		}
	}
	return days, !math.IsInf(days, 1)
}

// cost is the sentence of what people do for it.
func cost(s *candorv1.CertificateState, nowUS int64) string {
	if s.GetDrawn() == 0 {
		return "Cost: no row was drawn for review yet."
	}
	what := fmt.Sprintf("Cost: %d rows drawn for review of about %s that passed (%s)", s.GetDrawn(), short(math.Round(s.GetPassed())),
		percent(float64(s.GetDrawn())/s.GetPassed()))
	if days := since(s.GetOpenedUs(), s, nowUS); days > 0 {
		what += ", " + pace(float64(s.GetDrawn()), days)
	}
	return what + "."
}

// detection is the sentence of how a change is found.
func detection(s *candorv1.CertificateState, nowUS int64) string {
	key := s.GetKey()
	doubled := math.Min(2*key.GetAlpha(), 1)
	// Rows of one call count as one, whatever they say, so that it takes as many times the rows.
	need := AuditsToDetect(key, doubled) * float64(key.GetMaxRows())
	what := fmt.Sprintf("If the error rate of accepted rows doubled to %s, it would take about %s judged accepts until the certificate "+
		"is revoked", percent(doubled), short(math.Ceil(need)))
	if math.IsInf(need, 1) {
		what = fmt.Sprintf("An error rate of accepted rows of %s would not be noticed", percent(doubled))
	}
	days := since(s.GetCertifiedUs(), s, nowUS)
	switch {
	case math.IsInf(need, 1):
	case s.GetAudits() > 0 && s.GetCertifiedUs() > 0 && days > 0:
		what += fmt.Sprintf(": %s at the %s so far", inDays(need*days/float64(s.GetAudits())), pace(float64(s.GetAudits()), days))
	default:
		what += "; how many days that is isn't known yet"
	}
	return fmt.Sprintf("%s. Judged accepts so far: %d, wrong: %d. False alarms come at most once in %s judged calls, on average.", what,
		s.GetAudits(), s.GetAuditErrors(), short(key.GetAlarmRunLength()))
}

// judged is the sentence of whose errors are counted.
func judged(alpha float64, reviewerError *float64) string {
	const what = "Wrong is what reviewers judge to be wrong: where they err in a share e of the cases, a risk r is measured as r(1-e) + (1-r)e."
	if reviewerError == nil {
		return what + " Their e isn't measured."
	}
	e := *reviewerError
	if !(e >= 0 && e < 0.5) {
		return what + " Their measured e doesn't say anything about the risk."
	}
	return fmt.Sprintf("%s Measured e: %s; at the bound of %s the risk itself is %s.", what, percent(e), percent(alpha), percent(TrueRisk(alpha, e)))
}

// MeasuredRisk is what a risk is seen as by reviewers who err with probability e, all in [0,1]: r(1-e) + (1-r)e.
func MeasuredRisk(r, e float64) float64 { return r*(1-e) + (1-r)*e }

// TrueRisk undoes [MeasuredRisk] for e below 0.5; within [0,1].
func TrueRisk(measured, e float64) float64 { return min(max((measured-e)/(1-2*e), 0), 1) }

// since is how many days went by from a moment to now, or to the certificate's end.
func since(fromUS int64, s *candorv1.CertificateState, nowUS int64) float64 {
	if Ended(s) {
		nowUS = s.GetEndedUs()
	}
	return float64(nowUS-fromUS) / usPerDay
}

const (
	hoursInDay   = 24
	minutesInDay = 24 * 60
	secondsInDay = 24 * 60 * 60
)

// inDays is a span in the unit that people would say it in.
func inDays(days float64) string {
	switch {
	case days >= 2:
		return short(days) + " days"
	case days*hoursInDay >= 2:
		return short(days*hoursInDay) + " hours"
	case days*minutesInDay >= 2:
		return short(days*minutesInDay) + " minutes"
	}
	return short(days*secondsInDay) + " seconds"
}

// pace is how many there were in a day; of less than two hours, in a minute: a day of them is a guess.
func pace(count, days float64) string {
	if days*hoursInDay < 2 {
		return short(count/(days*minutesInDay)) + " a minute"
	}
	return short(count/days) + " a day"
}

func percent(p float64) string { return short(100*p) + " %" }

// short writes three significant digits, or all of those before the point up to a billion.
func short(v float64) string {
	if a := math.Abs(v); a < 1e9 && (v == math.Trunc(v) || a >= 100) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
