package conformance_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// outcome is a line of a client's report; see clients/report.py.
type outcome struct {
	Check string
	// Code is the status; CLIENT: the client couldn't make the call or read the answer.
	Code    string
	Message string
	Answers []answer
	// Facts is what a call answered that is no inference.
	Facts any
	// Trailers are the names of Candor's, where a client shows trailers.
	Trailers []string
	// Done is on the last line: how many outcomes there were.
	Done *int
}

// answer is a ModelInferResponse, or an error that came in its place on a stream.
type answer struct {
	Error      string
	Model      string
	Version    string
	ID         string
	Parameters map[string]string
	Outputs    []output
}

type output struct {
	Name     string
	Datatype string
	Shape    []int64
	// Form is raw or typed.
	Form string
	// Data are the elements as raw contents, in hex, or a digest of many.
	Data       string
	Parameters map[string]string
}

// readOutcomes reads a client's report by check. A client that ended early has no last line, which is an error.
func readOutcomes(r io.Reader) (map[string]outcome, error) {
	all := map[string]outcome{}
	for dec := json.NewDecoder(r); ; {
		var o outcome
		switch err := dec.Decode(&o); {
		case errors.Is(err, io.EOF):
			return all, fmt.Errorf("it stopped after %d checks", len(all))
		case err != nil:
			return all, fmt.Errorf("its output is no report: %w", err)
		case o.Done != nil && *o.Done != len(all):
			return all, fmt.Errorf("it made %d checks and told of %d", *o.Done, len(all))
		case o.Done != nil:
			return all, nil
		}
		all[o.Check] = o
	}
}

// ours says whether a name is one that Candor added.
func ours(name string) bool { return strings.HasPrefix(name, "candor_") }

// split takes apart what Candor added and what is the server's own.
func (a answer) split() (own, added answer) {
	if a.Error != "" {
		return a, answer{}
	}
	own, added = a, answer{Parameters: map[string]string{}}
	own.Parameters, own.Outputs = map[string]string{}, nil
	for k, v := range a.Parameters {
		if ours(k) {
			added.Parameters[k] = v
		} else {
			own.Parameters[k] = v
		}
	}
	for _, o := range a.Outputs {
		if ours(o.Name) {
			added.Outputs = append(added.Outputs, o)
		} else {
			own.Outputs = append(own.Outputs, o)
		}
	}
	return own, added
}
