package gateway

import (
	"context"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	"github.com/candor-gateway/candor/backend"
	"github.com/candor-gateway/candor/fallback"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/router"
)

// call is one prediction on its way through Infer. It belongs to one goroutine.
type call struct {
	ctx    context.Context
	cancel context.CancelFunc

	id    uuid.UUID
	start time.Time
	who   *Principal
	model *model
	req   *wire.Request
	ask   asked
	trace *callTrace
	// typed callers get a Prediction per row, and understand every route.
	typed bool
	// dialect is what the caller's client was made for, form the one in which it reads tensors.
	dialect candorv1.Dialect
	form    form

	rows []row
	// stages in the order in which they were asked; index 0 is the primary.
	stages []fallback.Stage
	// response of the primary; nil when it has none that could be used.
	response *wire.Response
	failure  *backend.Failure
	record   *candorv1.Record
	items    []review.Item
}

// asked is what the client named among the outputs, besides the model's own tensors.
type asked struct {
	// tensors of metadata, in the order asked.
	tensors []string
	// aware: it asked for candor_route, and so can read a row that was not answered.
	aware bool
	// added are score tensors that the client did not ask for.
	added map[string]bool
}

// row is one row of the call.
type row struct {
	// evidence of the primary.
	evidence router.Evidence
	decision router.Decision
	// primaryThreshold is what the first pass compared with; nil when there was no second.
	primaryThreshold *float64
	// applied is what is done: what the decision says in mode enforce.
	applied candorv1.Route
	// answer is the Evidence whose answer is, or would be, released.
	answer router.Evidence
	// answeredBy is the index into stages of answer; -1: none.
	answeredBy int
	// released says that the answer leaves with the reply, provisional or final.
	released bool
	state    candorv1.AnswerState
	action   string
	limit    string
	permit   limits.Permit
	// itemID of the review item; empty: none.
	itemID  string
	payload []byte
	// stageEvidence has this row's Evidence of every stage that gave one, with the stage's index.
	stageEvidence []stageEvidence
}

type stageEvidence struct {
	stage    int
	evidence router.Evidence
}

// plain says that the row took the way that needs no waiting for its record: accepted, nothing withheld, nothing deferred.
func (r *row) plain() bool {
	return r.applied == candorv1.Route_ROUTE_ACCEPT && r.itemID == "" && r.limit == "" && len(r.evidence.Faults) == 0
}

func (c *call) traceID() trace.TraceID { return c.trace.traceID() }
