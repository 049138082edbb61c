package review

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// verdictsOf reads "1 2 !3": values, or labels where they are none; ! is a senior's.
func verdictsOf(text string) (out []*candorv1.Verdict) {
	for i, word := range strings.Fields(text) {
		v := &candorv1.Verdict{Author: fmt.Sprint("r", i), CreateTime: timestamppb.New(time.Unix(int64(i), 0)), Blind: true}
		word, v.Adjudication = strings.TrimPrefix(word, "!"), strings.HasPrefix(word, "!")
		var value float64
		if _, err := fmt.Sscan(word, &value); err == nil {
			v.Answer = &candorv1.Verdict_Value{Value: value}
		} else {
			v.Answer = &candorv1.Verdict_Label{Label: word}
		}
		out = append(out, v)
	}
	return out
}

func TestTally(t *testing.T) {
	for _, tc := range []struct {
		wanted, agree uint32
		tolerance     float64
		verdicts      string
		// answer is what is decided; "?" more reviewers, "!" a senior.
		answer   string
		agreeing uint32
		author   string
	}{
		{0, 0, 0, "", "?", 0, ""},
		{0, 0, 0, "a", "a", 1, "r0"},
		{1, 1, 0, "a", "a", 1, "r0"},
		{3, 1, 0, "a", "a", 1, "r0"},
		{2, 2, 0, "a", "?", 0, ""},
		{2, 2, 0, "a a", "a", 2, "r0, r1"},
		{2, 2, 0, "a b", "!", 0, ""},
		{3, 2, 0, "a b", "?", 0, ""},
		{3, 2, 0, "a b b", "b", 2, "r1, r2"},
		{3, 2, 0, "a b c", "!", 0, ""},
		{3, 3, 0, "a b", "!", 0, ""},
		{5, 3, 0, "a b a b", "?", 0, ""},
		{5, 3, 0, "a b c", "?", 0, ""},
		{5, 4, 0, "a b c", "!", 0, ""},
		{2, 2, 0, "a b !c", "c", 1, "r2"},
		{2, 2, 0, "a b !b", "b", 2, "r2"},
		{2, 2, 0.5, "1 1.5", "1", 2, "r0, r1"},
		{2, 2, 0.5, "1 1.6", "!", 0, ""},
		{3, 3, 1, "3 1 4", "!", 0, ""},
		{3, 3, 1, "3 1 2", "2", 3, "r0, r1, r2"}, // the middle one agrees with both
		{4, 2, 1, "1 9 3 2", "2", 3, "r0, r2, r3"},
		{2, 2, 0, "1 a", "!", 0, ""},
	} {
		it := &Item{Wanted: tc.wanted, Agree: tc.agree, Tolerance: tc.tolerance, Verdicts: verdictsOf(tc.verdicts)}
		got := tally(it)
		answer := got.answer.GetLabel()
		if x, ok := got.answer.GetAnswer().(*candorv1.Verdict_Value); ok {
			answer = fmt.Sprint(x.Value)
		}
		switch {
		case got.answer == nil && got.disagree:
			answer = "!"
		case got.answer == nil:
			answer = "?"
		}
		if answer != tc.answer || got.agreeing != tc.agreeing || got.answer.GetAuthor() != tc.author {
			t.Errorf("%d of %d, within %v: %q is %s, %d agree, by %q; want %s, %d, %q", tc.agree, tc.wanted, tc.tolerance, tc.verdicts,
				answer, got.agreeing, got.answer.GetAuthor(), tc.answer, tc.agreeing, tc.author)
		}
	}
}

func TestAgree(t *testing.T) {
	label := func(s string) *candorv1.VerdictAnswer {
		return &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Label{Label: s}}
	}
	value := func(v float64) *candorv1.VerdictAnswer {
		return &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Value{Value: v}}
	}
	for _, tc := range []struct {
		a, b      *candorv1.VerdictAnswer
		tolerance float64
		want      bool
	}{
		{label("a"), label("a"), 0, true},
		{label("a"), label("A"), 9, false},
		{label(""), label(""), 0, true},
		{value(1), value(1.5), 0.5, true},
		{value(1.5), value(1), 0.5, true},
		{value(1), value(math.Nextafter(1.5, 2)), 0.5, false},
		{value(0), label(""), 0, false},
		{value(math.NaN()), value(math.NaN()), 1, false},
		{value(math.Inf(1)), value(math.Inf(1)), 1, false},
		{nil, nil, 0, false},
		{&candorv1.VerdictAnswer{}, &candorv1.VerdictAnswer{}, 0, false},
		{label("a"), nil, 0, false},
	} {
		if got := Agree(tc.a, tc.b, tc.tolerance); got != tc.want {
			t.Errorf("%v and %v within %v: %t", tc.a, tc.b, tc.tolerance, got)
		}
	}
}
