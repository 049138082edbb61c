package gateway

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

const goldenPrefix = "goldenItems/"

// CreateGoldenItem makes a question of an item, or of what the caller says.
func (s *reviewService) CreateGoldenItem(ctx context.Context, in *candorv1.CreateGoldenItemRequest) (*candorv1.CreateGoldenItemResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_SENIOR)
	if err != nil {
		return nil, err
	}
	var q review.Golden
	if in.GetItem() != "" {
		q, err = s.goldenOfItem(ctx, p, in)
	} else {
		q, err = s.goldenOfPayload(in.GetGolden())
	}
	if err != nil {
		return nil, err
	}
	if err := s.g.mayWork(p, q.Queue); err != nil {
		return nil, err
	}
	if err := fitsGolden(&q); err != nil {
		return nil, err
	}
	now := s.g.ledger.Now()
	q.ID, q.By, q.Created, q.Tolerance = uuid.Must(uuid.NewV7()).String(), p.Name, now, in.GetGolden().GetTolerance()
	stored, err := s.g.reviews.AddGolden(ctx, q, reviewBy(ctx, p), in.GetRequestId(), now)
	if err != nil {
		return nil, err
	}
	return &candorv1.CreateGoldenItemResponse{Golden: goldenProto(&stored)}, nil
}

func (s *reviewService) goldenOfItem(ctx context.Context, p *Principal, in *candorv1.CreateGoldenItemRequest) (review.Golden, error) {
	item, err := s.item(ctx, p, in.GetItem())
	if err != nil {
		return review.Golden{}, err
	}
	q := review.Golden{
		Queue: item.Queue, Model: item.Model, Field: item.Field, Backend: item.Backend, ModelVersion: item.ModelVersion, Consumer: item.Consumer,
		Labels: item.Labels, Unit: item.Unit, Payload: item.Payload, Answers: item.Answers, Answer: in.GetGolden().GetAnswer(),
	}
	if in.GetGolden().GetQueue() != "" {
		if err := s.g.knownQueue(in.GetGolden().GetQueue()); err != nil {
			return review.Golden{}, err
		}
		q.Queue = in.GetGolden().GetQueue()
	}
	if len(q.Payload.GetTensors()) == 0 {
		return review.Golden{}, invalid("item", "nothing of its input is kept any more: send golden with a payload")
	}
	if q.Answer == nil {
		if !item.Final() {
			return review.Golden{}, s.refused(ctx, review.ErrNotFinal, in.GetItem())
		}
		if q.Answer = review.AnswerOf(item.Verdict); q.Answer == nil {
			return review.Golden{}, invalid("golden.answer", "the item has no answer of its own: send the right one")
		}
	}
	return q, nil
}

func (s *reviewService) goldenOfPayload(in *candorv1.GoldenItem) (review.Golden, error) {
	q := review.Golden{
		Queue: in.GetQueue(), Model: in.GetModel(), Field: in.GetField(), Backend: in.GetBackend(), ModelVersion: in.GetModelVersion(),
		Labels: in.GetLabels(), Unit: in.GetUnit(), Payload: in.GetPayload(), Answers: in.GetAnswers(), Answer: in.GetAnswer(),
	}
	if q.Queue == "" || s.g.knownQueue(q.Queue) != nil {
		return q, invalid("golden.queue", "name a queue of the configuration, or send item")
	}
	m := s.g.plan().models[q.Model]
	if m == nil {
		return q, invalid("golden.model", "name a model of the configuration, one of "+list(s.g.plan().modelNames))
	}
	f := m.fieldNamed(q.Field)
	if f == nil {
		return q, invalid("golden.field", "model "+q.Model+" has no such field")
	}
	if len(q.Labels) == 0 && q.Unit == "" {
		q.Labels, q.Unit = f.Labels, f.Unit
	}
	if q.Backend == "" {
		q.Backend, q.ModelVersion = m.primary.Name(), m.backendCfg.GetVersion()
	}
	if len(q.Payload.GetTensors()) == 0 {
		return q, invalid("golden.payload", "a reviewer needs something to judge: send tensors")
	}
	if q.Payload.GetDeleted() {
		return q, invalid("golden.payload.deleted", "only a stored payload can be")
	}
	if _, _, err := review.EncodePayload(q.Payload); err != nil {
		return q, invalid("golden.payload.sha256", "it is not the digest of the tensors; leave it empty")
	}
	return q, nil
}

// fitsGolden refuses an answer that no verdict could have.
func fitsGolden(q *review.Golden) error {
	switch a := q.Answer.GetAnswer().(type) {
	case *candorv1.VerdictAnswer_Label:
		if !slices.Contains(q.Labels, a.Label) {
			return invalid("golden.answer.label", "it is none of the labels "+list(q.Labels))
		}
	case *candorv1.VerdictAnswer_Value:
		if len(q.Labels) > 0 || math.IsNaN(a.Value) || math.IsInf(a.Value, 0) {
			return invalid("golden.answer.value", "send a finite value where the model answers values, and a label where it answers labels")
		}
	default:
		return invalid("golden.answer", "say what is right: a label or a value")
	}
	return nil
}

func (s *reviewService) ListGoldenItems(ctx context.Context, in *candorv1.ListGoldenItemsRequest) (*candorv1.ListGoldenItemsResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_SENIOR)
	if err != nil {
		return nil, err
	}
	if err := s.g.knownQueue(in.GetQueue()); err != nil {
		return nil, err
	}
	if in.GetQueue() != "" {
		if err := s.g.mayWork(p, in.GetQueue()); err != nil {
			return nil, err
		}
	}
	const list = "goldenItems"
	before, err := positionOf(list, in.GetPageToken())
	if err != nil {
		return nil, err
	}
	limit := pageOf(in.GetPageSize(), pageSize)
	goldens, err := s.g.reviews.Goldens(ctx, in.GetQueue(), before, limit)
	if err != nil {
		return nil, err
	}
	out := &candorv1.ListGoldenItemsResponse{}
	for i := range goldens {
		if p.sees(goldens[i].Queue) {
			out.Golden = append(out.Golden, goldenProto(&goldens[i]))
		}
	}
	if len(goldens) == limit {
		out.NextPageToken = positionToken(list, goldens[limit-1].Position)
	}
	return out, nil
}

func (s *reviewService) DeleteGoldenItem(ctx context.Context, in *candorv1.DeleteGoldenItemRequest) (*candorv1.DeleteGoldenItemResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_SENIOR)
	if err != nil {
		return nil, err
	}
	err = s.g.reviews.DeleteGolden(ctx, strings.TrimPrefix(in.GetName(), goldenPrefix), reviewBy(ctx, p), s.g.ledger.Now())
	if errors.Is(err, review.ErrNotFound) {
		return nil, errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_GOLDEN_ITEM_NOT_FOUND,
			"there is no %s; ListGoldenItems has those that there are", in.GetName()).with("golden_item", in.GetName())
	}
	if err != nil {
		return nil, err
	}
	return &candorv1.DeleteGoldenItemResponse{}, nil
}

func goldenProto(q *review.Golden) *candorv1.GoldenItem {
	return &candorv1.GoldenItem{
		Name: goldenPrefix + q.ID, Queue: q.Queue, Model: q.Model, Field: q.Field, Labels: q.Labels, Unit: q.Unit, Payload: q.Payload,
		Answer: q.Answer, Tolerance: q.Tolerance, Author: q.By, CreateTime: timestamppb.New(q.Created), Shown: q.Shown, Right: q.Right,
		Backend: q.Backend, ModelVersion: q.ModelVersion, Answers: q.Answers,
	}
}
