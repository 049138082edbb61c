package backend

import (
	"fmt"
	"time"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Class says what a failed call means for the model server's standing. The zero Class is no class.
type Class int

const (
	// Failed counts against the model server: it broke, hung to the end of an attempt, or gave an answer that its card
	// forbids. A call that an open breaker refused is Failed too, but counts no further.
	Failed Class = iota + 1
	// Overload is a limit on concurrency, the model server's or ours. It says nothing about health: the breaker ignores it.
	Overload
	// Excluded is the caller's own doing (it went away, it left too little time, its message is larger than our limit). The
	// breaker ignores it.
	Excluded
	// Alive is a refusal by a model server that works: it doesn't like the request. Such answers neither open a breaker nor
	// outvote failures; to a half-open breaker they are the sign of life that it asks for.
	Alive
)

// String returns the class in lower case, as logs and metrics show it.
func (c Class) String() string {
	switch c {
	case Failed:
		return "failed"
	case Overload:
		return "overload"
	case Excluded:
		return "excluded"
	case Alive:
		return "alive"
	}
	return "unknown"
}

// Failure is why a call gave no answer. It is a value made once and never changed.
type Failure struct {
	// Backend is the backend's name in the configuration.
	Backend string
	Class   Class
	// Reason is what a row's decision shows.
	Reason candorv1.Reason
	// Code is the model server's status code, or the one that fits what we inferred.
	Code codes.Code
	// Message is for people: one line of at most 160 bytes, without addresses or file paths.
	Message string
	// Source says who said so: the model server, or we inferred it.
	Source candorv1.FailureSource
	// Duration is how long the call took, refusals by us included.
	Duration time.Duration
	// Replica is the address of the replica that was called last; empty where the backend has one address. It is for operators:
	// callers never see it.
	Replica string
	// outlier: the replica that failed is out because of it, and the backend goes on without it.
	outlier bool
	// Attempts is how often the model server was called; 0: it was not.
	Attempts int
	// Tried are the attempts, where there was more than one. Waited is how long they waited for places in flight, all together, or the call did
	// that got none.
	Tried  []Attempt
	Waited time.Duration
	// RetryAfter is when another call may fare better; 0: not known; below 0: the model server asks for none. Of class Overload, and of a
	// call that an open breaker refused.
	RetryAfter time.Duration

	// began: something of an answer had come. pushback is what came with the failure about another attempt.
	began    bool
	pushback pushback
	// lost: another attempt of the same call was faster.
	lost bool
}

// Error returns one line that names the backend, the status code, and who said it.
func (f *Failure) Error() string {
	who := "inferred"
	if f.Source == candorv1.FailureSource_FAILURE_SOURCE_BACKEND {
		who = "said by the model server"
	}
	return fmt.Sprintf("backend %s: %s (%s): %s", f.Backend, f.Code, who, f.Message)
}

// inferred makes a Failure that we, not the model server, say.
func inferred(class Class, reason candorv1.Reason, code codes.Code, format string, args ...any) *Failure {
	return &Failure{
		Class: class, Reason: reason, Code: code, Message: fmt.Sprintf(format, args...),
		Source: candorv1.FailureSource_FAILURE_SOURCE_INFERRED,
	}
}

// cancelled is the Failure of a call whose caller went away.
func cancelled() *Failure {
	return inferred(Excluded, candorv1.Reason_REASON_DEADLINE, codes.Canceled, "the caller cancelled the call")
}

// copied is a Failure of its own for an observer: the call's goes on to count its attempts.
func copied(f *Failure) *Failure {
	if f == nil {
		return nil
	}
	own := *f
	return &own
}
