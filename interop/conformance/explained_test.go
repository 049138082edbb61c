package conformance_test

import (
	"slices"
	"strings"
)

// explained is a difference that is meant to be, with its reason. It is held exactly: every client that makes one of the checks at
// the server sees this difference, and one that nobody sees is a failure.
type explained struct {
	server string
	checks []string
	// answered: every inference that is answered, in place of a list of checks.
	answered bool
	// clients that see it, by title; none: all that make the check.
	clients []string
	difference
	why string
}

// claims says whether the explanation is about what the client sees in the check.
func (e explained) claims(s *server, c *client, k testCase) bool {
	if e.server != s.name || len(e.clients) > 0 && !slices.Contains(e.clients, c.title) {
		return false
	}
	return e.answered && k.good || slices.Contains(e.checks, k.Name)
}

func (e explained) where() string {
	where := e.server + ", " + strings.Join(e.checks, "; ")
	if e.answered {
		where = e.server + ", every inference that is answered"
	}
	if len(e.clients) > 0 {
		where += " (" + strings.Join(e.clients, ", ") + ")"
	}
	return where
}

// refusal is a good request that a server itself refuses, so that both ways end in an error.
type refusal struct{ server, check, code, why string }

var refusals = []refusal{
	{"mlserver", "5 MiB", "RESOURCE_EXHAUSTED", "It takes messages of up to 4 MiB, gRPC's default."},
}
