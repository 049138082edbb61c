package condition

import (
	"fmt"
	"math"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/types"
)

// CostLimit bounds what one evaluation may cost, in CEL's units: about one for each step, and one for each ten characters that are
// looked at. An expression that is estimated to need more is refused; an evaluation that needs more ends in an error.
// BenchmarkCostLimit measures how long that takes; it grows with the square of the limit, because that is how CEL counts.
const CostLimit = 10_000

// Sizes that the estimate assumes of what only a request can tell. Larger ones meet the limit while the expression runs.
const (
	usualText   = 256
	usualParams = 64
	usualLabels = 256
	usualFaults = 16
	usualInputs = 16
	usualRow    = 1024
	usualTexts  = 64
)

// MaxText is the longest text of a parameter that an expression reads, in bytes. Nobody counts what it costs to compare values
// whose types the request decides, so it is bounded by this.
const MaxText = 1 << 16

// Text is a text as a value of [Vars.Params]: itself, or, where it is longer than [MaxText], what makes every expression that reads
// it end in an error.
func Text(s string) any {
	if len(s) > MaxText {
		return types.NewErr("a text of %d bytes is more than %d", len(s), MaxText)
	}
	return s
}

// usual estimates with those sizes.
type usual struct{}

func (usual) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	path := node.Path()
	size := uint64(usualText)
	switch {
	case len(path) == 1 && path[0] == "params":
		size = usualParams
	case len(path) == 1:
		if path[0] == "inputs" || path[0] == "texts" {
			size = usualInputs
		}
	case len(path) == 2 && path[0] == "evidence" && path[1] == "probabilities":
		size = usualLabels
	case len(path) == 2 && path[0] == "evidence" && path[1] == "faults":
		size = usualFaults
	case len(path) == 2 && path[0] == "inputs" && path[1] == "@values":
		size = usualRow
	case len(path) == 2 && path[0] == "texts" && path[1] == "@values":
		size = usualTexts
	}
	return &checker.SizeEstimate{Min: 0, Max: size}
}

func (usual) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

// unbounded assumes nothing.
type unbounded struct{}

func (unbounded) EstimateSize(checker.AstNode) *checker.SizeEstimate {
	return &checker.SizeEstimate{Min: 0, Max: math.MaxUint64}
}

func (unbounded) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

// costs refuses an expression that is too dear, and says whether its form alone bounds it, whatever it is given: then nobody need
// count while it runs.
func costs(env *cel.Env, ast *cel.Ast) (bounded bool, err error) {
	estimate, err := env.EstimateCost(ast, usual{})
	if err != nil {
		return false, &Error{Problem: "its cost can't be estimated: " + oneLine(err.Error()), Remedy: "write a simpler expression"}
	}
	if estimate.Max > CostLimit {
		return false, &Error{
			Problem: fmt.Sprintf("it may cost %d, and the limit is %d", estimate.Max, CostLimit),
			Remedy:  "write it without one exists, all, map or filter inside of another, or with fewer of them",
		}
	}
	worst, err := env.EstimateCost(ast, unbounded{})
	return err == nil && worst.Max <= CostLimit, nil
}
