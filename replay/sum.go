package replay

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// report sums a model up; days is how long the rows took to come.
func (t *tally) report(days float64) ModelReport {
	out := ModelReport{
		Model: t.model.Name, Rows: t.rows, Days: days, Licenses: t.model.licenses(), Decided: t.cells(t.decided), Changed: t.changed, Changes: t.changes,
		CoverageBefore: shareOf(t.comparableBefore, t.rows-t.unknownAcceptable), CoverageAfter: shareOf(t.comparableAfter, t.rows-t.unknownAcceptable),
		CoverageLeast: t.part(t.comparableAfter), CoverageMost: t.part(t.comparableAfter + t.unknownAcceptable),
	}
	if t.observed {
		out.Callers = t.cells(t.callers)
	}
	for k, n := range t.causes {
		out.Undecided = append(out.Undecided, Reasoned{k.cause, k.detail, n, t.part(n)})
	}
	slices.SortFunc(out.Undecided, func(a, b Reasoned) int {
		return cmp.Or(-cmp.Compare(a.Rows, b.Rows), strings.Compare(string(a.Cause), string(b.Cause)), strings.Compare(a.Detail, b.Detail))
	})
	for _, k := range slices.Sorted(maps.Keys(t.asked)) {
		s := t.seen[k]
		if s == nil {
			s = &seen{}
		}
		n := s.answered + s.deferred + s.rejected
		out.Asked = append(out.Asked, Asked{t.model.tiers[k-1].name, t.asked[k], shareOf(s.answered, n), shareOf(s.deferred, n), shareOf(s.rejected, n)})
	}
	out.Review = t.load(days)
	for _, name := range groups {
		out.Errors = append(out.Errors, t.errors(name))
	}
	for _, k := range slices.Sorted(maps.Keys(t.labels)) {
		out.Labels = append(out.Labels, *t.labels[k])
	}
	for _, a := range t.model.actions {
		out.Actions = append(out.Actions, *t.actions[a.GetName()])
	}
	return out
}

func (t *tally) part(n uint64) float64 { return float64(n) / float64(t.rows) }

// outcomes in the order of caution.
var outcomes = []Outcome{Accept, Fallback, Ask, Defer, Reject, Undecided}

func (t *tally) cells(counts map[[2]Outcome]uint64) []Cell {
	var out []Cell
	for _, from := range outcomes {
		for _, to := range outcomes {
			if n := counts[[2]Outcome{from, to}]; n > 0 {
				out = append(out, Cell{from, to, n, t.part(n)})
			}
		}
	}
	return out
}

func (t *tally) load(days float64) Load {
	if !(days > 0) {
		return Load{}
	}
	l := Load{
		DeferredBefore: float64(t.deferred[0]) / days, DeferredAfter: float64(t.deferred[1]) / days,
		DeferredMost: float64(t.deferred[1]+t.deferred[2]) / days, AuditsBefore: float64(t.audited) / days,
	}
	switch b := t.model.audit.GetBudget().(type) {
	case *candorv1.AuditSampling_Rate:
		l.AuditsAfter = b.Rate * float64(t.notDeferred) / days
	case *candorv1.AuditSampling_PerDay:
		l.AuditsAfter = min(float64(b.PerDay)*float64(t.notDeferred)/float64(t.rows), float64(t.notDeferred)/days)
	}
	return l
}

func (t *tally) errors(name Group) Errors {
	g := t.groups[name]
	e := Errors{Group: name, Rows: g.rows, Chosen: g.chosen, Open: g.open, Unsampled: g.unsampled, Verdicts: g.verdicts.rate(), Outcomes: g.outcomes.rate()}
	if v := &e.Verdicts; g.unsampled > 0 && v.Status == Estimated {
		known := 1 - float64(g.unsampled)/float64(g.rows)
		v.Low, v.High = known*v.Low, known*v.High+1-known
	}
	if t.regression && t.model.tolerance == nil {
		e.Verdicts, e.Outcomes = Rate{Status: NotMeasured, High: 1}, Rate{Status: NotMeasured, High: 1}
	}
	return e
}

// licenses of the configuration that is tried, segment by segment.
func (m *Model) licenses() []License {
	var out []License
	for _, segment := range slices.Sorted(maps.Keys(m.Policies)) {
		p := m.Policies[segment]
		out = append(out, licenseOf(segment, m.primary.name, p.Primary))
		for k, l := range p.Tiers {
			out = append(out, licenseOf(segment, m.tiers[k].name, l))
		}
	}
	return out
}

func licenseOf(segment, stage string, l router.License) License {
	out := License{Segment: segment, Stage: stage, Threshold: l.Threshold}
	if l.Threshold == nil && l.Missing != candorv1.Reason_REASON_UNSPECIFIED {
		out.Missing = strings.TrimPrefix(l.Missing.String(), "REASON_")
	}
	return out
}
