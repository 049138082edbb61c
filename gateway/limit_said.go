package gateway

import (
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// limitWords are what limits said that withheld the answer, or, in a dry run, would have; nil: none did. prediction is the answer's.
func limitWords(v *limits.Verdict, prediction string) []*candorv1.LimitWord {
	if v.Released && len(v.DryRunLimits) == 0 {
		return nil
	}
	var out []*candorv1.LimitWord
	if !v.Released {
		w := &candorv1.LimitWord{Limit: v.Limit}
		switch {
		case v.Unavailable:
			w.Says = candorv1.LimitSays_LIMIT_SAYS_UNAVAILABLE
		case v.Invalid:
			w.Says = candorv1.LimitSays_LIMIT_SAYS_INVALID
		case limits.IsStop(v.Limit):
			w.Says = candorv1.LimitSays_LIMIT_SAYS_STOPPED
		default:
			tripWord(w, v, prediction)
		}
		out = append(out, w)
	}
	for _, name := range v.DryRunLimits {
		w := &candorv1.LimitWord{Limit: name, DryRun: true}
		tripWord(w, v, prediction)
		out = append(out, w)
	}
	return out
}

// tripWord tells the trip of the limit. One that has none, although it was met, is a dry run that can't count the answer.
func tripWord(w *candorv1.LimitWord, v *limits.Verdict, prediction string) {
	i := slices.IndexFunc(v.Trips, func(t limits.Trip) bool { return t.Limit == w.GetLimit() })
	if i < 0 {
		w.Says = candorv1.LimitSays_LIMIT_SAYS_INVALID
		return
	}
	t := &v.Trips[i]
	w.Says = candorv1.LimitSays_LIMIT_SAYS_LATCHED
	if t.PredictionID == prediction {
		w.Says = candorv1.LimitSays_LIMIT_SAYS_TRIPPED
	}
	w.Count, w.MaxCount, w.Amount, w.Unit, w.Denominator = t.Count, t.MaxCount, t.Amount, t.Unit, t.Denominator
}

// withoutOthers takes from what limits said of a row what others have had: their consumer knows its own answers only.
func withoutOthers(row *candorv1.RowRecord) {
	for _, w := range row.GetLimits() {
		w.Count, w.MaxCount, w.Denominator = 0, 0, 0
		if w.GetSays() != candorv1.LimitSays_LIMIT_SAYS_TRIPPED {
			w.Amount, w.Unit = 0, ""
		}
	}
}
