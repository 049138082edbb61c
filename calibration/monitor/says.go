package monitor

import (
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// rows fills in how much there is; it reports whether a window was compared with the reference. Until then it says what is missing.
func (s *series) rows(st *Stream, f *finding) bool {
	f.status.ReferenceRows, f.status.WindowRows = s.reference.confidence.n, s.window.confidence.n
	if s.compared != nil {
		f.status.WindowRows = st.opts.MinRows
		return true
	}
	if s.ends == nil {
		f.status.Says = fmt.Sprintf("%d of the %d rows of a reference", f.status.GetReferenceRows(), st.opts.MinRows)
	} else {
		f.status.Says = fmt.Sprintf("%d of the %d rows of a first window", f.status.GetWindowRows(), st.opts.MinRows)
	}
	if s.absent > 0 {
		f.status.Says += fmt.Sprintf("; %d rows had no confidence", s.absent)
	}
	return false
}

// tested fills in a value with its p-value.
func (f *finding) tested(st *Stream, value, p float64) {
	f.level, f.status.Value, f.status.PValue = st.opts.FalseAlerts, value, &p
}

func (s *series) psiFinding(st *Stream, f *finding) {
	f.status.Bound = st.opts.PSI
	if s.ends != nil {
		f.status.ReferenceBins = s.reference.confidence.even()
	}
	if s.compared != nil {
		f.status.WindowBins = s.compared.bins
	}
	if !s.rows(st, f) {
		return
	}
	c := s.compared
	f.tested(st, c.psi, c.psiP)
	f.least = st.opts.PSI
	f.status.Says = fmt.Sprintf("stability index %.3f of the confidences, warns from %g; median %.3f, was %.3f", c.psi, f.least, c.median, c.medianBefore)
}

func (s *series) ksFinding(st *Stream, f *finding) {
	if !s.rows(st, f) {
		return
	}
	c := s.compared
	f.tested(st, c.ks, c.ksP)
	f.status.Says = fmt.Sprintf("distributions of the confidences are %.3f apart; median %.3f, was %.3f", c.ks, c.median, c.medianBefore)
}

func (s *series) labelFinding(st *Stream, f *finding) {
	if !s.rows(st, f) {
		return
	}
	c := s.compared
	if c.df == 0 {
		f.status.Says = fmt.Sprintf("fewer than two labels are expected %d times or more in %d rows", leastExpected, st.opts.MinRows)
		return
	}
	f.tested(st, c.chi2, c.chi2P)
	f.status.Says = fmt.Sprintf("χ² %.1f with %d degrees of freedom; most moved %s: %.1f %% of the answers, was %.1f %%",
		c.chi2, c.df, st.spec.Labels[c.label], 100*c.shareNow, 100*c.shareBefore)
}

func (s *series) cbpeFinding(st *Stream, f *finding) {
	if !s.rows(st, f) {
		return
	}
	c := s.compared
	f.tested(st, c.right.mean(), c.fellP)
	f.status.Says = fmt.Sprintf("expects to be right in %.1f ± %.1f %%, was %.1f %%; as good as its calibration",
		100*c.right.mean(), 100*c.right.margin(), 100*c.rightBefore.mean())
}

func (s *series) biasFinding(st *Stream, f *finding) {
	f.status.WindowRows = s.verdicts.n
	j := s.judged
	if j == nil {
		f.status.Says = fmt.Sprintf("%d of the %d verdicts of a first window", s.verdicts.n, st.opts.MinRows)
		if s.refused > 0 {
			f.status.Says += fmt.Sprintf("; %d came without a probability", s.refused)
		}
		return
	}
	f.status.WindowRows = st.opts.MinRows
	f.tested(st, j.value, j.p)
	how := "more"
	if j.value < 0 {
		how = "less"
	}
	f.status.Says = fmt.Sprintf("claims to be right in %.1f %%, and was in %.1f %% by verdict: %s sure than it should be", 100*j.claimed, 100*j.real, how)
}

func (s *series) shareFinding(st *Stream, f *finding) {
	f.status.Bound, f.status.WindowRows = st.opts.MaxFallbackShare, s.answers
	if s.share == nil {
		f.status.Says = fmt.Sprintf("%d of the %d answers of a first window", s.answers, st.opts.MinRows)
		return
	}
	f.status.Value, f.status.WindowRows, f.status.State = *s.share, st.opts.MinRows, candorv1.MonitorState_MONITOR_STATE_OK
	if *s.share > st.opts.MaxFallbackShare {
		f.status.State = candorv1.MonitorState_MONITOR_STATE_WARNING
	}
	f.status.Says = fmt.Sprintf("%.1f %% of the answers came from another stage, warns above %g %%", 100**s.share, 100*st.opts.MaxFallbackShare)
}
