package condition

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
)

// MaxLength of an expression, in characters. config.proto has the same number.
const MaxLength = 4096

// Kind says what an expression is for, and with that which variables it has and which type its result.
type Kind int

const (
	// ForRow is a policy's condition: evidence, card, params, consumer, model and row; its result is a bool.
	ForRow Kind = iota + 1
	// ForCall is a segment: card, params, consumer and model, nothing that the answer decides; its result is a bool.
	ForCall
	// ForRule is an ensemble's rule: inputs, texts, params, consumer and model; its result is a label, or "" for none.
	ForRule
)

// variable of an expression.
type variable struct {
	name string
	is   *cel.Type
}

func (k Kind) variables() []variable {
	texts := cel.MapType(cel.StringType, cel.ListType(cel.StringType))
	numbers := cel.MapType(cel.StringType, cel.ListType(cel.DoubleType))
	of := []variable{{"consumer", cel.StringType}, {"model", cel.StringType}, {"params", cel.MapType(cel.StringType, cel.DynType)}}
	switch k {
	case ForRow:
		return append(of, variable{"card", cardType}, variable{"evidence", evidenceType}, variable{"row", cel.IntType})
	case ForCall:
		return append(of, variable{"card", cardType})
	case ForRule:
		return append(of, variable{"inputs", numbers}, variable{"texts", texts})
	}
	return nil
}

func (k Kind) names() []string {
	var names []string
	for _, v := range k.variables() {
		names = append(names, v.name)
	}
	return names
}

func (k Kind) result() *cel.Type {
	if k == ForRule {
		return cel.StringType
	}
	return cel.BoolType
}

// Program is a compiled expression. It is read-only and safe for concurrent use.
type Program struct {
	program cel.Program
	reads   reads
}

// Compile checks an expression and compiles it. Its error is an *Error.
func Compile(expr string, kind Kind) (*Program, error) {
	if kind.variables() == nil {
		return nil, &Error{Problem: fmt.Sprintf("there is no kind %d of expression", kind)}
	}
	if n := utf8.RuneCountInString(expr); n > MaxLength {
		return nil, &Error{Problem: fmt.Sprintf("has %d characters, more than %d", n, MaxLength), Remedy: "write less"}
	}
	if strings.TrimSpace(expr) == "" {
		return nil, &Error{Problem: "is empty", Remedy: "write an expression such as params.amount > 1000.0"}
	}
	env, err := environment(kind)
	if err != nil {
		return nil, &Error{Problem: "CEL can't be set up: " + oneLine(err.Error()), Remedy: "report this as a bug of candor"}
	}
	ast, issues := env.Compile(expr)
	if issues.Err() != nil {
		return nil, fromIssues(issues, kind, expr)
	}
	if got, want := ast.OutputType(), kind.result(); !got.IsExactType(want) {
		return nil, wrongResult(got, want)
	}
	found, fault := inspect(ast)
	if fault != nil {
		return nil, fault
	}
	bounded, err := costs(env, ast)
	if err != nil {
		return nil, err
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if !bounded {
		options = append(options, cel.CostLimit(CostLimit))
	}
	program, err := env.Program(ast, options...)
	if err != nil {
		return nil, &Error{Problem: oneLine(err.Error()), Remedy: "correct the constant that it speaks of"}
	}
	return &Program{program: program, reads: found}, nil
}

func wrongResult(got, want *cel.Type) *Error {
	e := &Error{Problem: fmt.Sprintf("its result is of type %s, not %s", cel.FormatCELType(got), cel.FormatCELType(want))}
	switch {
	case want == cel.StringType:
		e.Remedy = `write what is one of the labels or "", such as inputs.amount[0] > 100.0 ? "big" : ""`
	case got.IsExactType(cel.DynType):
		e.Remedy = "compare it with something, such as params.urgent == true"
	default:
		e.Remedy = "write a comparison, such as params.amount > 1000.0"
	}
	return e
}

func environment(kind Kind) (*cel.Env, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, err
	}
	options := []cel.EnvOption{
		cel.CustomTypeAdapter(registry), cel.CustomTypeProvider(provider{registry}),
		// Whether a client sends 1000 or 1000.0 is not what anybody wants to decide on.
		cel.CrossTypeNumericComparisons(true),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals()),
	}
	for _, v := range kind.variables() {
		options = append(options, cel.Variable(v.name, v.is))
	}
	return cel.NewEnv(options...)
}

// Bool evaluates a condition or a segment. An error says that the result isn't known: something that it reads is not there, or it
// cost too much.
func (p *Program) Bool(v *Vars) (bool, error) {
	out, err := p.eval(v)
	if err != nil {
		return false, err
	}
	b, ok := out.(types.Bool)
	if !ok {
		return false, fmt.Errorf("the result is a %s, not a bool", out.Type().TypeName())
	}
	return bool(b), nil
}

// Text evaluates a rule. Errors are as those of Bool.
func (p *Program) Text(v *Vars) (string, error) {
	out, err := p.eval(v)
	if err != nil {
		return "", err
	}
	s, ok := out.(types.String)
	if !ok {
		return "", fmt.Errorf("the result is a %s, not a string", out.Type().TypeName())
	}
	return string(s), nil
}

var errNoVars = errors.New("there are no variables")

// ErrTooDear ends an evaluation that reached [CostLimit].
var ErrTooDear = fmt.Errorf("it cost more than %d, the limit", CostLimit)

func (p *Program) eval(v *Vars) (ref.Val, error) {
	if v == nil {
		return nil, errNoVars
	}
	out, _, err := p.program.Eval(v)
	if err != nil {
		return nil, known(err)
	}
	return out, nil
}

// known tells an evaluation that was ended for its cost from others that failed.
func known(err error) error {
	var ended interpreter.EvalCancelledError
	if errors.As(err, &ended) && ended.Cause == interpreter.CostLimitExceeded {
		return ErrTooDear
	}
	return errors.New(oneLine(err.Error()))
}
