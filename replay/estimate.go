package replay

import (
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

const (
	// level of every interval.
	level = 0.95
	// minJudged is how many judged rows, of as many calls, an error rate is estimated from at least: with fewer, an interval says
	// little more than that nothing is known.
	minJudged = 30
)

// Share is a part of rows, with a Wilson score interval (Wilson 1927) at 95 %: what it says of rows to come, if they resemble these.
type Share struct {
	Rows  uint64  `json:"rows"`
	Of    uint64  `json:"of"`
	Share float64 `json:"share"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

func shareOf(k, n uint64) Share {
	s := Share{Rows: k, Of: n, High: 1}
	if n == 0 {
		return s
	}
	z := distuv.UnitNormal.Quantile((1 + level) / 2)
	all, p := float64(n), float64(k)/float64(n)
	center := p + z*z/(2*all)
	half := z * math.Sqrt(p*(1-p)/all+z*z/(4*all*all))
	s.Share, s.Low, s.High = p, max(0, (center-half)/(1+z*z/all)), min(1, (center+half)/(1+z*z/all))
	if k == 0 {
		s.Low = 0
	}
	if k == n {
		s.High = 1
	}
	return s
}

// Rate is an error rate that is estimated from rows drawn with known probabilities: Σ err/q ÷ Σ 1/q over the judged rows (Hájek
// 1971), q being the probability, recorded before anybody looked, with which a row was chosen to be judged.
//
// The interval, at 95 %, is that of Clopper and Pearson at the effective number of rows (Korn & Graubard, Survey Methodology 24,
// 1998): p(1-p) divided by the linearised variance with the call as cluster, and at most Kish's (Σ w)²/Σ w² of calls. It says what the
// rate is of rows like these, not only of those that were recorded.
type Rate struct {
	Status Status `json:"status"`
	// Judged rows, of Calls calls, and how many of them were wrong.
	Judged uint64 `json:"judged"`
	Calls  uint64 `json:"calls"`
	Wrong  uint64 `json:"wrong"`
	// Effective number of rows, which weights and clusters leave.
	Effective float64 `json:"effective"`
	// Rate, Low and High are there when the status is ESTIMATED.
	Rate float64 `json:"rate"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// Needed judged rows and calls, where there are too few.
	Needed uint64 `json:"needed,omitempty"`
}

// Status of an estimate.
type Status string

const (
	Estimated        Status = "ESTIMATED"
	InsufficientData Status = "INSUFFICIENT_DATA"
	// NotMeasured: the policy doesn't say when a value is wrong (promise.tolerance).
	NotMeasured Status = "NOT_MEASURED"
)

// weighted sums up judged rows. Rows of a call are added together.
type weighted struct {
	judged, calls, wrong uint64
	// sums over rows of weights, and of weights of wrong rows.
	weights, errors float64
	// sums over calls of the products of these two sums within a call.
	ee, ew, ww float64
	// of the call that is being added.
	call   [16]byte
	callE  float64
	callW  float64
	inCall bool
}

// add a judged row of a call, which was chosen with probability q in (0,1].
func (s *weighted) add(call [16]byte, q float64, wrong bool) {
	if s.inCall && call != s.call {
		s.flush()
	}
	if !s.inCall {
		s.calls++
	}
	s.call, s.inCall = call, true
	s.judged++
	w := 1 / q
	s.weights += w
	s.callW += w
	if wrong {
		s.wrong++
		s.errors += w
		s.callE += w
	}
}

func (s *weighted) flush() {
	s.ee += s.callE * s.callE
	s.ew += s.callE * s.callW
	s.ww += s.callW * s.callW
	s.callE, s.callW, s.inCall = 0, 0, false
}

func (s *weighted) rate() Rate {
	if s.inCall {
		s.flush()
	}
	r := Rate{Status: InsufficientData, Judged: s.judged, Calls: s.calls, Wrong: s.wrong, High: 1}
	if s.judged == 0 {
		r.Needed = minJudged
		return r
	}
	p := s.errors / s.weights
	r.Effective = s.weights * s.weights / s.ww
	calls := float64(s.calls)
	variance := (s.ee - 2*p*s.ew + p*p*s.ww) / (s.weights * s.weights)
	if s.calls > 1 {
		variance *= calls / (calls - 1)
	}
	// Without an error, or without a right answer, the variance says nothing.
	if spread := p * (1 - p); spread > 0 && variance > 0 {
		r.Effective = min(r.Effective, spread/variance)
	}
	if s.calls < minJudged {
		r.Needed = minJudged
		return r
	}
	r.Status, r.Rate = Estimated, p
	k, n := p*r.Effective, r.Effective
	tail := (1 - level) / 2
	r.Low, r.High = 0, 1
	if k > 0 {
		r.Low = mathext.InvRegIncBeta(k, n-k+1, tail)
	}
	if k < n {
		r.High = mathext.InvRegIncBeta(k+1, n-k, 1-tail)
	}
	return r
}
