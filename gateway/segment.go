package gateway

import (
	"fmt"

	"github.com/candor-gateway/candor/condition"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// segments of a promise, in order. Read-only and safe for concurrent use.
type segments []segment

type segment struct {
	name    string
	program *condition.Program
}

// newSegments compiles a promise's segments. Errors name the field, relative to the promise.
func newSegments(specs []*candorv1.Segment) (segments, error) {
	var out segments
	for i, spec := range specs {
		p, err := condition.Compile(spec.GetWhen(), condition.ForCall)
		if err != nil {
			return nil, fmt.Errorf("segments[%d].when: %w", i, err)
		}
		out = append(out, segment{name: spec.GetName(), program: p})
	}
	return out, nil
}

// of answers the segment that a call is in: the first that matches. Empty: the rest, which is also where a call goes for which
// that can't be computed.
func (s segments) of(g *Gateway, c *call) string {
	if len(s) == 0 {
		return ""
	}
	vars := &g.factsOf(c).vars
	for i := range s {
		switch in, err := s[i].program.Bool(vars); {
		case err != nil:
			return ""
		case in:
			return s[i].name
		}
	}
	return ""
}
