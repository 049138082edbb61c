package backend

import (
	"fmt"
	"math"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/router"
)

// column holds the numbers of one tensor, per of them for each row.
type column struct {
	numbers []float64
	per     int
}

func (c column) row(i int) []float64 {
	return c.numbers[i*c.per : (i+1)*c.per : (i+1)*c.per]
}

// columns are the tensors that Evidence reads; those that the card doesn't declare are empty.
type columns struct{ value, lower, upper, variance, abstain column }

// into puts row i's numbers into a score; problem says why the row can't be read.
func (s *columns) into(in *router.Scores, i int) (problem string) {
	if s.abstain.per > 0 {
		flag := s.abstain.row(i)[0]
		if math.IsNaN(flag) {
			return "whether the model abstains is NaN"
		}
		in.Abstained = flag != 0
	}
	if s.value.per > 0 {
		in.Values = s.value.row(i)
	}
	if s.lower.per > 0 {
		in.Lower, in.Upper = &s.lower.row(i)[0], &s.upper.row(i)[0]
	}
	if s.variance.per > 0 {
		in.Variance = &s.variance.row(i)[0]
	}
	return ""
}

// decode reads the tensors of the score and of abstention; problem says why that can't be done.
func (c *Card) decode(resp *wire.Response, rows int) (s columns, problem string) {
	if c.abstain != "" {
		if s.abstain, problem = readSingle(resp, c.abstain, rows, "a flag"); problem != "" {
			return s, problem
		}
	}
	if c.score == nil {
		return s, ""
	}
	if s.value, problem = readColumn(resp, c.score.output, rows); problem != "" {
		return s, problem
	}
	one := s.value.per == 1
	switch labels := len(c.score.labels); {
	case c.score.kind == candorv1.ScoreKind_SCORE_KIND_REGRESSION:
		if !one {
			return s, fmt.Sprintf("output %q has %d numbers per row, a regression has one", c.score.output, s.value.per)
		}
	case s.value.per != labels && !(one && labels == 2):
		return s, fmt.Sprintf("output %q has %d numbers per row for %d labels", c.score.output, s.value.per, labels)
	}
	for _, single := range []struct {
		name, what string
		into       *column
	}{{c.score.lower, "a bound", &s.lower}, {c.score.upper, "a bound", &s.upper}, {c.score.variance, "a variance", &s.variance}} {
		if single.name == "" {
			continue
		}
		if *single.into, problem = readSingle(resp, single.name, rows, single.what); problem != "" {
			return s, problem
		}
	}
	return s, ""
}

// readSingle reads a tensor with one number for each row.
func readSingle(resp *wire.Response, name string, rows int, what string) (column, string) {
	c, problem := readColumn(resp, name, rows)
	if problem == "" && c.per != 1 {
		return column{}, fmt.Sprintf("output %q has %d numbers per row, %s has one", name, c.per, what)
	}
	return c, problem
}

func readColumn(resp *wire.Response, name string, rows int) (column, string) {
	numbers, err := resp.Output(name).Floats(nil)
	if err != nil {
		return column{}, fmt.Sprintf("output %q can't be read: %v", name, err)
	}
	if len(numbers) == 0 || len(numbers)%rows != 0 {
		return column{}, fmt.Sprintf("output %q has %d numbers for %d rows", name, len(numbers), rows)
	}
	return column{numbers, len(numbers) / rows}, ""
}
