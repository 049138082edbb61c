package config

import (
	"fmt"
	"math"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// answers checks that every output of the primary can be filled when the answer is not the primary's. scored says that the
// card's score, or its absence, is known.
func (c *checker) answers(at path, policy *candorv1.Policy, card *candorv1.ModelCard, scored bool) {
	answers := policy.GetAnswers()
	c.repeated("the output", len(answers),
		func(i int) string { return answers[i].GetOutput() },
		func(i int) path { return at.item(i).field("output") })
	answered := map[string]bool{}
	for i, answer := range answers {
		answered[answer.GetOutput()] = true
		here := at.item(i)
		output := findOutput(card, answer.GetOutput())
		switch {
		case answer.GetOutput() == "" || c.lostWithin(here):
		case output == nil:
			c.noOutput(here.field("output"), answer.GetOutput(), card)
		default:
			if datatype, ok := wire.ParseDatatype(output.GetDatatype()); ok {
				if scored {
					c.fill(here, answer, output, datatype, card)
				}
				c.neutral(here, answer, datatype)
			}
		}
	}
	if c.lostWithin(at) {
		return
	}
	others := policy.GetFallback() != nil || policy.GetReview() != nil
	// A limit, or a policy that enforces, withholds rows even where nobody else answers them.
	withholds := policy.GetMode() == candorv1.Mode_MODE_ENFORCE || len(policy.GetActions()) > 0
	for _, output := range card.GetOutputs() {
		name := output.GetName()
		datatype, ok := wire.ParseDatatype(output.GetDatatype())
		switch {
		case answered[name] || name == "" || !ok:
		case others:
			c.complain(at, fmt.Sprintf("nothing says how the output %q is filled from an answer that is not the primary's", name),
				fmt.Sprintf("add {output: %s, fill: %s}", name, likelyFill(name, datatype, card)))
		case withholds && !datatype.IsFloat():
			c.complain(at, fmt.Sprintf("nothing says what the output %q holds when a row is withheld", name),
				fmt.Sprintf("add {output: %s, fill: neutral, %s}", name, neutralExample(datatype)))
		}
	}
}

// likelyFill is what somebody who left an output out probably wants, as it is written.
func likelyFill(output string, datatype wire.Datatype, card *candorv1.ModelCard) string {
	score := scoreOfOutput(card, output)
	regression := score.GetKind() == candorv1.ScoreKind_SCORE_KIND_REGRESSION
	switch {
	case score.GetOutput() == output && regression:
		return "value"
	case score.GetOutput() == output && !ranksOnly(score):
		return "scores"
	case datatype == wire.BYTES && several(card):
		return `label, field: NAME, neutral_text: ""`
	case datatype == wire.BYTES && score != nil && !regression:
		return `label, neutral_text: ""`
	case datatype.IsFloat():
		return "neutral"
	}
	return "neutral, " + neutralExample(datatype)
}

// ranksOnly says that a score's numbers can't be made of anybody else's answer.
func ranksOnly(score *candorv1.Score) bool {
	return score.GetKind() == candorv1.ScoreKind_SCORE_KIND_DISTANCE || score.GetKind() == candorv1.ScoreKind_SCORE_KIND_MARGIN
}

func neutralExample(datatype wire.Datatype) string {
	if datatype == wire.BYTES {
		return `neutral_text: ""`
	}
	return "neutral: 0"
}

// fill checks that an output can hold what it is filled with.
func (c *checker) fill(at path, answer *candorv1.AnswerSpec, output *candorv1.OutputSpec, datatype wire.Datatype, card *candorv1.ModelCard) {
	here, score := at.field("fill"), scoreOfOutput(card, output.GetName())
	if name := answer.GetField(); name != "" {
		if score = c.scoreOfField(at.field("field"), name, score, card); score == nil {
			return
		}
	}
	wrong := func(problem, remedy string) { c.complain(here, problem, remedy) }
	numeric := datatype != wire.BYTES && datatype != wire.BOOL
	fill, regression := answer.GetFill(), score.GetKind() == candorv1.ScoreKind_SCORE_KIND_REGRESSION
	switch fill {
	case candorv1.AnswerFill_ANSWER_FILL_UNSPECIFIED, candorv1.AnswerFill_ANSWER_FILL_NEUTRAL:
		return
	}
	switch {
	case score == nil && several(card):
		wrong(fmt.Sprintf("nothing says which field's answer %s is filled with", output.GetName()), "add field, one of "+list(fieldNamesOf(card))+", or write neutral")
		return
	case score == nil:
		wrong("the card declares no score that an answer could be made of", "write neutral, or add scores to the card")
		return
	case regression && fill != candorv1.AnswerFill_ANSWER_FILL_VALUE:
		wrong(fmt.Sprintf("a regression's answer is a value, it has no %s", short(fill)), "write value or neutral")
		return
	case !regression && fill == candorv1.AnswerFill_ANSWER_FILL_VALUE:
		wrong("only a regression's answer is a value", "write scores, label, label_index or neutral")
		return
	}
	switch fill {
	case candorv1.AnswerFill_ANSWER_FILL_SCORES:
		if ranksOnly(score) {
			wrong(fmt.Sprintf("nobody else's answer can be told as a %s", short(score.GetKind())), "write neutral")
		} else if answer.GetOutput() != score.GetOutput() {
			wrong("scores fill the output that the card's score is in, "+score.GetOutput(), "write label, label_index or neutral")
		} else if open := openDimensions(rowShape(output.GetShape(), hasRows(card, false))); open > 1 {
			wrong(fmt.Sprintf("a row of %s has %d dimensions of any size, so nobody knows its shape when the primary fails", output.GetName(), open), "write the sizes in the card's shape, or neutral")
		}
		return
	case candorv1.AnswerFill_ANSWER_FILL_LABEL:
		if datatype != wire.BYTES {
			wrong(fmt.Sprintf("a label is BYTES, and %s is %v", output.GetName(), datatype), "write label_index or neutral")
		}
	case candorv1.AnswerFill_ANSWER_FILL_LABEL_INDEX:
		last := float64(len(score.GetLabels()) - 1)
		if !numeric {
			wrong(fmt.Sprintf("a label's index is a number, and %s is %v", output.GetName(), datatype), "write label for BYTES, or neutral")
		} else if _, most, integer := integerRange(datatype); integer && last > most {
			wrong(fmt.Sprintf("%v can't hold the index %v of the last label", datatype, last), "write neutral")
		}
	case candorv1.AnswerFill_ANSWER_FILL_VALUE:
		bounds := score.GetRegression()
		switch {
		case !numeric:
			wrong(fmt.Sprintf("a value is a number, and %s is %v", output.GetName(), datatype), "write neutral")
		case output.GetName() == bounds.GetLowerOutput() || output.GetName() == bounds.GetUpperOutput():
			wrong(fmt.Sprintf("%s bounds the interval: filled with the value it would claim an interval of width 0", output.GetName()), "write neutral")
		}
	}
	if n, known := rowElements(output.GetShape(), hasRows(card, false)); known && n != 1 {
		wrong(fmt.Sprintf("%s is one element for each row, and %s has %d", short(fill), output.GetName(), n), "write neutral")
	}
}

// scoreOfField is the score of the field that an answer names; own is the one that its output is of by itself. nil: that was a
// fault.
func (c *checker) scoreOfField(at path, name string, own *candorv1.Score, card *candorv1.ModelCard) *candorv1.Score {
	score := scoreNamed(card, name)
	switch {
	case !several(card):
		c.complain(at, "the card has no two scores, and so no fields", "take it out")
		return nil
	case score == nil:
		c.complain(at, fmt.Sprintf("the card has no field %q", abridged(name)), choose(name, fieldNamesOf(card), "add its score to the card"))
	case own != nil && own != score:
		c.complain(at, fmt.Sprintf("the output is that of field %q", abridged(fieldName(own))), "take it out")
		return nil
	}
	return score
}

// openDimensions counts the dimensions that may have any size.
func openDimensions(shape []int64) int {
	open := 0
	for _, n := range shape {
		if n < 0 {
			open++
		}
	}
	return open
}

// neutral checks that a withheld row has something to hold that no client takes for an answer.
func (c *checker) neutral(at path, answer *candorv1.AnswerSpec, datatype wire.Datatype) {
	number, text := answer.Neutral != nil, answer.NeutralText != nil
	if datatype == wire.BYTES {
		switch {
		case number:
			c.complain(at.field("neutral"), "the output is BYTES", "write neutral_text")
		case !text:
			c.complain(at, "nothing says what a withheld row holds: BYTES have no natural neutral value", `add neutral_text, such as ""`)
		}
		return
	}
	if text {
		c.complain(at.field("neutral_text"), fmt.Sprintf("the output is %v, not BYTES", datatype), "write neutral")
		return
	}
	if datatype.IsFloat() {
		if most := largestFloat(datatype); math.Abs(answer.GetNeutral()) > most && !math.IsInf(answer.GetNeutral(), 0) {
			c.complain(at.field("neutral"), fmt.Sprintf("%v can't hold %v", datatype, answer.GetNeutral()),
				fmt.Sprintf("write a number of at most %v, or leave it out for NaN", most))
		}
		return
	}
	least, most, _ := integerRange(datatype)
	switch value := answer.GetNeutral(); {
	case !number:
		c.complain(at, fmt.Sprintf("nothing says what a withheld row holds: %v has no NaN", datatype), "add neutral, a number that no client takes for an answer")
	case value != math.Trunc(value) || !(value >= least && value <= most):
		c.complain(at.field("neutral"), fmt.Sprintf("%v can't hold %v", datatype, value), fmt.Sprintf("write a whole number from %.0f to %.0f", least, most))
	}
}

// The largest finite numbers of the half-precision formats: IEEE 754 binary16, and bfloat16, which has the range of FP32 with 8
// bits of precision.
const (
	largestFP16 = 65504
	largestBF16 = 0x1.FEp127
)

// largestFloat is the largest finite number that a datatype of floats can hold.
func largestFloat(datatype wire.Datatype) float64 {
	switch datatype {
	case wire.FP16:
		return largestFP16
	case wire.BF16:
		return largestBF16
	case wire.FP32:
		return math.MaxFloat32
	}
	return math.MaxFloat64
}

// integerRange is what a datatype of whole numbers (or BOOL) can hold, as far as a float64 can say it without rounding up.
func integerRange(datatype wire.Datatype) (least, most float64, ok bool) {
	const exact = 1 << 53
	switch datatype {
	case wire.BOOL:
		return 0, 1, true
	case wire.UINT8:
		return 0, math.MaxUint8, true
	case wire.UINT16:
		return 0, math.MaxUint16, true
	case wire.UINT32:
		return 0, math.MaxUint32, true
	case wire.UINT64:
		return 0, exact, true
	case wire.INT8:
		return math.MinInt8, math.MaxInt8, true
	case wire.INT16:
		return math.MinInt16, math.MaxInt16, true
	case wire.INT32:
		return math.MinInt32, math.MaxInt32, true
	case wire.INT64:
		return -exact, exact, true
	}
	return 0, 0, false
}
