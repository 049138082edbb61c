package gateway

import (
	"sync"
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
	// ctx ends at until, which leaves our own share of the caller's time.
	ctx   bounded
	until time.Time
	// defaulted is the deadline that the caller was given because it stated none; 0: it stated one.
	defaulted time.Duration

	id uuid.UUID
	// idText is id as people and messages write it.
	idText string
	start  time.Time
	who    *Principal
	model  *model
	req    *wire.Request
	ask    asked
	trace  *callTrace
	// told callers get a Prediction per row.
	told bool
	// shared: what the reply or an error holds is part of the call.
	shared bool
	// dialect is what the caller's client was made for, form the one in which it reads tensors.
	dialect candorv1.Dialect
	form    form

	// rows of the request, or, where the model has several fields, all fields of the first row, then those of the next: what is
	// decided, released, recorded and judged each for itself.
	rows        []row
	requestRows int
	// stages in the order in which they were asked; index 0 is the primary.
	stages []fallback.Stage
	// response of the primary; nil when it has none that could be used.
	response *wire.Response
	failure  *backend.Failure
	record   *candorv1.Record
	items    []review.Item
	// seats that its rows were admitted to.
	seats []*seat
	// holds the model's plan until it ends.
	holds bool
	// part: it is one of several answers to a request on a stream. vague: it may be the answer to another request.
	part, vague bool
	// facts of the call for expressions, made when they are first wanted.
	facts *facts
	// readers of the inputs' rows, by name, made when they are first wanted.
	readers map[string]*wire.RowReader

	// What calls need, in one piece with the call: one stage, the record, and what there is of each row.
	oneStage [1]fallback.Stage
	ownTrace callTrace
	room     recordRoom
	perRow   rowRooms
}

// calls are used again: what one takes is more than all else that a plain accept allocates.
var calls = sync.Pool{New: func() any { return new(call) }}

// asked is what the client named among the outputs, besides the model's own tensors.
type asked struct {
	// tensors of metadata, in the order asked.
	tensors []string
	// aware: it asked for candor_route, and so can read a row that was not answered.
	aware bool
	// added are score tensors that the client did not ask for.
	added map[string]bool
}

// row is one row of the call; of a model with several fields, one field of it.
type row struct {
	// row of the request, and the index into the model's fields.
	row, field int
	// evidence of the primary. Like every Evidence here it belongs to the stage that gave it, and nobody changes it.
	evidence *router.Evidence
	decision router.Decision
	// primaryThreshold is what the first pass compared with; nil when there was no second.
	primaryThreshold *float64
	// applied is what is done: what the decision says in mode enforce.
	applied candorv1.Route
	// answer is the Evidence whose answer is, or would be, released.
	answer *router.Evidence
	// answeredBy is the index into stages of answer; -1: none.
	answeredBy int
	// released says that the answer leaves with the reply, provisional or final.
	released bool
	state    candorv1.AnswerState
	action   string
	limit    string
	// limitInputs are what the limits ask of the request, for this answer and for those of people; badInput why one of them can't count it.
	limitInputs []limits.Input
	badInput    badInput
	// limitWords are of the limits that withheld the answer or would have; nil: none did.
	limitWords []*candorv1.LimitWord
	// segment of the policy's that the row is in; empty: the rest.
	segment string
	permit  limits.Permit
	// itemID of the review item; empty: none.
	itemID  string
	payload []byte
	// view is what the certificates of the row's segment license; nil: the policy promises nothing.
	view *view
	// tier is the last one that was asked, from 1; 0: the primary alone.
	tier int
	// q is the probability with which the row is chosen to be judged, chosen what the coin said, input what it was made of; 0: the row is no
	// evidence.
	q      float64
	chosen bool
	input  inputDigest
	// loss is what the answer is expected to cost, once it is weighed.
	loss    float64
	weighed bool
	// seat is the row's in its queue's desk; nil: none. spare: the first tier was asked only because nobody could judge the row.
	seat  *seat
	spare bool
	// stageEvidence has this row's Evidence of every stage that gave one, with the stage's index.
	stageEvidence []stageEvidence
}

type stageEvidence struct {
	stage    int
	evidence *router.Evidence
}

// plain says that the row took the way that needs no waiting for its record: accepted, nothing withheld, nothing deferred.
func (r *row) plain() bool {
	return r.applied == candorv1.Route_ROUTE_ACCEPT && r.itemID == "" && r.limit == "" && len(r.evidence.Faults) == 0
}

func (c *call) traceID() trace.TraceID { return c.trace.traceID() }

// end gives back what the call took. What others may still hold is left to the garbage collector: a stage that was cut off looks
// at the request, predictions and items share what they tell.
func (c *call) end() {
	c.ctx.stop()
	c.leave()
	if c.holds {
		c.model.plan.drop()
	}
	if c.response != nil {
		c.response.Free()
		c.response = nil
	}
	if len(c.stages) != 1 || len(c.items) > 0 || c.shared {
		return
	}
	c.req.Free()
	kept := c.perRow
	kept.clear()
	*c = call{} // in place: with a field it would be made beside the call and copied
	c.perRow = kept
	calls.Put(c)
}
