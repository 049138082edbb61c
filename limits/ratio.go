package limits

import (
	"fmt"
	"slices"
	"time"
)

// mostMinCount bounds Ratio.MinCount.
const mostMinCount = 1_000_000_000

// minCount refuses a MinCount of which the share is less than one answer: the first would trip the limit.
func (r *Ratio) minCount(limit string) error {
	if least := (whole + r.SharePPM - 1) / r.SharePPM; r.MinCount < least || r.MinCount > mostMinCount {
		return fmt.Errorf("limits: %s: min_count is %d: choose %d to %d: of fewer a share of %d millionths is no answer, and the first would trip the limit",
			limit, r.MinCount, least, mostMinCount, r.SharePPM)
	}
	return nil
}

// bounds says whether the limit withholds such an answer. One that it doesn't bound may still be in its denominator.
func (d *Definition) bounds(action string) bool { return d.Action == action }

// own says whether the numerator's answers are in the denominator.
func (d *Definition) own() bool {
	return d.Ratio.Denominator == nil || slices.Contains(d.Ratio.Denominator, d.Action)
}

// share of a ratio that holds at t: in probation a part of it. l.mu is held.
func (l *limit) share(t int64) *Share {
	if l.def.Ratio == nil {
		return nil
	}
	s := &Share{PPM: l.def.Ratio.SharePPM, Min: l.def.Ratio.MinCount, Own: l.def.own()}
	if p := &l.latch.lastReset.Probation; p.holds(t) {
		s.PPM = max(1, shareOf(s.PPM, int64(p.SharePPM)))
	}
	return s
}

// ratioBound answers how many numerators may be in the window that ends at t; where the store is shared, by its last answer. l.mu is held.
func (l *limit) ratioBound(t int64) int64 {
	switch {
	case !l.shared:
		return min(l.share(t).bound(l.others.after(t-int64(l.def.Window))), largestSum)
	case l.leases.bound == 0:
		return l.share(t).bound(0) // the store hasn't been asked yet
	}
	return l.leases.bound
}

// countedIn answers the limit whose denominator the answer is in; nil: none. Of a limit with a key that is the key's. Keys that share one limit
// have no denominator: one's would allow numerators of another. So for all of them together holds the share of MinCount, which no
// key's own ratio is less than.
func (g *Gate) countedIn(l *limit, a *Answer, now time.Time, again bool) *limit {
	if l.keys == nil {
		return l
	}
	value, err := g.valueOf(l, a, now, again)
	if err != nil || value.key() == otherKey {
		return nil
	}
	return value
}

// tallyUp counts an answer of the denominator that is no numerator. l.mu is held.
func (l *limit) tallyUp(m moment) {
	window, width := l.def.Window, l.tallyWidth()
	if l.shared {
		l.outbox.addLately(m.process, 1, width, window)
		return
	}
	gone := m.t - int64(window)
	l.others.expire(gone)
	l.outbox.forget(time.Unix(0, gone))
	l.outbox.add(time.Unix(0, l.others.add(m.t, 1, width)).UTC(), 1)
}

// uncount takes back what tallyUp counted at t. What the store may have been told already is told again, as less. l.mu is held.
func (l *limit) uncount(t int64, process time.Time) {
	if l.shared {
		l.outbox.addLately(process, -1, l.tallyWidth(), l.def.Window)
		return
	}
	if start, ok := l.others.take(t); ok {
		l.outbox.add(time.Unix(0, start).UTC(), -1)
	}
}

// recount takes over what the store knows of the denominator.
func (l *limit) recount(st State) {
	if l.def.Ratio == nil || l.shared {
		return
	}
	byTime := slices.SortedFunc(slices.Values(st.Tallies), func(a, b Tally) int { return a.From.Compare(b.From) })
	for _, t := range byTime {
		if t.Count > 0 {
			l.others.add(t.From.UnixNano(), t.Count, time.Microsecond)
		}
	}
}

// denominator answers what the limit's numerators are a share of, in the window that ends at t. used are those in it. l.mu is held.
func (l *limit) denominator(t, used int64) int64 {
	if l.def.Ratio == nil {
		return 0
	}
	others := l.leases.others
	if !l.shared {
		others = l.others.after(t - int64(l.def.Window))
	}
	if l.def.own() {
		others += used
	}
	return others
}

// meeting are limits by the answers that they look at: those that they bound, and those of their denominators.
type meeting struct {
	byAction map[string][]*limit
	// any look at every answer, whatever it means. They're in all lists of byAction too.
	any []*limit
}

// add needs the limits in order: that is the order of every list.
func (s *meeting) add(l *limit) {
	if l.def.Ratio != nil && l.def.Ratio.Denominator == nil {
		for action := range s.byAction {
			s.byAction[action] = append(s.byAction[action], l)
		}
		if _, ok := s.byAction[l.def.Action]; !ok {
			s.byAction[l.def.Action] = append(slices.Clone(s.any), l)
		}
		s.any = append(s.any, l)
		return
	}
	actions := []string{l.def.Action}
	if l.def.Ratio != nil {
		actions = append(actions, l.def.Ratio.Denominator...)
	}
	slices.Sort(actions)
	for _, action := range slices.Compact(actions) {
		had, ok := s.byAction[action]
		if !ok {
			had = slices.Clone(s.any)
		}
		s.byAction[action] = append(had, l)
	}
}

// of answers the limits that look at answers with an action; empty: with none.
func (s *meeting) of(action string) []*limit {
	if limits, ok := s.byAction[action]; ok {
		return limits
	}
	return s.any
}
