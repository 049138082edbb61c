package limits

import "slices"

// inDenominator says whether answers with the action, which aren't numerators, count in a ratio's denominator.
func (d *Definition) inDenominator(action string) bool {
	return d.Ratio.Denominator == nil || slices.Contains(d.Ratio.Denominator, action)
}

// simulated takes what isn't a numerator out of a ratio's answers, and counts it; ok is false for that. at is in nanoseconds.
func (s *Simulation) simulated(l *limit, a Offer, at int64) (ok bool) {
	if l.def.Ratio == nil || l.def.bounds(a.Action) {
		return true
	}
	s.Offered--
	if l.def.inDenominator(a.Action) {
		s.Others++
		if l.key() != otherKey {
			l.others.add(at, 1, l.tallyWidth())
		}
	}
	return false
}

// shareOfKey is what peakShare knows of a key.
type shareOfKey struct {
	limit      *limit
	numerators []int64
}

// peakShare finds the largest share that numerators would have come to, each at its release, if none had been withheld.
func (s *Simulation) peakShare(d Definition, answers []Offer) {
	byKey := map[string]*shareOfKey{}
	s.PeakPPM = (whole + d.Ratio.MinCount - 1) / d.Ratio.MinCount
	for _, a := range answers {
		if d.Key == "" {
			a.Key = ""
		}
		of := byKey[a.Key]
		if of == nil {
			of = &shareOfKey{limit: newLimit(d, false)}
			byKey[a.Key] = of
		}
		t := a.At.UnixNano()
		edge := t - int64(d.Window)
		if !d.bounds(a.Action) {
			if d.inDenominator(a.Action) {
				of.limit.others.add(t, 1, of.limit.tallyWidth())
			}
			continue
		}
		of.numerators = append(of.numerators, t)
		for of.numerators[0] <= edge {
			of.numerators = of.numerators[1:]
		}
		of.limit.others.expire(edge)
		n := int64(len(of.numerators))
		den := max(of.limit.denominator(t, n), d.Ratio.MinCount)
		if ppm := min((n*whole+den-1)/den, whole); ppm > s.PeakPPM || s.Peak == 0 {
			s.PeakPPM, s.Peak, s.PeakEnd, s.PeakKey = max(ppm, s.PeakPPM), n, a.At.UTC(), a.Key
		}
	}
}
