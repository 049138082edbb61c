package config

import (
	"fmt"
	"math"
	"slices"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// score checks that a card's score can be read out of its outputs.
func (c *checker) score(at path, score *candorv1.Score, card *candorv1.ModelCard) {
	output := c.scoreOutput(at.field("output"), score.GetOutput(), card)
	c.repeated("the label", len(score.GetLabels()),
		func(i int) string { return score.GetLabels()[i] },
		func(i int) path { return at.field("labels").item(i) })
	for i, label := range score.GetLabels() {
		if label == "" && !c.lost(at.field("labels").item(i)) {
			c.complain(at.field("labels").item(i), "the label is empty", "write what the model means by it")
		}
	}
	if c.lostWithin(at) {
		return
	}
	switch score.GetKind() {
	case candorv1.ScoreKind_SCORE_KIND_UNSPECIFIED:
	case candorv1.ScoreKind_SCORE_KIND_REGRESSION:
		c.regression(at, score, card, output)
	default:
		c.classification(at, score, card, output)
	}
}

// abstains checks the output that says where the model gives no usable answer.
func (c *checker) abstains(at path, card *candorv1.ModelCard) {
	name := card.GetAbstainOutput()
	if name == "" || c.lost(at) {
		return
	}
	output := findOutput(card, name)
	reads := func(score *candorv1.Score) bool {
		r := score.GetRegression()
		return slices.Contains([]string{score.GetOutput(), r.GetLowerOutput(), r.GetUpperOutput(), r.GetVarianceOutput()}, name)
	}
	switch {
	case output == nil:
		c.noOutput(at, name, card)
		return
	case output.GetDatatype() == wire.BYTES.String():
		c.complain(at, name+" holds BYTES, and a flag is BOOL or a number", "name an output of BOOL or of a number")
	case slices.ContainsFunc(card.GetScores(), reads):
		c.complain(at, name+" is read as the score", "name an output that holds nothing but the flag")
	}
	c.oneNumber(at, output, card)
}

// scoreOutput looks up an output that numbers are read from.
func (c *checker) scoreOutput(at path, name string, card *candorv1.ModelCard) *candorv1.OutputSpec {
	output := findOutput(card, name)
	switch {
	case name == "" || c.lost(at):
	case output == nil:
		c.noOutput(at, name, card)
	default:
		if datatype, ok := wire.ParseDatatype(output.GetDatatype()); ok && !datatype.IsFloat() {
			c.complain(at, fmt.Sprintf("%s holds %v, and a score is a floating-point number", name, datatype), "name an output of FP16, BF16, FP32 or FP64")
		}
	}
	return output
}

// noOutput complains about a name that is none of the card's outputs.
func (c *checker) noOutput(at path, name string, card *candorv1.ModelCard) {
	var declared []string
	for _, output := range card.GetOutputs() {
		declared = append(declared, output.GetName())
	}
	c.complain(at, fmt.Sprintf("the card has no output %q", abridged(name)), choose(name, declared, "declare it among the card's outputs"))
}

func findOutput(card *candorv1.ModelCard, name string) *candorv1.OutputSpec {
	for _, output := range card.GetOutputs() {
		if output.GetName() == name {
			return output
		}
	}
	return nil
}

func (c *checker) classification(at path, score *candorv1.Score, card *candorv1.ModelCard, output *candorv1.OutputSpec) {
	if score.GetRegression() != nil {
		c.complain(at.field("regression"), fmt.Sprintf("a %s is no regression", short(score.GetKind())), "take it out, or write kind: regression")
	}
	metric := at.field("metric")
	switch distance := score.GetKind() == candorv1.ScoreKind_SCORE_KIND_DISTANCE; {
	case distance && strings.TrimSpace(score.GetMetric()) == "":
		c.complain(metric, "is missing: a distance without a metric is no number that anybody can judge", "add euclidean, cosine or whatever it is")
	case !distance && score.GetMetric() != "":
		c.complain(metric, fmt.Sprintf("a %s has no metric", short(score.GetKind())), "take it out, or write kind: distance")
	}
	labels, logOdds := len(score.GetLabels()), score.GetKind() == candorv1.ScoreKind_SCORE_KIND_LOG_ODDS
	switch {
	case labels == 0:
		c.complain(at, "has no labels", "add labels, in the order of the tensor; for one number: [negative, positive]")
		return
	case labels == 1:
		c.complain(at.field("labels"), "one label can't be told from anything", "write both: [negative, positive]")
		return
	case logOdds && labels != 2:
		c.complain(at.field("labels"), fmt.Sprintf("log-odds are about 2 labels, not %d", labels), "write [negative, positive], or kind: logit")
		return
	}
	n, known := int64(0), false
	if output != nil {
		n, known = rowElements(output.GetShape(), hasRows(card, false))
	}
	switch {
	case !known:
	case logOdds && n != 1:
		c.complain(at.field("kind"), fmt.Sprintf("log-odds are one number, but a row of %s has %d", score.GetOutput(), n), "write logit, or correct the output's shape")
	case n == 1 && labels != 2:
		c.complain(at.field("labels"), fmt.Sprintf("one number is about 2 labels, not %d", labels), "write [negative, positive], or correct the output's shape")
	case n != 1 && n != int64(labels):
		c.complain(at.field("labels"), fmt.Sprintf("names %d labels, but a row of %s has %d numbers", labels, score.GetOutput(), n), "write a label for each number, in the order of the tensor")
	}
}

func (c *checker) regression(at path, score *candorv1.Score, card *candorv1.ModelCard, output *candorv1.OutputSpec) {
	if len(score.GetLabels()) > 0 {
		c.complain(at.field("labels"), "a regression has no labels", "take them out")
	}
	if score.SumTolerance != nil {
		c.complain(at.field("sum_tolerance"), "a regression has no probabilities", "take it out")
	}
	if score.GetMetric() != "" {
		c.complain(at.field("metric"), "a regression has no metric", "take it out")
	}
	c.oneNumber(at.field("output"), output, card)
	regression := score.GetRegression()
	at = at.field("regression")
	if regression == nil {
		c.complain(at, "is missing", "add regression with the unit of the value")
		return
	}
	lower, upper := regression.GetLowerOutput(), regression.GetUpperOutput()
	if (lower == "") != (upper == "") {
		c.complain(at, "lower_output and upper_output belong together", "give both, or neither")
	}
	if lower != "" {
		c.oneNumber(at.field("lower_output"), c.scoreOutput(at.field("lower_output"), lower, card), card)
	}
	variance := regression.GetVarianceOutput()
	if variance != "" {
		here := at.field("variance_output")
		c.oneNumber(here, c.scoreOutput(here, variance, card), card)
		if lower != "" || upper != "" {
			c.complain(here, "stands beside lower_output and upper_output, and there is one interval", "keep it or them")
		}
	}
	for field, name := range map[string]string{"lower_output": lower, "upper_output": upper, "variance_output": variance} {
		if name != "" && name == score.GetOutput() {
			c.complain(at.field(field), "is the output with the value itself", "name the output with the bound or the variance")
		}
	}
	if upper != "" {
		c.oneNumber(at.field("upper_output"), c.scoreOutput(at.field("upper_output"), upper, card), card)
		if upper == lower && upper != score.GetOutput() {
			c.complain(at.field("upper_output"), "is the same output as lower_output", "name the output with the upper bound")
		}
	}
	if regression.Coverage != nil && lower == "" && upper == "" && variance == "" {
		c.warn(at.field("coverage"), "there is no interval that it could be the coverage of", "add lower_output and upper_output, or variance_output")
	}
	for _, bound := range []struct {
		field string
		value float64
	}{{"min", regression.GetMin()}, {"max", regression.GetMax()}} {
		if math.IsNaN(bound.value) {
			c.complain(at.field(bound.field), "is not a number", "write one, or leave it out")
			return
		}
	}
	if regression.Min != nil && regression.Max != nil && regression.GetMin() >= regression.GetMax() {
		c.complain(at.field("max"), fmt.Sprintf("is %v, not above min %v", regression.GetMax(), regression.GetMin()), "swap them")
	}
}

// oneNumber complains about an output, named at the path, that has several numbers for a row.
func (c *checker) oneNumber(at path, output *candorv1.OutputSpec, card *candorv1.ModelCard) {
	if output == nil {
		return
	}
	if n, known := rowElements(output.GetShape(), hasRows(card, false)); known && n != 1 {
		c.complain(at, fmt.Sprintf("a row of %s has %d numbers, not one", output.GetName(), n), "name an output with one number for each row")
	}
}
