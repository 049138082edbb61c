package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// AppealPrediction asks people to look at an answer again. Until they have, the answer stands.
func (s *reviewService) AppealPrediction(ctx context.Context, in *candorv1.AppealPredictionRequest) (*candorv1.AppealPredictionResponse, error) {
	p := principal(ctx)
	if err := validate(in); err != nil {
		return nil, err
	}
	id := strings.ToLower(in.GetPredictionId())
	notFound := errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_PREDICTION_NOT_FOUND, "there is no prediction %s", id).with("prediction_id", id)
	stored, err := s.g.ledger.Find(ctx, id)
	if errors.Is(err, audit.ErrNotFound) {
		return nil, notFound
	}
	if err != nil {
		return nil, err
	}
	pr := stored.Record.GetPrediction()
	if pr.GetConsumer() != p.Name && !p.has(candorv1.Role_ROLE_SENIOR) {
		return nil, notFound
	}
	if err := hasPlace(pr, in.GetRow(), in.GetField()); err != nil {
		return nil, err
	}
	items, err := s.g.itemsOf(ctx, id)
	if err != nil {
		return nil, err
	}
	items = slices.DeleteFunc(items, func(it review.Item) bool { return it.Row != in.GetRow() || it.Field != in.GetField() })
	appeal, err := s.g.appealOf(&stored, items, in)
	if err != nil {
		return nil, err
	}
	if p.Name != pr.GetConsumer() {
		exclude(&appeal, p.Name)
	}
	done, err := s.g.reviews.Appeal(ctx, appeal, p.Name, in.GetRequestId())
	var under *review.AppealedError
	if errors.As(err, &under) {
		return nil, appealRefused(id, "the row is under appeal already: wait for its answer").with("review_item", review.Name(under.Item))
	}
	if err != nil {
		return nil, err
	}
	return &candorv1.AppealPredictionResponse{Item: review.Name(done.ID)}, nil
}

func appealRefused(id, why string) *Error {
	return errf(codes.FailedPrecondition, candorv1.ErrorReason_ERROR_REASON_APPEAL_REFUSED, "prediction %s can't be appealed: %s", id, why).
		with("prediction_id", id)
}

// appealOf is the item of an appeal. items are the row's earlier ones, oldest first: nobody who judged one of them gets it.
func (g *Gateway) appealOf(stored *audit.Stored, items []review.Item, in *candorv1.AppealPredictionRequest) (review.Item, error) {
	pr := stored.Record.GetPrediction()
	id := uuidText(pr.GetPredictionId())
	m := g.plan().models[pr.GetModel()]
	f := g.fieldOf(pr.GetModel(), in.GetField())
	if m == nil || f == nil {
		return review.Item{}, appealRefused(id, "its model is no longer configured, so that no queue could judge it")
	}
	if m.review == nil {
		return review.Item{}, appealRefused(id, "the policy has no queue; an administrator can add models."+m.name+".policy.review")
	}
	row := pr.GetRows()[audit.Find(pr, in.GetRow(), in.GetField())]
	standing := answerOfRow(row, time.UnixMicro(stored.Record.GetTimeUs()))
	final := row.GetState() == candorv1.AnswerState_ANSWER_STATE_FINAL
	now := g.ledger.Now()
	it := review.Item{
		ID: uuid.Must(uuid.NewV7()).String(), Queue: m.review.GetQueue(), Kind: candorv1.ReviewKind_REVIEW_KIND_APPEAL,
		State: candorv1.ReviewState_REVIEW_STATE_PENDING, Release: candorv1.ReleaseState_RELEASE_STATE_HELD,
		PredictionID: id, Row: in.GetRow(), Field: in.GetField(), Model: m.name, Consumer: pr.GetConsumer(),
		Reasons: []candorv1.Reason{candorv1.Reason_REASON_APPEAL}, ExpectedLoss: 1, Created: now, Deadline: now.Add(m.reviewDeadline),
		OnExpire: m.review.GetOnExpire(), DefaultLabel: f.defaultLabel, DefaultValue: f.defaultValue, Labels: f.Labels, Unit: f.Unit,
		SamplingProbability: 1, PolicyDigest: pr.GetPolicyDigest(), AppealReason: in.GetReason(), LimitInputs: row.GetLimitInputs(),
	}
	if len(pr.GetStages()) > 0 {
		it.Backend, it.ModelVersion = pr.GetStages()[0].GetStage(), pr.GetStages()[0].GetVersion()
	}
	for _, a := range row.GetAnswers() {
		if int(a.GetStage()) < len(pr.GetStages()) {
			st := pr.GetStages()[a.GetStage()]
			it.Answers = append(it.Answers, &candorv1.StageAnswer{Stage: st.GetStage(), Version: st.GetVersion(), Label: a.GetLabel(), Confidence: fromPPM(a.ConfidencePpm)})
		}
	}
	it.Wanted, it.Agree, it.Tolerance = g.agreement(it.Queue)
	waiting := ""
	for i := range items {
		earlier := &items[i]
		for _, v := range slices.Concat(earlier.Verdicts, earlier.Superseded, []*candorv1.Verdict{earlier.Verdict}) {
			excludeAuthor(&it, v)
		}
		if len(earlier.Answers) > 0 {
			it.Answers = earlier.Answers
		}
		it.Traceparent = earlier.Traceparent
		switch {
		case !earlier.Awaited():
		case !earlier.Final():
			waiting = earlier.ID
		default:
			final, standing = true, earlier.Verdict
			it.Superseded = slices.Concat(earlier.Superseded, it.Superseded)
		}
	}
	// A row that is under appeal is the store's to refuse: it knows a retry.
	if !final {
		e := appealRefused(id, "there is no answer yet: wait for it")
		if waiting != "" {
			e.with("review_item", review.Name(waiting))
		}
		return review.Item{}, e
	}
	if standing != nil {
		it.Superseded = append([]*candorv1.Verdict{standing}, it.Superseded...)
	}
	return it, nil
}

// excludeAuthor keeps who gave a verdict from the item. The authors of an answer that several agree on stand in one text.
func excludeAuthor(it *review.Item, v *candorv1.Verdict) {
	for author := range strings.SplitSeq(v.GetAuthor(), ", ") {
		exclude(it, author)
	}
}

// exclude keeps somebody from the item, once: whoever appeals may have judged it, too.
func exclude(it *review.Item, reviewer string) {
	if reviewer == "" || slices.ContainsFunc(it.Excluded, func(x review.Exclusion) bool { return x.Reviewer == reviewer }) {
		return
	}
	it.Excluded = append(it.Excluded, review.Exclusion{Reviewer: reviewer})
}

// answerOfRow is what a record says was released, as a verdict of the stage that said it; nil: nothing was.
func answerOfRow(row *candorv1.RowRecord, made time.Time) *candorv1.Verdict {
	v := &candorv1.Verdict{CreateTime: timestamppb.New(made)}
	switch {
	case row.GetState() != candorv1.AnswerState_ANSWER_STATE_FINAL:
		return nil
	case row.Value != nil:
		v.Answer = &candorv1.Verdict_Value{Value: row.GetValue()}
	case row.GetLabel() != "":
		v.Answer = &candorv1.Verdict_Label{Label: row.GetLabel()}
	default:
		return nil
	}
	return v
}

// DeleteReviewPayload removes what an item shows.
func (s *reviewService) DeleteReviewPayload(ctx context.Context, in *candorv1.DeleteReviewPayloadRequest) (*candorv1.DeleteReviewPayloadResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_ADMIN)
	if err != nil {
		return nil, err
	}
	// Doing it twice is doing it once, so that the request id has nothing to decide.
	if err := s.g.reviews.DeletePayload(ctx, review.IDOf(in.GetName()), reviewBy(ctx, p), in.GetReason(), s.g.ledger.Now()); err != nil {
		return nil, s.refused(ctx, err, in.GetName())
	}
	return &candorv1.DeleteReviewPayloadResponse{}, nil
}
