package monitor

import (
	"fmt"
	"maps"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// finding is what one monitor says, before it is judged together with the others.
type finding struct {
	status *candorv1.MonitorStatus
	// level of its p-value; 0: it has none.
	level float64
	// least: it warns only from here on, whatever its p-value.
	least float64
}

// Status is the state of every monitor of a model, of all models when it is empty; by model, stage, field in the order in which they
// were watched, segment and kind.
//
// The p-values of the last full window of every series, of all models, are judged together: a monitor warns if its p-value is at
// most level·k/m, where m is the number of p-values and k that of those rejected. At any moment, the expected share of false ones
// among the warnings is at most the level. That is no promise about the number of warnings in a year.
func (s *Set) Status(model string) []*candorv1.MonitorStatus {
	s.mu.Lock()
	streams := slices.Clone(s.streams)
	s.mu.Unlock()
	var found []finding
	for _, st := range streams {
		st.each(func(segment string, se *series) { found = append(found, se.findings(st, segment)...) })
	}
	var ratios []float64
	for _, f := range found {
		if f.level > 0 {
			ratios = append(ratios, f.status.GetPValue()/f.level)
		}
	}
	k, m := rejected(ratios), len(ratios)
	var out []*candorv1.MonitorStatus
	for _, f := range found {
		f.judge(k, m)
		if model == "" || f.status.GetModel() == model {
			out = append(out, f.status)
		}
	}
	return out
}

// each series by segment, the rest first.
func (st *Stream) each(do func(segment string, s *series)) {
	do("", st.rest)
	st.mu.RLock()
	segments := maps.Clone(st.segments)
	st.mu.RUnlock()
	for _, name := range slices.Sorted(maps.Keys(segments)) {
		do(name, segments[name])
	}
}

// judge says whether a finding with a p-value warns when k of m are rejected.
func (f finding) judge(k, m int) {
	if f.level == 0 {
		return
	}
	corrected := f.level * float64(max(k, 1)) / float64(m)
	unlikely := k > 0 && f.status.GetPValue()/f.level <= float64(k)/float64(m)
	if f.least == 0 {
		f.status.Bound = corrected
	}
	f.status.State = candorv1.MonitorState_MONITOR_STATE_OK
	if unlikely && f.status.GetValue() >= f.least {
		f.status.State = candorv1.MonitorState_MONITOR_STATE_WARNING
	}
	if f.least > 0 && !unlikely && f.status.GetValue() >= f.least {
		f.status.Says += fmt.Sprintf("; that much can be chance (p %.2g, level %.2g)", f.status.GetPValue(), corrected)
	}
}

// findings of a series.
func (s *series) findings(st *Stream, segment string) []finding {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []finding
	add := func(kind candorv1.MonitorKind) *finding {
		out = append(out, finding{status: &candorv1.MonitorStatus{
			Model: st.spec.Model, Stage: st.spec.Stage, Field: st.spec.Field, Segment: segment, Kind: kind,
			State: candorv1.MonitorState_MONITOR_STATE_INSUFFICIENT_DATA,
		}})
		return &out[len(out)-1]
	}
	if st.spec.Scored {
		s.psiFinding(st, add(candorv1.MonitorKind_MONITOR_KIND_PSI))
		s.ksFinding(st, add(candorv1.MonitorKind_MONITOR_KIND_KS))
		if len(st.spec.Labels) > 0 {
			s.labelFinding(st, add(candorv1.MonitorKind_MONITOR_KIND_LABEL_SHIFT))
			s.cbpeFinding(st, add(candorv1.MonitorKind_MONITOR_KIND_CBPE))
			s.biasFinding(st, add(candorv1.MonitorKind_MONITOR_KIND_PREDICTION_BIAS))
		}
	}
	if st.spec.Primary {
		s.shareFinding(st, add(candorv1.MonitorKind_MONITOR_KIND_FALLBACK_SHARE))
	}
	return out
}
