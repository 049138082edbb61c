package gateway

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
	"github.com/candor-gateway/candor/review"
)

// registerPredictions registers PredictionService with Predict on raw frames: its request holds an encoded ModelInferRequest,
// which takes the same path as ModelInfer's.
func registerPredictions(srv grpc.ServiceRegistrar, g *Gateway) {
	desc := candorv1.PredictionService_ServiceDesc
	desc.Methods = slices.Clone(desc.Methods)
	for i := range desc.Methods {
		if desc.Methods[i].MethodName == "Predict" {
			desc.Methods[i].Handler = rawUnary(candorv1.PredictionService_Predict_FullMethodName, (*predictionService).predict)
		}
	}
	srv.RegisterService(&desc, &predictionService{g: g})
}

type predictionService struct {
	candorv1.UnimplementedPredictionServiceServer
	g *Gateway
}

func (s *predictionService) predict(ctx context.Context, in *wire.Frame) (*wire.Frame, error) {
	request, err := wire.PredictRequest(in)
	if err != nil {
		return nil, fromWire(err)
	}
	reply, err := s.g.Infer(ctx, Caller{Principal: principal(ctx), Told: true, Aware: true}, request)
	if reply != nil {
		setTrailer(ctx, &Reply{PredictionID: reply.PredictionID}, err)
	}
	if err != nil {
		return nil, err
	}
	out, err := wire.PredictResponse(reply.Frame, &candorv1.PredictResponse{Predictions: reply.Predictions})
	if err != nil {
		return nil, err
	}
	return s.g.outgoing(out)
}

func (s *predictionService) GetPrediction(ctx context.Context, in *candorv1.GetPredictionRequest) (*candorv1.GetPredictionResponse, error) {
	if err := validate(in); err != nil {
		return nil, err
	}
	predictions, err := s.g.awaitFinal(ctx, principal(ctx), in.GetPredictionId(), in.GetWait().AsDuration())
	if err != nil {
		return nil, err
	}
	return &candorv1.GetPredictionResponse{Predictions: predictions}, nil
}

// story is all that is known of a prediction, for those who may know: the consumer who made it, and operators of any role.
func (g *Gateway) story(ctx context.Context, p *Principal, id string) ([]*candorv1.Prediction, audit.Stored, []review.Item, error) {
	// Capitals are allowed in a UUID (RFC 9562, section 4); stores compare text.
	id = strings.ToLower(id)
	notFound := errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_PREDICTION_NOT_FOUND, "there is no prediction %s", id).with("prediction_id", id)
	stored, err := g.ledger.Find(ctx, id)
	if errors.Is(err, audit.ErrNotFound) {
		return nil, audit.Stored{}, nil, notFound
	}
	if err != nil {
		return nil, audit.Stored{}, nil, err
	}
	pr := stored.Record.GetPrediction()
	if pr.GetConsumer() != p.Name && len(p.roles) == 0 {
		// Another consumer's prediction is nobody's business, its existence included.
		return nil, audit.Stored{}, nil, notFound
	}
	items, err := g.itemsOf(ctx, id)
	if err != nil {
		return nil, audit.Stored{}, nil, err
	}
	if err := g.refuseReviewer(p, id, items); err != nil {
		return nil, audit.Stored{}, nil, err
	}
	if len(p.roles) == 0 {
		stored.Record, items = withoutAudits(stored.Record, items)
	}
	outcomes, err := g.ledger.Outcomes(ctx, id)
	if err != nil {
		return nil, audit.Stored{}, nil, err
	}
	predictions := g.predictionsOf(stored.Record)
	for i := range items {
		if at := audit.Find(pr, items[i].Row, items[i].Field); at >= 0 {
			finish(predictions[at], &items[i])
		}
	}
	for _, o := range outcomes {
		if at := audit.Find(pr, o.GetRow(), o.GetField()); at >= 0 {
			predictions[at].Outcome = outcomeText(o)
		}
	}
	return predictions, stored, items, nil
}

// itemsPage is how many items of a prediction are read from the store at a time.
const itemsPage = 256

// itemsOf are a prediction's review items without payloads, oldest first: what is laid over the record later is newer.
func (g *Gateway) itemsOf(ctx context.Context, predictionID string) ([]review.Item, error) {
	f := review.Filter{PredictionID: predictionID, Limit: itemsPage}
	var items []review.Item
	for {
		page, err := g.reviews.List(ctx, f)
		if err != nil {
			return nil, err
		}
		items = append(items, page.Items...)
		if page.Next == "" {
			slices.Reverse(items)
			return items, nil
		}
		f.After = page.Next
	}
}

func outcomeText(o *candorv1.OutcomeRecord) string {
	if o.Value == nil {
		return o.GetLabel()
	}
	b, err := protojson.Marshal(&candorv1.OutcomeRecord{Value: o.Value})
	if err != nil {
		return ""
	}
	return string(b)
}

// watchPage is how many final answers are read from the store at a time.
const watchPage = 256

// WatchPredictions streams final answers from a position on. It takes no memory for a slow reader: what it hasn't sent is in
// the store.
func (s *predictionService) WatchPredictions(in *candorv1.WatchPredictionsRequest, stream grpc.ServerStreamingServer[candorv1.WatchPredictionsResponse]) error {
	ctx, p := stream.Context(), principal(stream.Context())
	if err := validate(in); err != nil {
		return err
	}
	if in.GetModel() != "" {
		if _, err := s.g.planOf(ctx).modelFor(p, in.GetModel(), ""); err != nil {
			return err
		}
	}
	position, err := s.g.position(ctx, in.GetResumeToken())
	if err != nil {
		return err
	}
	for {
		// Taken before reading, so that what is stored in between isn't missed.
		changed := s.g.ledger.Changed()
		finals, err := s.g.ledger.Finals(ctx, position, watchPage)
		if err != nil {
			return err
		}
		for i := range finals {
			position = finals[i].Position
			item := &finals[i].Item
			if item.Consumer != p.Name || (in.GetModel() != "" && item.Model != in.GetModel()) {
				continue
			}
			prediction, err := s.g.finalOf(ctx, item)
			if err != nil {
				return err
			}
			if err := stream.Send(&candorv1.WatchPredictionsResponse{Prediction: prediction, ResumeToken: s.g.token(position)}); err != nil {
				return err
			}
		}
		if len(finals) == watchPage {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.g.stopping:
			return draining("the gateway is shutting down; go on with the last resume_token at another replica")
		}
	}
}

// finalOf is the row's Prediction with the item's final answer.
func (g *Gateway) finalOf(ctx context.Context, item *review.Item) (*candorv1.Prediction, error) {
	stored, err := g.ledger.Find(ctx, item.PredictionID)
	if err != nil {
		return nil, err
	}
	predictions := g.predictionsOf(stored.Record)
	at := audit.Find(stored.Record.GetPrediction(), item.Row, item.Field)
	if at < 0 {
		g.log.ErrorContext(ctx, "a review item names a row that its prediction doesn't have", slog.String("review_item", item.ID))
		return nil, errf(codes.Internal, candorv1.ErrorReason_ERROR_REASON_INTERNAL, "review item %s names row %d of a prediction without it", item.ID, item.Row)
	}
	finish(predictions[at], item)
	return predictions[at], nil
}

// token and position turn a place in the feed of final answers into text and back. The store's id is part of it: a position in another
// store means nothing here, also in one that was made anew under the same identity.
func (g *Gateway) token(position uint64) string {
	b := binary.BigEndian.AppendUint64(nil, position)
	return base64.RawURLEncoding.EncodeToString(append(b, g.ledger.ID()...))
}

func (g *Gateway) position(ctx context.Context, token string) (uint64, error) {
	if token == "" {
		return 0, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) < 8 || string(b[8:]) != g.ledger.ID() {
		return 0, invalid("resume_token", "it is not a token of this store; leave it empty to begin anew")
	}
	position := binary.BigEndian.Uint64(b)
	// A token is of an entry. One that isn't there would be waited for, and what comes until then be missed.
	there, err := g.ledger.Finals(ctx, max(position, 1)-1, 1)
	if err != nil {
		return 0, err
	}
	if len(there) == 0 {
		return 0, invalid("resume_token", "the store has nothing at its place: it was put back to an earlier state; leave it empty to begin anew")
	}
	return position, nil
}

func (s *predictionService) RecordOutcome(ctx context.Context, in *candorv1.RecordOutcomeRequest) (*candorv1.RecordOutcomeResponse, error) {
	if err := validate(in); err != nil {
		return nil, err
	}
	_, stored, _, err := s.g.story(ctx, principal(ctx), in.GetPredictionId())
	if err != nil {
		return nil, err
	}
	pr := stored.Record.GetPrediction()
	if err := hasPlace(pr, in.GetRow(), in.GetField()); err != nil {
		return nil, err
	}
	id := uuid.MustParse(in.GetPredictionId())
	o := &candorv1.OutcomeRecord{PredictionId: id[:], Row: in.GetRow(), Field: in.GetField(), RequestId: in.GetRequestId(), ObserveTimeUs: s.g.ledger.Now().UnixMicro()}
	if t := in.GetObserveTime(); t != nil {
		if !t.IsValid() {
			return nil, invalid("observe_time", "it is not a time between the years 1 and 9999")
		}
		o.ObserveTimeUs = t.AsTime().UnixMicro()
	}
	f := s.g.fieldOf(pr.GetModel(), in.GetField())
	switch truth := in.GetTruth().(type) {
	case *candorv1.RecordOutcomeRequest_Label:
		o.Label = truth.Label
		if f != nil && !slices.Contains(f.Labels, truth.Label) {
			return nil, invalid("label", "it is none of the model's labels "+list(f.Labels))
		}
	case *candorv1.RecordOutcomeRequest_Value:
		if math.IsNaN(truth.Value) || (f != nil && len(f.Labels) > 0) {
			return nil, invalid("value", "the model answers labels; send label, one of "+list(f.Labels))
		}
		o.Value = &truth.Value
	}
	if err := s.g.ledger.RecordOutcome(ctx, o); err != nil {
		return nil, err
	}
	return &candorv1.RecordOutcomeResponse{}, nil
}

// hasPlace refuses a row or a field that the prediction doesn't have.
func hasPlace(pr *candorv1.PredictionRecord, row uint32, name string) error {
	if audit.Find(pr, row, name) >= 0 {
		return nil
	}
	last, first := uint32(0), ""
	var fields []string
	for i := range pr.GetRows() {
		var field string
		if last, field = audit.Place(pr, i); i == 0 {
			first = field
		}
		if field != "" && last == 0 {
			fields = append(fields, field)
		}
	}
	if row <= last && first == "" {
		return invalid("field", "the model has one field: leave it empty")
	}
	if row <= last {
		return invalid("field", "send one of the prediction's fields "+list(fields))
	}
	if last == 0 {
		return invalid("row", "the prediction has one row: leave it at 0")
	}
	return invalid("row", "the prediction has "+count(int(last)+1)+" rows, numbered from 0")
}
