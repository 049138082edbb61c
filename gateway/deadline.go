package gateway

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Our share of a caller's deadline: what is left over when the stages have used theirs, so that the reply, with its reasons,
// still arrives. After letsencrypt/boulder's gRPC interceptors.
const (
	ownShareMax = 20 * time.Millisecond
	ownShareDiv = 10
)

// ownShare is our part of what is left of a caller's time.
func ownShare(left time.Duration) time.Duration { return min(ownShareMax, max(0, left)/ownShareDiv) }

// What is kept for the fallback of the time of a call: reserveUsual times what its slowest members usually need, in their order, but
// no less than a part of the whole, since they will be slower when the primary's load comes to them, and no more than half.
const (
	reserveUsual    = 4
	reserveLeastDiv = 8
	reserveMostDiv  = 2
)

// budget is the time of one call: when its stages end, and what the caller was given because it stated no deadline; 0: it stated one.
type budget struct {
	until     time.Time
	defaulted time.Duration
}

// allot makes the time of a call of what its caller leaves, and refuses a deadline that nobody in the model's ladder could keep: with
// less than the fastest answer of late, an attempt would only be work for nobody.
func allot(ctx context.Context, m *model, start time.Time) (budget, error) {
	var out budget
	deadline, ok := ctx.Deadline()
	if !ok {
		out.defaulted = m.plan.cfg.GetListen().GetDefaultDeadline().AsDuration()
		deadline = start.Add(out.defaulted)
	}
	left := deadline.Sub(start)
	least, why := m.backendCfg.GetMinTimeout().AsDuration(), "min_timeout of its backend"
	if fastest := m.fastest(start); fastest > least {
		least, why = fastest, "the fastest answer of the last minute"
	}
	if left-ownShare(left) < least {
		return out, errf(codes.DeadlineExceeded, candorv1.ErrorReason_ERROR_REASON_DEADLINE_TOO_SHORT,
			"%v are left, and a prediction of %q needs %v (%s); send a deadline of at least %v", left.Round(time.Millisecond), m.name,
			least.Round(time.Microsecond), why, withOwnShare(least)).
			with("left_ms", millis(left)).with("needed_ms", millis(least+time.Millisecond-1))
	}
	out.until = deadline.Add(-ownShare(left))
	return out, nil
}

// withOwnShare is the deadline, in whole milliseconds, that leaves least when our share is taken off.
func withOwnShare(least time.Duration) time.Duration {
	whole := min(least*ownShareDiv/(ownShareDiv-1), least+ownShareMax)
	return (whole + time.Millisecond - 1).Truncate(time.Millisecond)
}

// fastest is the least time in which anybody in the ladder has answered of late; 0: not known, or a rule or constant can answer
// without being asked over the network.
func (m *model) fastest(now time.Time) time.Duration {
	least, known := m.primary.Fastest(now)
	if !known {
		return 0
	}
	for _, b := range m.behind {
		f, known := b.Fastest(now)
		if !known {
			return 0
		}
		least = min(least, f)
	}
	if m.unasked {
		return 0
	}
	return least
}

// primaryUntil is how long the primary may take: with a fallback behind it, as long as leaves enough for an answer from somebody
// else. While nobody knows how long those take, that is half.
func (m *model) primaryUntil(from, until time.Time) time.Time {
	if len(m.tiers) == 0 {
		return until
	}
	left := until.Sub(from)
	return until.Add(-m.reserve(left))
}

func (m *model) reserve(left time.Duration) time.Duration {
	most := left / reserveMostDiv
	usual := time.Duration(0)
	for _, stage := range m.stagesBehind {
		slowest := time.Duration(0)
		for _, b := range stage {
			takes, known := b.Usual()
			if !known {
				return most
			}
			slowest = max(slowest, takes)
		}
		usual += slowest
	}
	return min(most, max(left/reserveLeastDiv, reserveUsual*usual))
}

// lineUp notes who is behind the primary: stages that are asked one after another, each with the backends that are asked at once.
func (m *model) lineUp(backends map[string]*backend.Backend) {
	for _, e := range m.tiers {
		var members []*backend.Backend
		for _, member := range e.Members {
			members = append(members, backends[member.Backend])
		}
		m.stagesBehind = append(m.stagesBehind, members)
		for _, r := range e.Remedials {
			if r.Backend == "" {
				m.unasked = true
				continue
			}
			m.stagesBehind = append(m.stagesBehind, []*backend.Backend{backends[r.Backend]})
		}
	}
	for _, stage := range m.stagesBehind {
		m.behind = append(m.behind, stage...)
	}
}
