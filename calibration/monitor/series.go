package monitor

import (
	"math"
	"sync"
)

// block is what is kept of a number of rows.
type block struct {
	confidence sketch
	labels     []uint32
	right      expected
}

func (b *block) clear() {
	b.confidence, b.right = sketch{}, expected{}
	clear(b.labels)
}

// series is the state of one segment of a stream. Its results are those of the last full windows.
type series struct {
	mu                sync.Mutex
	reference, window block
	// ends of the reference's bins, once it is full.
	ends []int
	// absent rows had no usable confidence; they are in neither block.
	absent          uint64
	answers, others uint64
	verdicts        bias
	// refused verdicts came without a usable probability.
	refused uint64

	compared *comparison
	judged   *judgement
	share    *float64
}

// comparison is what one full window said beside the reference.
type comparison struct {
	// bins of the window's confidences, for people to look at.
	bins                  []uint64
	psi, psiP             float64
	ks, ksP               float64
	medianBefore, median  float64
	chi2, chi2P           float64
	df, label             int
	shareBefore, shareNow float64
	right, rightBefore    expected
	fellP                 float64
}

type judgement struct {
	value, p, claimed, real float64
}

// row counts one row; it reports whether that completed a window.
func (s *series) row(st *Stream, r Row) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	full := false
	if r.From != NoAnswer {
		full = s.answer(st, r.From)
	}
	if !st.usable(r) {
		s.absent++
		return full
	}
	b := &s.window
	if s.ends == nil {
		b = &s.reference
	}
	b.confidence.add(r.Confidence)
	if len(b.labels) > 0 {
		b.labels[r.Label]++
		b.right.add(r.Right)
	}
	if b.confidence.n < st.opts.MinRows {
		return full
	}
	if s.ends == nil {
		s.ends = deciles(&s.reference.confidence)
		return full
	}
	s.compare()
	s.window.clear()
	return true
}

func (s *series) answer(st *Stream, from Source) bool {
	s.answers++
	if from == Other {
		s.others++
	}
	if s.answers < st.opts.MinRows {
		return false
	}
	share := float64(s.others) / float64(s.answers)
	s.share, s.answers, s.others = &share, 0, 0
	return true
}

// compare a full window with the reference.
func (s *series) compare() {
	before, now := &s.reference, &s.window
	c := &comparison{
		bins: now.confidence.even(), right: now.right, rightBefore: before.right,
		medianBefore: before.confidence.quantile(0.5), median: now.confidence.quantile(0.5),
	}
	c.psi, c.psiP = psi(binned(&before.confidence, s.ends), binned(&now.confidence, s.ends))
	c.ks, c.ksP = ks(&before.confidence, &now.confidence)
	if len(now.labels) > 0 {
		c.chi2, c.df, c.chi2P = labelShift(before.labels, now.labels)
		c.label, c.shareBefore, c.shareNow = mostMoved(before.labels, now.labels)
		c.fellP = fell(&before.right, &now.right)
	}
	s.compared = c
}

// verdict counts one verdict; it reports whether that completed a window.
func (s *series) verdict(st *Stream, v Verdict) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Written so that NaN is refused too.
	if !inUnit(v.Right) || !(v.Probability > 0 && v.Probability <= 1) || math.IsInf(1/v.Probability, 0) {
		s.refused++
		return false
	}
	s.verdicts.add(v.Right, v.Correct, v.Probability)
	if s.verdicts.n < st.opts.MinRows {
		return false
	}
	b := &s.verdicts
	s.judged = &judgement{value: b.value(), p: b.p(), claimed: b.claimed / b.weight, real: b.real / b.weight}
	s.verdicts = bias{}
	return true
}

// inUnit says that a number is in [0,1]; NaN isn't.
func inUnit(x float64) bool { return x >= 0 && x <= 1 }
