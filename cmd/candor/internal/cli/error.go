package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// Exit statuses.
const (
	StatusFailed = 1
	// StatusUsage is for a command line that makes no sense: nothing was tried.
	StatusUsage = 2
)

// Error is a failure in the words that a person at a terminal needs: what happened, and what to do about it.
type Error struct {
	// What and Remedy are clauses without a full stop; Remedy may be empty.
	What, Remedy string
	// Status is the exit status; 0: StatusFailed.
	Status int
	// Err is the cause, for errors.Is and errors.As; it isn't printed. May be nil.
	Err error
}

// Error is "what; remedy".
func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.What
	}
	return e.What + "; " + e.Remedy
}

// Unwrap answers the cause.
func (e *Error) Unwrap() error { return e.Err }

// Fail makes an Error of a format with a remedy. A %w among the verbs becomes its cause.
func Fail(remedy, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &Error{What: err.Error(), Remedy: remedy, Err: err}
}

// Usage makes an Error about the command line, with exit status 2.
func Usage(remedy, format string, args ...any) error {
	return &Error{What: fmt.Sprintf(format, args...), Remedy: remedy, Status: StatusUsage}
}

// told is an outcome that the command has already printed, as what it was asked for.
type told int

func (t told) Error() string { return fmt.Sprintf("exit status %d", int(t)) }

// Told makes an error that only sets the exit status: what there is to say has been written already.
func Told(status int) error { return told(status) }

// Report writes the error to w, unless it was told, and answers the exit status; 0 for nil.
func Report(w io.Writer, err error) int {
	if err == nil {
		return 0
	}
	var t told
	if errors.As(err, &t) {
		return int(t)
	}
	_, _ = fmt.Fprintf(w, "candor: %s\n", strings.TrimRight(err.Error(), "\n"))
	var e *Error
	if errors.As(err, &e) && e.Status != 0 {
		return e.Status
	}
	return StatusFailed
}
