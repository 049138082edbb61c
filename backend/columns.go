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

// columns are the tensors that Evidence reads of one field; those that the card doesn't declare are empty.
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

// decodeAbstain reads where the model abstains, which it does for all fields of a row; problem says why that can't be done.
func (c *Card) decodeAbstain(resp *wire.Response, rows int) (abstain column, problem string) {
	if c.abstain == "" {
		return column{}, ""
	}
	return readSingle(resp, c.abstain, rows, "a flag")
}

// decode reads the tensors of a score into s; problem says why that can't be done.
func (spec *scoreSpec) decode(resp *wire.Response, rows int, s *columns) (problem string) {
	if s.value, problem = readColumn(resp, spec.output, rows); problem != "" {
		return problem
	}
	one := s.value.per == 1
	switch labels := len(spec.labels); {
	case spec.kind == candorv1.ScoreKind_SCORE_KIND_REGRESSION:
		if !one {
			return fmt.Sprintf("output %q has %d numbers per row, a regression has one", spec.output, s.value.per)
		}
	case s.value.per != labels && !(one && labels == 2):
		return fmt.Sprintf("output %q has %d numbers per row for %d labels", spec.output, s.value.per, labels)
	}
	for _, single := range []struct {
		name, what string
		into       *column
	}{{spec.lower, "a bound", &s.lower}, {spec.upper, "a bound", &s.upper}, {spec.variance, "a variance", &s.variance}} {
		if single.name == "" {
			continue
		}
		if *single.into, problem = readSingle(resp, single.name, rows, single.what); problem != "" {
			return problem
		}
	}
	return ""
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
