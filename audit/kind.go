package audit

import candorv1 "github.com/candor-gateway/candor/gen/candor/v1"

// Kind is everything that decisions are counted by.
type Kind struct {
	Model, Consumer, Action string
	Route                   candorv1.Route
	Version, Stage          string
	// Reasons has bit n set for Reason n; see [ReasonMask].
	Reasons int64
}

// KindCount is how many rows of a prediction are of a kind.
type KindCount struct {
	Kind
	Rows int64
}

// KindsOf sorts a prediction's rows by kind, in the order in which the kinds first appear. A row's stage is the one whose answer was
// released; its version is that stage's or, where nothing was released, the primary's, for that is the one that didn't satisfy.
// plain, unless nil, is applied to every text: what a store can't hold as it is.
func KindsOf(p *candorv1.PredictionRecord, plain func(string) string) []KindCount {
	if plain == nil {
		plain = func(s string) string { return s }
	}
	stages := p.GetStages()
	var out []KindCount
next:
	for _, row := range p.GetRows() {
		k := Kind{
			Model: plain(p.GetModel()), Consumer: plain(p.GetConsumer()), Action: plain(row.GetAction()), Route: row.GetRoute(),
			Reasons: ReasonMask(row.GetReasons()),
		}
		if n := int(row.GetAnsweredBy()); n > 0 && n <= len(stages) {
			k.Stage, k.Version = plain(stages[n-1].GetStage()), plain(stages[n-1].GetVersion())
		} else if len(stages) > 0 {
			k.Version = plain(stages[0].GetVersion())
		}
		for i := range out {
			if out[i].Kind == k {
				out[i].Rows++
				continue next
			}
		}
		out = append(out, KindCount{k, 1})
	}
	return out
}

// maxReason is the last that a mask has room for; a signed integer has 63 bits to give.
const maxReason = 62

// ReasonMask has bit n set for Reason n. Reasons above 62 have no bit.
func ReasonMask(reasons []candorv1.Reason) int64 {
	var mask int64
	for _, r := range reasons {
		if r > 0 && r <= maxReason {
			mask |= 1 << r
		}
	}
	return mask
}

// ReasonsOf is the inverse of ReasonMask, in the order of the numbers.
func ReasonsOf(mask int64) []candorv1.Reason {
	var out []candorv1.Reason
	for r := candorv1.Reason(1); r <= maxReason; r++ {
		if mask&(1<<r) != 0 {
			out = append(out, r)
		}
	}
	return out
}
