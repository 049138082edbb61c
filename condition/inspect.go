package condition

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
)

// reads is what an expression looks at.
type reads struct {
	evidence, row, params bool
	// fields of evidence.
	fields map[string]bool
	// inputs by name; all: which ones can't be told.
	inputs map[string]bool
	all    bool
}

// ReadsEvidence says that the result depends on what the stage has answered.
func (p *Program) ReadsEvidence() bool { return p.reads.evidence }

// EvidenceFields are the names, sorted, of the fields of evidence that the expression reads.
func (p *Program) EvidenceFields() []string { return slices.Sorted(maps.Keys(p.reads.fields)) }

// ReadsParams says that the result depends on the request's parameters.
func (p *Program) ReadsParams() bool { return p.reads.params }

// PerCall says that the result is the same for every row of a call.
func (p *Program) PerCall() bool {
	return !p.reads.evidence && !p.reads.row && len(p.reads.inputs) == 0 && !p.reads.all
}

// Inputs are the names, sorted, of the inputs and texts that a rule reads; all says that it may read any.
func (p *Program) Inputs() (names []string, all bool) {
	return slices.Sorted(maps.Keys(p.reads.inputs)), p.reads.all
}

// inspect finds out what a checked expression reads, and complains about what the checker lets pass and no evaluation could do.
func inspect(checked *cel.Ast) (reads, *Error) {
	rep := checked.NativeRep()
	out := reads{inputs: map[string]bool{}, fields: map[string]bool{}}
	// parts are variables that stand where a field or an entry of theirs is read.
	parts := map[int64]string{}
	var fault *Error
	complain := func(e ast.Expr, problem, remedy string) {
		if fault == nil {
			at := rep.SourceInfo().GetStartLocation(e.ID())
			fault = &Error{Line: at.Line(), Column: at.Column() + 1, Problem: problem, Remedy: remedy}
		}
	}
	ast.PreOrderVisit(rep.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		switch e.Kind() {
		case ast.SelectKind:
			parts[e.AsSelect().Operand().ID()] = e.AsSelect().FieldName()
		case ast.CallKind:
			args := e.AsCall().Args()
			if e.AsCall().FunctionName() == "_[_]" && len(args) == 2 && args[1].Kind() == ast.LiteralKind {
				if name, ok := args[1].AsLiteral().(types.String); ok {
					parts[args[0].ID()] = string(name)
				}
			}
			overloads := rep.GetOverloadIDs(e.ID())
			// Nobody counts what it costs to join texts when only the request tells that they are texts.
			if e.AsCall().FunctionName() == "_+_" && len(overloads) > 1 {
				complain(e, "the types of what is added are known only when a request comes", "write double(...) or string(...) around a parameter")
			}
			for _, id := range overloads {
				if strings.HasPrefix(id, "timestamp_to_") && strings.HasSuffix(id, "_tz") {
					complain(e, "it would look a time zone up on the disk", "leave the zone out, for UTC")
				}
			}
		case ast.IdentKind:
			name := e.AsIdent()
			part, isPart := parts[e.ID()]
			switch name {
			case "row":
				out.row = true
			case "params":
				out.params = true
			case "evidence", "card":
				out.evidence = out.evidence || name == "evidence"
				if name == "evidence" && isPart {
					out.fields[part] = true
				}
				if !isPart {
					complain(e, fmt.Sprintf("%s is no value of its own", name), fmt.Sprintf("write one of its fields, such as %s.%s", name, fieldsOf("<" + name + ">")[0]))
				}
			case "inputs", "texts":
				if isPart {
					out.inputs[part] = true
				} else {
					out.all = true
				}
			}
		}
	}))
	return out, fault
}
