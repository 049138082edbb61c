package audit

import (
	"errors"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// ErrNotFound: the log holds no record of that prediction.
var ErrNotFound = errors.New("audit: no such prediction")

// Stored is a record with its place in the log.
type Stored struct {
	Writer string
	Seq    uint64
	Record *candorv1.Record
}

// Query selects decisions to count: rows of predictions made in [Since, Until), and in the span of equal length before it.
type Query struct {
	Since, Until time.Time
	// Empty and unspecified match everything.
	Model, Consumer, Action string
	Route                   candorv1.Route
	// By groups, at most four; REASON counts a row once for each of its reasons.
	By []candorv1.GroupBy
}

// Summary answers a Query.
type Summary struct {
	Groups []Group
	// Total and TotalBefore count rows, each once, whatever the grouping.
	Total, TotalBefore int64
}

// Group is one combination of keys.
type Group struct {
	// Keys in the order of Query.By; enum keys in their short form (LOW_CONFIDENCE, ACCEPT).
	Keys               []string
	Count, CountBefore int64
	// Example is a prediction of the group within the span; empty: none.
	Example string
}
