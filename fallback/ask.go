package fallback

import (
	"context"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// Ask asks one backend for these rows (indices into the caller's batch, ascending; not to be changed). It is called by several
// goroutines at once, one for each member. It should return soon after ctx ends: Run goes on without a member whose Ask
// doesn't, so it may still run when Run has returned. A panic in it is not recovered.
type Ask func(ctx context.Context, backend string, rows []int) Reply

// Reply is one backend's answer to an Ask.
type Reply struct {
	// Evidence has one element per row asked, in order; nil with a Failure.
	Evidence []router.Evidence
	Failure  *Failure
	// Version served, and Unix seconds of its creation.
	Version  string
	Created  int64
	Attempts int
	// Replica is which of a backend's several was called last; empty where it has one.
	Replica string
	// Tried are the attempts, where there was more than one; Waited is how long they waited for places in flight, all together.
	Tried  []Attempt
	Waited time.Duration
}

// Attempt is one call of a model server, of several for the same stage.
type Attempt struct {
	// Number from 1.
	Number int
	// Start is when it was sent, after it had Waited for its place.
	Start            time.Time
	Duration, Waited time.Duration
	// Replica is which of a backend's several was called; empty where it has one.
	Replica string
	// Hedge: it was made beside a slow one. Lost: it was given up because another was faster.
	Hedge, Lost bool
	// Failure is nil where it answered or was lost.
	Failure *Failure
}

// Failure says why a stage has no answer, and who said so.
type Failure struct {
	Reason candorv1.Reason
	Source candorv1.FailureSource
	Detail string
}

// Rule answers one row, an index into the caller's batch, by the rule with this source; empty: it abstains. It is called by one
// goroutine at a time.
type Rule func(source string, row int) (label string, err error)

// Stage is what was asked, for the record. A member that had not answered when its time was up has no Version, Created and
// Attempts.
type Stage struct {
	Kind          candorv1.StepKind
	Name, Version string
	// Parent is the ensemble that a member answered for.
	Parent string
	// Created is when its version was made, Unix seconds; 0: not known.
	Created int64
	// Start is the zero time of a stage that nobody was asked for.
	Start    time.Time
	Duration time.Duration
	Attempts int
	// Replica is which of a backend's several was called last; empty where it has one.
	Replica string
	// Tried and Waited are the Reply's.
	Tried  []Attempt
	Waited time.Duration
	// Rows that it was asked for, and its Evidence per row of them; nil with a Failure.
	Rows     []int
	Evidence []router.Evidence
	Failure  *Failure
}

// stageOf makes the record of a Reply, and a Failure of one that doesn't fit the rows asked.
func stageOf(kind candorv1.StepKind, name string, rows []int, r Reply, start time.Time) Stage {
	s := Stage{
		Kind: kind, Name: name, Version: r.Version, Created: r.Created, Start: start, Duration: time.Since(start), Attempts: r.Attempts, Replica: r.Replica, Rows: rows,
		Tried: r.Tried, Waited: r.Waited, Evidence: r.Evidence, Failure: r.Failure,
	}
	if s.Failure == nil && len(r.Evidence) != len(rows) {
		s.Evidence = nil
		s.Failure = &Failure{
			Reason: candorv1.Reason_REASON_CONTRACT_FAILURE, Source: candorv1.FailureSource_FAILURE_SOURCE_INFERRED,
			Detail: "another number of rows than was asked for",
		}
	}
	return s
}
