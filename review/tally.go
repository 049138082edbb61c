package review

import (
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// counted is what an item's verdicts amount to.
type counted struct {
	// answer is nil while there is none; agreeing, how many verdicts say it.
	answer   *candorv1.Verdict
	agreeing uint32
	// disagree: no further reviewer could bring agreement.
	disagree bool
}

// tally weighs an item's verdicts. A senior's decides. Otherwise the answer is what the largest group says, once it has Agree members;
// of values, each verdict's group is those within Tolerance of it, and the answer the group's median (the lower one of two).
func tally(it *Item) counted {
	for _, v := range it.Verdicts {
		if v.GetAdjudication() {
			return counted{answer: v, agreeing: uint32(len(alike(it, v)))}
		}
	}
	var best []*candorv1.Verdict
	for _, v := range it.Verdicts {
		if group := alike(it, v); len(group) > len(best) {
			best = group
		}
	}
	given, want, agree := len(it.Verdicts), int(max(it.Wanted, 1)), int(max(it.Agree, 1))
	if len(best) >= agree {
		return counted{answer: spokesman(best), agreeing: uint32(len(best))}
	}
	return counted{disagree: given > 0 && len(best)+max(want-given, 0) < agree}
}

// alike are the verdicts that say what v says.
func alike(it *Item, v *candorv1.Verdict) []*candorv1.Verdict {
	var out []*candorv1.Verdict
	for _, other := range it.Verdicts {
		if Agree(AnswerOf(v), AnswerOf(other), it.Tolerance) {
			out = append(out, other)
		}
	}
	return out
}

// spokesman is a group's answer: a verdict signed by all of its members.
func spokesman(group []*candorv1.Verdict) *candorv1.Verdict {
	if len(group) == 1 {
		return group[0]
	}
	byValue := slices.Clone(group)
	slices.SortStableFunc(byValue, func(a, b *candorv1.Verdict) int {
		switch {
		case a.GetValue() < b.GetValue():
			return -1
		case a.GetValue() > b.GetValue():
			return 1
		}
		return 0
	})
	out := proto.CloneOf(byValue[(len(byValue)-1)/2])
	authors := make([]string, len(group))
	for i, v := range group {
		authors[i] = v.GetAuthor()
	}
	out.Author, out.CreateTime = strings.Join(authors, ", "), group[len(group)-1].GetCreateTime()
	out.FirstAnswer, out.WorkTime, out.Blind = nil, nil, !slices.ContainsFunc(group, func(v *candorv1.Verdict) bool { return !v.GetBlind() })
	return out
}

// AnswerOf is what a verdict says; nil: nothing.
func AnswerOf(v *candorv1.Verdict) *candorv1.VerdictAnswer {
	switch a := v.GetAnswer().(type) {
	case *candorv1.Verdict_Label:
		return &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Label{Label: a.Label}}
	case *candorv1.Verdict_Value:
		return &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Value{Value: a.Value}}
	}
	return nil
}

// FirstOf is what a reviewer answered before the model's answer was shown.
func FirstOf(v *candorv1.Verdict) *candorv1.VerdictAnswer {
	if v.GetFirstAnswer() != nil {
		return v.GetFirstAnswer()
	}
	return AnswerOf(v)
}

// Agree says whether two answers are the same: equal labels, or values within tolerance. Two of nothing are not.
func Agree(a, b *candorv1.VerdictAnswer, tolerance float64) bool {
	switch a := a.GetAnswer().(type) {
	case *candorv1.VerdictAnswer_Label:
		b, ok := b.GetAnswer().(*candorv1.VerdictAnswer_Label)
		return ok && a.Label == b.Label
	case *candorv1.VerdictAnswer_Value:
		b, ok := b.GetAnswer().(*candorv1.VerdictAnswer_Value)
		return ok && math.Abs(a.Value-b.Value) <= tolerance
	}
	return false
}

func sameAnswer(a, b *candorv1.Verdict) bool { return Agree(AnswerOf(a), AnswerOf(b), 0) }

// Unanimous is what all verdicts of an item say; nil: there are none, or they differ.
func Unanimous(it *Item) *candorv1.Verdict {
	if len(it.Verdicts) == 0 {
		return nil
	}
	for _, v := range it.Verdicts {
		if len(alike(it, v)) < len(it.Verdicts) {
			return nil
		}
	}
	return spokesman(it.Verdicts)
}
