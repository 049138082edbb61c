package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	// File is the name that the text was read from.
	File string
	// Line and Column count from 1. A fault about something that is missing stands where its parent does.
	Line, Column int
	// Field is the path from the top, such as models.fraud.policy.accept.threshold or consumers.web.models[1]; empty for
	// the file as a whole.
	Field string
	// Problem says what is wrong, Remedy what to do about it: both are clauses without a capital or a full stop.
	Problem, Remedy string
	// Warning marks what a gateway can run with, but its operator surely doesn't want.
	Warning bool
}

// String is the fault on one line: "candor.yaml:12:7: models.fraud.primary: no backend is called x; write y".
func (f Fault) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", f.File, f.Line, f.Column)
	if f.Warning {
		b.WriteString("warning: ")
	}
	if f.Field != "" {
		b.WriteString(f.Field)
		b.WriteString(": ")
	}
	b.WriteString(f.Problem)
	if f.Remedy != "" {
		b.WriteString("; ")
		b.WriteString(f.Remedy)
	}
	return b.String()
}

// Faults are the faults of one configuration, sorted by position and without repetitions.
type Faults []Fault

// Error lists all of them, one a line, so that a person who sees only the error sees everything.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Errors are the faults that keep a gateway from starting.
func (fs Faults) Errors() Faults { return fs.only(false) }

// Warnings are the faults that don't.
func (fs Faults) Warnings() Faults { return fs.only(true) }

func (fs Faults) only(warning bool) Faults {
	var out Faults
	for _, f := range fs {
		if f.Warning == warning {
			out = append(out, f)
		}
	}
	return out
}

// sorted puts faults in the order of the text and drops repetitions.
func (fs Faults) sorted() Faults {
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Field, b.Field),
			cmp.Compare(a.Problem, b.Problem),
			cmp.Compare(a.Remedy, b.Remedy),
		)
	})
	return slices.Compact(fs)
}
