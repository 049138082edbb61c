package review

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const (
	// kappaPairs is how many compared labels a kappa is made of at least: its standard error is about 1/sqrt(n).
	kappaPairs = 20
	// mostHours bounds ReviewerStatistics.hourly; of longer spans it is empty.
	mostHours = 31 * 24
)

// Statistics is an account of people's work in [since, until): of given, without what was undone, and of what they passed on.
// Reviewers and models are sorted by name.
//
// Two reviewers are compared by what they answered first, before anybody showed them anything; so are a reviewer and a golden answer.
// Flips are counted of verdicts that were blind at first, as the change between the first answer and the last.
func Statistics(given []Given, passed []Passed, since, until time.Time) *candorv1.GetReviewStatisticsResponse {
	people, models := map[string]*account{}, map[string]*candorv1.FlipStatistics{}
	byItem := map[string][]*Given{}
	of := func(who string) *account {
		a := people[who]
		if a == nil {
			a = &account{flips: map[string]*candorv1.FlipStatistics{}, hours: hours(since, until)}
			people[who] = a
		}
		return a
	}
	for _, p := range passed {
		a := of(p.Reviewer)
		a.skipped += p.Skipped
		a.escalated += p.Escalated
	}
	for i := range given {
		g := &given[i]
		if g.Undone {
			continue
		}
		a := of(g.Verdict.GetAuthor())
		a.count(g, since)
		for _, f := range []map[string]*candorv1.FlipStatistics{a.flips, models} {
			if f[g.Model] == nil {
				f[g.Model] = &candorv1.FlipStatistics{Model: g.Model}
			}
			countFlip(f[g.Model], g)
		}
		byItem[g.ItemID] = append(byItem[g.ItemID], g)
	}
	for _, group := range byItem {
		for _, mine := range group {
			for _, other := range group {
				if mine != other {
					people[mine.Verdict.GetAuthor()].compare(mine, other)
				}
			}
		}
	}
	out := &candorv1.GetReviewStatisticsResponse{Flips: flipList(models)}
	for who, a := range people {
		out.Reviewers = append(out.Reviewers, a.statistics(who))
	}
	slices.SortFunc(out.Reviewers, func(a, b *candorv1.ReviewerStatistics) int { return strings.Compare(a.GetReviewer(), b.GetReviewer()) })
	return out
}

// account is what is known of one reviewer.
type account struct {
	verdicts, compared, agreed, golden, right int64
	skipped, escalated                        int64
	work                                      []time.Duration
	hours                                     []int64
	flips                                     map[string]*candorv1.FlipStatistics
	// pairs of labels that were compared, and how often each label was said by the reviewer and by the others.
	pairs, same  float64
	mine, theirs map[string]float64
}

func hours(since, until time.Time) []int64 {
	n := int((until.Sub(since) + time.Hour - 1) / time.Hour)
	if n > mostHours {
		return nil
	}
	return make([]int64, n)
}

func (a *account) count(g *Given, since time.Time) {
	a.verdicts++
	if g.Verdict.GetWorkTime() != nil {
		a.work = append(a.work, g.Verdict.GetWorkTime().AsDuration())
	}
	if h := int(g.At.Sub(since) / time.Hour); h >= 0 && h < len(a.hours) {
		a.hours[h]++
	}
	if g.Golden != nil {
		a.golden++
		if Agree(FirstOf(g.Verdict), g.Golden, g.Tolerance) {
			a.right++
		}
	}
}

func (a *account) compare(mine, other *Given) {
	first, second := FirstOf(mine.Verdict), FirstOf(other.Verdict)
	agree := Agree(first, second, mine.Tolerance)
	a.compared++
	if agree {
		a.agreed++
	}
	if first.GetLabel() == "" || second.GetLabel() == "" {
		return // A value is no category.
	}
	if a.mine == nil {
		a.mine, a.theirs = map[string]float64{}, map[string]float64{}
	}
	a.pairs++
	a.mine[first.GetLabel()]++
	a.theirs[second.GetLabel()]++
	if agree {
		a.same++
	}
}

// kappa is Cohen's (1960): agreement beyond what two who answer independently, each with their own frequencies, would have by chance.
func (a *account) kappa() *float64 {
	if a.pairs < kappaPairs {
		return nil
	}
	chance := 0.0
	for label, n := range a.mine {
		chance += n * a.theirs[label] / (a.pairs * a.pairs)
	}
	if chance >= 1 {
		return nil
	}
	k := (a.same/a.pairs - chance) / (1 - chance)
	return &k
}

func (a *account) statistics(who string) *candorv1.ReviewerStatistics {
	out := &candorv1.ReviewerStatistics{
		Reviewer: who, Verdicts: a.verdicts, Compared: a.compared, Agreed: a.agreed, Kappa: a.kappa(), Golden: a.golden, GoldenRight: a.right,
		Skipped: a.skipped, Escalated: a.escalated,
		Flips: flipList(a.flips), Hourly: a.hours,
	}
	if len(a.work) > 0 {
		slices.Sort(a.work)
		out.WorkTime = durationpb.New(a.work[len(a.work)/2])
	}
	return out
}

// countFlip compares a verdict with what the primary said.
func countFlip(f *candorv1.FlipStatistics, g *Given) {
	if len(g.Answers) == 0 {
		return
	}
	model := answerOfStage(g.Answers[0])
	if model == nil {
		return
	}
	last := AnswerOf(g.Verdict)
	if !g.Verdict.GetBlind() {
		f.Sighted++
		if Agree(last, model, g.Tolerance) {
			f.SightedSame++
		}
		return
	}
	f.Compared++
	first, now := Agree(FirstOf(g.Verdict), model, g.Tolerance), Agree(last, model, g.Tolerance)
	switch {
	case !first && now:
		f.Differed++
		f.FlippedToModel++
	case !first:
		f.Differed++
	case !now:
		f.FlippedAway++
	}
}

func answerOfStage(a *candorv1.StageAnswer) *candorv1.VerdictAnswer {
	switch {
	case a.Value != nil:
		return &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Value{Value: a.GetValue()}}
	case a.GetLabel() != "":
		return &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Label{Label: a.GetLabel()}}
	}
	return nil
}

// flipList leaves out models that nothing was compared with.
func flipList(by map[string]*candorv1.FlipStatistics) []*candorv1.FlipStatistics {
	var out []*candorv1.FlipStatistics
	for _, f := range by {
		if f.GetCompared() > 0 || f.GetSighted() > 0 {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b *candorv1.FlipStatistics) int { return strings.Compare(a.GetModel(), b.GetModel()) })
	return out
}

// FlipOf says how a verdict that was blind at first has changed against what the primary said: toward it, away from it, or neither.
func FlipOf(it *Item, v *candorv1.Verdict) (toModel, away bool) {
	f := &candorv1.FlipStatistics{}
	countFlip(f, &Given{Answers: it.Answers, Verdict: v, Tolerance: it.Tolerance})
	return f.GetFlippedToModel() > 0, f.GetFlippedAway() > 0
}
