package gateway

import (
	"strings"
	"time"

	"github.com/candor-gateway/candor/backend"
	"github.com/candor-gateway/candor/fallback"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// triedOf are a backend's attempts as a stage has them; nil: there was at most one.
func triedOf(all []backend.Attempt) []fallback.Attempt {
	if len(all) == 0 {
		return nil
	}
	out := make([]fallback.Attempt, len(all))
	for i, a := range all {
		out[i] = fallback.Attempt{
			Number: a.Number, Start: a.Start, Duration: a.Duration, Waited: a.Waited, Replica: a.Replica, Hedge: a.Hedge, Lost: a.Lost,
		}
		if f := a.Failure; f != nil && !a.Lost {
			out[i].Failure = &fallback.Failure{Reason: f.Reason, Source: f.Source, Detail: f.Message}
		}
	}
	return out
}

// attemptRecords are a stage's attempts as its record has them, without what is only for operators.
func attemptRecords(tried []fallback.Attempt) []*candorv1.Attempt {
	if len(tried) == 0 {
		return nil
	}
	began := tried[0].Start.Add(-tried[0].Waited)
	out := make([]*candorv1.Attempt, len(tried))
	for i, a := range tried {
		out[i] = &candorv1.Attempt{
			StartUs: micros(a.Start.Sub(began)), DurationUs: micros(a.Duration), WaitedUs: micros(a.Waited), Hedge: a.Hedge, Lost: a.Lost,
		}
		if a.Failure != nil {
			out[i].Failure, out[i].FailureSource = a.Failure.Reason, a.Failure.Source
		}
	}
	return out
}

// repeated says that a stage took more than one attempt.
func repeated(s *fallback.Stage) bool { return s.Attempts > 1 }

// hedged says that an attempt was made beside a slow one.
func hedged(s *fallback.Stage) bool {
	for i := range s.Tried {
		if s.Tried[i].Hedge {
			return true
		}
	}
	return false
}

// wasShed says of a failure that the gateway gave the call no place in flight, so that nobody was asked.
func wasShed(reason candorv1.Reason, attempts int) bool {
	return reason == candorv1.Reason_REASON_OVERLOAD && attempts == 0
}

// shed says that a stage was refused a place in flight.
func shed(s *fallback.Stage) bool { return s.Failure != nil && wasShed(s.Failure.Reason, s.Attempts) }

// waitedMillis is a wait as metadata has it: whole milliseconds, at least 1 of one that was.
func waitedMillis(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return max(1, d.Milliseconds())
}

// troubleParams tell what the primary's stage met beside its attempts; of most calls nothing.
func (c *call) troubleParams(b []byte) []byte {
	if len(c.stages) == 0 {
		return b
	}
	s := &c.stages[0]
	if hedged(s) {
		b = wire.AppendParam(b, wire.Int64Param("candor_hedged", 1))
	}
	if s.Waited > 0 {
		b = wire.AppendParam(b, wire.Int64Param("candor_waited_ms", waitedMillis(s.Waited)))
	}
	if shed(s) {
		b = wire.AppendParam(b, wire.Int64Param("candor_shed", 1))
	}
	return b
}

// shortEvent is a kind of event as traces and pages name it: breaker_opened.
func shortEvent(k candorv1.BackendEventKind) string {
	return strings.ToLower(strings.TrimPrefix(k.String(), "BACKEND_EVENT_KIND_"))
}
