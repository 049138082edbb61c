package certificate

import (
	"math"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// alarmRates are the error rates that the alarm is tuned to find, as many as it has bets: twice α, four times and ten times,
// where that is an error rate. One bet alone would be quick for one size of change only; the mean of e-detectors is one, too.
func alarmRates(alpha float64) []float64 {
	rates := make([]float64, 0, 3)
	for _, times := range [...]float64{2, 4, 10} {
		rates = append(rates, math.Min(alpha*times, (alpha+1)/2))
	}
	return rates
}

// stake is the share that a correct answer costs a bet against rate: Kelly's, (rate-α)/(1-α). At most a half by alarmRates, and
// held to that where α is so near to 1 that their difference is lost: a stake of 1 would be ruined for good.
func stake(alpha, rate float64) float64 { return math.Min((rate-alpha)/(1-alpha), 0.5) }

// watch feeds the judged accepts of a unit to the alarm and says whether it fires.
//
// Each R ← (R+1)·(1 + b·Σ (1/q)(loss-α)/max_rows) with b = stake·least/α, which is below least/α (Shiryaev-Roberts). While the risk
// of accepted rows is at most α the factor's expectation is at most 1, so R less the number of units never grows on average, nor
// does the mean of the R: the average number of units to a false alarm is at least the run length at which it fires. Restarting by
// max(S,1) instead has the same bound and is further from it: it fires later.
func watch(s *candorv1.CertificateState, u Unit) bool {
	alpha := s.GetKey().GetAlpha()
	xi, watched := 0.0, false
	for _, r := range u.Rows {
		if !r.Accepted {
			continue
		}
		s.RecentMissing <<= 1
		s.Recent = min(s.Recent+1, recentAudits)
		if r.Missing {
			s.RecentMissing |= 1
			continue
		}
		watched = true
		xi += (r.Loss - alpha) / r.Propensity
		s.Audits++
		if r.Loss > 0 {
			s.AuditErrors++
		}
	}
	if !watched {
		return false
	}
	for k, rate := range alarmRates(alpha) {
		b := stake(alpha, rate) / alpha * u.Least / float64(s.GetKey().GetMaxRows())
		// ln(1+R), which is finite from the start.
		s.LogAlarm[k] = softplus(s.LogAlarm[k] + math.Log1p(b*xi))
	}
	return Alarm(s) >= s.GetKey().GetAlarmRunLength()
}

// Alarm is the alarm's statistic; it fires at the key's run length. At most the largest finite number.
func Alarm(s *candorv1.CertificateState) float64 {
	sum := 0.0
	for _, u := range s.GetLogAlarm() {
		sum += math.Expm1(u) / float64(len(s.GetLogAlarm()))
	}
	return math.Min(sum, math.MaxFloat64)
}

// softplus is ln(1+e^v), without overflow.
func softplus(v float64) float64 { return math.Max(v, 0) + math.Log1p(math.Exp(-math.Abs(v))) }

// AuditsToDetect is about how many judged accepts it takes the alarm to find an error rate: until the best bet's R, which starts
// at 0 and grows by its mean gain g, R ← (R+1)·e^g, is the run length times the number of bets. Chance is mostly sooner. +Inf for a
// rate that no bet gains from, such as α and those below. A judged accept is a unit of max_rows rows, each with the least propensity; smaller units take more of them.
func AuditsToDetect(key *candorv1.CertificateKey, rate float64) float64 {
	alpha := key.GetAlpha()
	rate = math.Min(rate, 1)
	best := 0.0
	rates := alarmRates(alpha)
	for _, r := range rates {
		f := stake(alpha, r)
		best = math.Max(best, rate*math.Log1p(f*(1-alpha)/alpha)+(1-rate)*math.Log1p(-f))
	}
	if !(best > 0) {
		return math.Inf(1)
	}
	// R after n is (e^(gn)-1)/(1-e^-g).
	return math.Log1p(key.GetAlarmRunLength()*float64(len(rates))*-math.Expm1(-best)) / best
}
