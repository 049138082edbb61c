package report

import (
	"github.com/candor-gateway/candor/bench/measure"
	"github.com/candor-gateway/candor/bench/stat"
)

// goal is a bound on what Candor, everything on, may cost beside another proxy: its CPU time per request as a multiple of the
// other's.
type goal struct {
	regime, than string
	most         float64
}

// judged is the target that the goals are about.
const judged = "candor"

var goals = []goal{
	{measure.Small, stream, 0.9}, {measure.Small, nginx, 0.85},
	{measure.Open, stream, 0.95}, {measure.Open, nginx, 1.9},
	{measure.Image, stream, 1.12}, {measure.Image, nginx, 1.35},
}

// Verdicts.
const (
	Pass      = "PASS"
	Miss      = "MISS"
	NotJudged = "NOT JUDGED"
)

// Judgement is a goal and what came of it.
type Judgement struct {
	Regime string  `json:"regime"`
	Than   string  `json:"than"`
	Most   float64 `json:"most"`
	// Ratio is nil where the run has not what it takes.
	Ratio *stat.Interval `json:"ratio,omitempty"`
	// Verdict is by the interval's upper end.
	Verdict string `json:"verdict"`
	Why     string `json:"why,omitempty"`
}

// fewest rounds from which on an interval says something.
const fewest = 3

// judge holds the rows against the goals.
func judge(run Run, rows []Row) []Judgement {
	find := func(target, regime string) *Row {
		for i := range rows {
			if rows[i].Target == target && rows[i].Regime == regime {
				return &rows[i]
			}
		}
		return nil
	}
	var out []Judgement
	for _, g := range goals {
		j := Judgement{Regime: g.regime, Than: g.than, Most: g.most, Verdict: NotJudged}
		own, other := find(judged, g.regime), find(g.than, g.regime)
		switch {
		case run.Short:
			j.Why = "a short run"
		case run.Rounds < fewest:
			j.Why = "too few rounds for an interval; -rounds 3 at least"
		case own == nil:
			j.Why = judged + " was not measured"
		case other == nil:
			j.Why = g.than + " was not measured"
		case own.Failed > 0:
			j.Why = "requests through " + judged + " failed"
		case other.Failed > 0:
			j.Why = "requests through " + g.than + " failed"
		default:
			ratio, ok := own.Ratios[g.than]
			if !ok {
				j.Why = "no round has both"
				break
			}
			j.Ratio = &ratio
			if j.Verdict = Miss; ratio.High <= g.most {
				j.Verdict = Pass
			}
		}
		out = append(out, j)
	}
	return out
}
