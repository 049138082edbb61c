package condition

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/google/cel-go/cel"
)

// Error is why an expression doesn't compile.
type Error struct {
	// Line and Column in the expression, in characters, count from 1; 0: the expression as a whole.
	Line, Column int
	// Problem says what is wrong, Remedy what to do about it: both are clauses without a capital or a full stop.
	Problem, Remedy string
	// Name is one that is not known, and Known those that are; empty: that is not what is wrong.
	Name  string
	Known []string
}

// At says where, in words; empty: in the expression as a whole.
func (e *Error) At() string {
	switch {
	case e.Line == 0:
		return ""
	case e.Line == 1:
		return fmt.Sprintf("character %d", e.Column)
	}
	return fmt.Sprintf("line %d, character %d", e.Line, e.Column)
}

func (e *Error) Error() string {
	var b strings.Builder
	if at := e.At(); at != "" {
		b.WriteString(at + ": ")
	}
	b.WriteString(e.Problem)
	if e.Remedy != "" {
		b.WriteString("; " + e.Remedy)
	}
	return b.String()
}

// What the checker says of names that it doesn't know; TestUnknownNames holds these against it.
var (
	unknownName  = regexp.MustCompile(`^undeclared reference to '([^']*)'`)
	unknownField = regexp.MustCompile(`^undefined field '([^']*)'`)
	noOverload   = regexp.MustCompile(`(?s)^found no matching overload for '([^']*)' applied to '(.*)'$`)
)

// fromIssues is the first of CEL's complaints, in the order of the text.
func fromIssues(issues *cel.Issues, kind Kind, expr string) *Error {
	var first *cel.Error
	for _, e := range issues.Errors() {
		if first == nil || cmp.Or(cmp.Compare(e.Location.Line(), first.Location.Line()), cmp.Compare(e.Location.Column(), first.Location.Column())) < 0 {
			first = e
		}
	}
	if first == nil {
		return &Error{Problem: issues.String(), Remedy: "see docs/conditions.md"}
	}
	out := &Error{Line: max(first.Location.Line(), 0), Column: first.Location.Column() + 1, Problem: oneLine(first.Message), Remedy: "see docs/conditions.md"}
	if out.Line == 0 {
		out.Column = 0
	}
	switch {
	case unknownName.MatchString(first.Message):
		out.Name, out.Known = unknownName.FindStringSubmatch(first.Message)[1], kind.names()
		out.Problem = fmt.Sprintf("there is no name or function %q here", out.Name)
		out.Remedy = "write one of " + strings.Join(out.Known, ", ")
	case unknownField.MatchString(first.Message):
		out.Name = unknownField.FindStringSubmatch(first.Message)[1]
		out.Problem = fmt.Sprintf("there is no field %q", out.Name)
		if out.Known = fieldsOf(ownerOf(expr, out.Line, out.Column)); out.Known != nil {
			out.Remedy = "write one of " + strings.Join(out.Known, ", ")
		}
	case noOverload.MatchString(first.Message):
		parts := noOverload.FindStringSubmatch(first.Message)
		out.Problem = fmt.Sprintf("%s takes no %s", strings.Trim(parts[1], "_"), oneLine(parts[2]))
		out.Remedy = "compare values of one type; numbers in text become numbers with double()"
	}
	return out
}

// ownerOf names the type of the variable before the dot at this position, which is where CEL says that a field is unknown.
func ownerOf(expr string, line, column int) string {
	lines := strings.Split(expr, "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	before := []rune(lines[line-1])
	head := strings.TrimSpace(string(before[:min(max(column-1, 0), len(before))]))
	switch {
	case strings.HasSuffix(head, "evidence"):
		return evidenceName
	case strings.HasSuffix(head, "card"):
		return cardName
	}
	return ""
}

// oneLine keeps a message from others readable in a list of faults.
func oneLine(s string) string {
	const most = 200
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}
