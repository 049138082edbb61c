package gateway

import (
	"encoding/hex"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/review"
)

// maxPayload is the most of a row's input that a review item keeps, in bytes of the encoded payload. A larger tensor is left
// out by name: a reviewer sees that it is missing rather than a part of it.
const maxPayload = 4 << 20

// deferRows makes the review items of the rows that go to a human, and of those that the coin chose to be judged.
func (g *Gateway) deferRows(c *call) {
	for i := range c.rows {
		r := &c.rows[i]
		kind := candorv1.ReviewKind_REVIEW_KIND_DEFERRED
		switch {
		case r.applied != candorv1.Route_ROUTE_DEFER && !r.released:
			r.state = candorv1.AnswerState_ANSWER_STATE_WITHHELD
		case r.applied == candorv1.Route_ROUTE_DEFER && !r.released:
			r.state = candorv1.AnswerState_ANSWER_STATE_PENDING
		}
		if r.applied != candorv1.Route_ROUTE_DEFER {
			if !r.chosen {
				continue
			}
			kind = candorv1.ReviewKind_REVIEW_KIND_AUDIT
		}
		item := g.itemOf(c, i)
		item.Kind = kind
		if kind == candorv1.ReviewKind_REVIEW_KIND_AUDIT {
			// Nobody waits for it: by its expected loss it would come last in every queue, and the certificate, which takes
			// verdicts in order, would stand still. A share of the claims is its own.
			item.Reasons = []candorv1.Reason{candorv1.Reason_REASON_AUDIT}
			item.Deadline = item.Created.Add(c.model.auditDeadline)
		}
		r.itemID = item.ID
		c.items = append(c.items, item)
	}
}

func (g *Gateway) itemOf(c *call, i int) review.Item {
	r, m := &c.rows[i], c.model
	f := c.fieldOf(r)
	now := g.ledger.Now()
	item := review.Item{
		ID:           uuid.Must(uuid.NewV7()).String(),
		Queue:        m.review.GetQueue(),
		State:        candorv1.ReviewState_REVIEW_STATE_PENDING,
		Release:      candorv1.ReleaseState_RELEASE_STATE_HELD,
		PredictionID: c.idText, Row: uint32(r.row), Field: f.Name,
		Model: m.name, Backend: m.primary.Name(), ModelVersion: m.backendCfg.GetVersion(), Consumer: c.who.Name,
		Reasons:      r.decision.Reasons,
		ExpectedLoss: g.lossOf(c, r),
		Created:      now, Deadline: now.Add(m.reviewDeadline),
		OnExpire: m.review.GetOnExpire(), DefaultLabel: f.defaultLabel, DefaultValue: f.defaultValue,
		Labels: f.Labels, Unit: f.Unit,
		Payload:             c.payload(r.row),
		Traceparent:         c.trace.traceparent(),
		SamplingProbability: 1,
		PolicyDigest:        m.digest,
		LimitInputs:         limitInputProtos(r.limitInputs, m.plan.limitUnits),
	}
	item.Wanted, item.Agree, item.Tolerance = g.agreement(item.Queue)
	for _, se := range r.stageEvidence {
		item.Answers = append(item.Answers, stageAnswer(se, c))
	}
	if r.chosen {
		item.SamplingProbability = *r.sampling()
		item.Sequences, item.Cluster = g.evidenceOf(c, r)
		item.Input = r.input[:]
	}
	if item.Payload != nil {
		sum, _ := hex.DecodeString(item.Payload.GetSha256())
		r.payload = sum
	}
	return item
}

// agreement is how many reviewers an item of the queue gets, how many must agree, and within what: the queue's agreement for the share
// of items that it says, one reviewer for the others.
func (g *Gateway) agreement(queue string) (wanted, agree uint32, tolerance float64) {
	a := g.plan().cfg.GetQueues()[queue].GetAgreement()
	if a == nil || !heads(a.GetShare()) {
		return 1, 1, 0
	}
	return a.GetReviewers(), a.GetAgree(), a.GetTolerance()
}

func stageAnswer(se stageEvidence, c *call) *candorv1.StageAnswer {
	s := c.stages[se.stage]
	return &candorv1.StageAnswer{
		Stage: s.Name, Version: s.Version, Label: se.evidence.Label, Value: se.evidence.Value,
		Confidence: se.evidence.Confidence, Probabilities: se.evidence.Probs,
	}
}

// payload is the row's input as its card declares it, without what the card redacts; nil when nothing is left.
func (c *call) payload(requestRow int) *candorv1.ReviewPayload {
	if n := len(c.items); n > 0 && c.items[n-1].Row == uint32(requestRow) {
		// Another field of the row.
		return c.items[n-1].Payload
	}
	p := &candorv1.ReviewPayload{}
	for _, spec := range c.model.backendCfg.GetCard().GetInputs() {
		t := c.req.Input(spec.GetName())
		if t == nil || spec.GetRedact() {
			continue
		}
		pt := c.payloadTensor(t, spec, requestRow)
		if proto.Size(p)+proto.Size(pt) > maxPayload {
			pt.Values, pt.Texts, pt.View = nil, nil, candorv1.PayloadView_PAYLOAD_VIEW_UNSPECIFIED
		}
		p.Tensors = append(p.Tensors, pt)
	}
	if len(p.Tensors) == 0 {
		return nil
	}
	_, sum, err := review.EncodePayload(p)
	if err != nil {
		return nil
	}
	p.Sha256 = hex.EncodeToString(sum[:])
	return p
}

// The least that an element takes in an encoded payload, in bytes: a number, and the tag and length of a text.
const (
	leastOfNumber = 8
	leastOfText   = 2
)

// payloadTensor is a row's part of an input; all of it when the tensor has no dimension for rows, as one that is shared. What would be too
// large isn't read: it would take many times the request's memory for nothing.
func (c *call) payloadTensor(t *wire.Tensor, spec *candorv1.InputSpec, requestRow int) *candorv1.PayloadTensor {
	pt := &candorv1.PayloadTensor{
		Name: spec.GetName(), Datatype: t.DatatypeName, View: spec.GetView(), Features: spec.GetFeatures(), Shape: t.Shape,
		ImageMax: spec.GetImageMax(),
	}
	least := leastOfNumber
	if t.Datatype == wire.BYTES {
		least = leastOfText
	}
	// The request has been validated: this can't fail, and a payload without a tensor is better than no item.
	switch reader, row, err := c.rowsOf(t, requestRow); {
	case err != nil:
	case reader.PerRow() > maxPayload/least:
		pt.View = candorv1.PayloadView_PAYLOAD_VIEW_UNSPECIFIED
	case t.Datatype == wire.BYTES:
		pt.Texts, _ = reader.Texts(row)
	default:
		pt.Values, _ = reader.Floats(row)
	}
	if whole := c.model.whole() || c.model.card.Shared(t.Name); !whole && len(t.Shape) > 0 {
		pt.Shape = t.Shape[1:] // empty where the row is one element
	}
	if w := int64(spec.GetImageWidth()); w > 0 && len(pt.Shape) == 1 {
		pt.Shape = []int64{pt.Shape[0] / w, w}
	}
	return pt
}
