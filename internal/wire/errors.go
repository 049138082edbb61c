package wire

import (
	"errors"
	"fmt"
)

// FieldError says what is wrong with one field of a message and what to send instead. Every error about a message's
// content is one; errors about how a function of this package was called are not.
type FieldError struct {
	// Field is the path of the field, for example inputs[1].contents; empty when the whole message is meant.
	Field string
	// Problem is what was found.
	Problem string
	// Remedy is what to send instead; it may be empty.
	Remedy string
}

// Error returns "field: problem; remedy".
func (e *FieldError) Error() string {
	s := e.Problem
	if e.Field != "" {
		s = e.Field + ": " + s
	}
	if e.Remedy != "" {
		s += "; " + e.Remedy
	}
	return s
}

// faultf returns a FieldError whose problem is formatted.
func faultf(field, remedy, problem string, args ...any) *FieldError {
	return &FieldError{Field: field, Problem: fmt.Sprintf(problem, args...), Remedy: remedy}
}

// within puts the path of the enclosing field before the path of a FieldError. index < 0 means that field isn't
// repeated.
func within(field string, index int, err error) error {
	if err == nil {
		return nil
	}
	var fe *FieldError
	if !errors.As(err, &fe) {
		return err
	}
	path := field
	if index >= 0 {
		path = fmt.Sprintf("%s[%d]", field, index)
	}
	if fe.Field != "" {
		path += "." + fe.Field
	}
	return &FieldError{Field: path, Problem: fe.Problem, Remedy: fe.Remedy}
}
