package gateway

import (
	"cmp"
	"slices"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// addKind tells what a limit counts.
func addKind(l *candorv1.Limit, s limits.Status) {
	d := s.Definition
	l.Unit, l.Amount, l.Key, l.KeyValue = d.Unit, SourceWords(d.Amount), SourceWords(d.Key), limits.KeyOf(d.Name)
	switch {
	case s.Stop:
		l.Kind = candorv1.LimitKind_LIMIT_KIND_STOP
	case d.Ratio != nil:
		l.Kind = candorv1.LimitKind_LIMIT_KIND_RATIO
		l.MaxShare, l.MinCount, l.Denominator = float64(d.Ratio.SharePPM)/million, d.Ratio.MinCount, d.Ratio.Denominator
		l.DenominatorCount = s.Denominator
		if !s.ProbationEnd.IsZero() {
			l.MaxShare *= float64(s.LastReset.Probation.SharePPM) / million
		}
	case d.Amount != "":
		l.Kind = candorv1.LimitKind_LIMIT_KIND_SUM
	case s.Configured:
		l.Kind = candorv1.LimitKind_LIMIT_KIND_COUNT
	}
}

// SourceWords is a source as people are shown it.
func SourceWords(s limits.Source) string { return strings.TrimSuffix(string(s), asKey) }

// largestKeys is how many keys a limit is shown with.
const largestKeys = 10

// addKeys sums up the keys of a limit that has some. states are all that the gate tells.
func addKeys(l *candorv1.Limit, s limits.Status, states []limits.Status) {
	if s.Keys == nil {
		return
	}
	maxKeys := s.Definition.MaxKeys
	l.Keys = &candorv1.LimitKeys{MaxKeys: maxKeys, Live: int64(s.Keys.Live), Tripped: int64(s.Keys.Tripped), Overflowed: s.Keys.Overflowed}
	for _, one := range states {
		if one.Key != "" && limitOf(one.Definition.Name) == s.Definition.Name {
			l.Keys.Largest = append(l.Keys.Largest, &candorv1.LimitKeyUse{
				Name: limits.ResourceName(one.Definition.Name), KeyValue: limits.KeyOf(one.Definition.Name), Used: one.Used, Bound: one.Bound, Tripped: one.Tripped,
			})
		}
	}
	slices.SortFunc(l.Keys.Largest, func(a, b *candorv1.LimitKeyUse) int {
		if a.GetTripped() != b.GetTripped() {
			if a.GetTripped() {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.GetUsed(), a.GetUsed()), strings.Compare(a.GetName(), b.GetName()))
	})
	l.Keys.Largest = l.Keys.Largest[:min(largestKeys, len(l.Keys.Largest))]
}
