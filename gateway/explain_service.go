package gateway

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/defect"
)

type explainService struct {
	candorv1.UnimplementedExplainServiceServer
	g *Gateway
}

func (s *explainService) ExplainPrediction(ctx context.Context, in *candorv1.ExplainPredictionRequest) (*candorv1.ExplainPredictionResponse, error) {
	if err := validate(in); err != nil {
		return nil, err
	}
	predictions, stored, items, err := s.g.story(ctx, principal(ctx), in.GetPredictionId())
	if err != nil {
		return nil, err
	}
	out := &candorv1.ExplainPredictionResponse{
		Predictions: predictions, Record: stored.Record.GetPrediction(), Writer: stored.Writer, Sequence: stored.Seq,
	}
	for i := range items {
		out.ReviewItems = append(out.ReviewItems, s.g.shown(principal(ctx), &items[i]))
	}
	return out, nil
}

func (s *explainService) SummarizeDecisions(ctx context.Context, in *candorv1.SummarizeDecisionsRequest) (*candorv1.SummarizeDecisionsResponse, error) {
	p := principal(ctx)
	if err := validate(in); err != nil {
		return nil, err
	}
	q := audit.Query{
		Since: in.GetSince().AsTime(), Until: s.g.ledger.Now(), Model: in.GetModel(), Consumer: in.GetConsumer(),
		Action: in.GetAction(), Route: in.GetRoute(), By: in.GetBy(),
	}
	if in.GetUntil() != nil {
		q.Until = in.GetUntil().AsTime()
	}
	if !q.Since.Before(q.Until) {
		return nil, invalid("since", "it is not before until")
	}
	if len(p.roles) == 0 {
		// A consumer without a role sees its own decisions.
		if q.Consumer != "" && q.Consumer != p.Name {
			_, err := requireRole(ctx, candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_OPERATOR)
			return nil, err
		}
		q.Consumer = p.Name
	}
	sum, err := s.g.ledger.Summarize(ctx, q)
	if err != nil {
		return nil, err
	}
	return summaryProto(sum), nil
}

func summaryProto(sum audit.Summary) *candorv1.SummarizeDecisionsResponse {
	out := &candorv1.SummarizeDecisionsResponse{Total: sum.Total, TotalBefore: sum.TotalBefore}
	for _, gr := range sum.Groups {
		out.Groups = append(out.Groups, &candorv1.SummarizeDecisionsResponse_Group{
			Keys: gr.Keys, Count: gr.Count, CountBefore: gr.CountBefore, ExamplePredictionId: gr.Example,
		})
	}
	return out
}

func (s *explainService) ListMonitors(ctx context.Context, in *candorv1.ListMonitorsRequest) (*candorv1.ListMonitorsResponse, error) {
	if _, err := requireRole(ctx, candorv1.Role_ROLE_OPERATOR, candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_REVIEWER); err != nil {
		return nil, err
	}
	pl := s.g.planOf(ctx)
	if _, ok := pl.models[in.GetModel()]; !ok && in.GetModel() != "" {
		return nil, errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_MODEL_NOT_FOUND,
			"there is no model %q; the configuration has %s", in.GetModel(), strings.Join(pl.modelNames, ", ")).with("model", in.GetModel())
	}
	return &candorv1.ListMonitorsResponse{Monitors: s.g.monitors.set.Status(in.GetModel())}, nil
}

// readyTimeout bounds how long a list of backends waits for one that doesn't answer.
const readyTimeout = time.Second

func (s *explainService) ListBackends(ctx context.Context, in *candorv1.ListBackendsRequest) (*candorv1.ListBackendsResponse, error) {
	if _, err := requireRole(ctx, candorv1.Role_ROLE_OPERATOR, candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_REVIEWER); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	// All at once: one that doesn't answer must not use up the time of the others.
	var all defect.Group
	var mu sync.Mutex
	out := &candorv1.ListBackendsResponse{}
	for _, b := range s.g.planOf(ctx).backends {
		all.Go(func() {
			status := s.g.backendStatus(ctx, b)
			mu.Lock()
			defer mu.Unlock()
			out.Backends = append(out.Backends, status)
		})
	}
	all.Wait()
	slices.SortFunc(out.Backends, func(a, b *candorv1.BackendStatus) int { return strings.Compare(a.GetName(), b.GetName()) })
	return out, nil
}

// backendStatus asks a model server whether it is ready, and who it is if that was asked too long ago.
func (g *Gateway) backendStatus(ctx context.Context, b *backend.Backend) *candorv1.BackendStatus {
	ready := b.Ready(ctx)
	b.Detect(ctx)
	st := b.Status()
	out := &candorv1.BackendStatus{
		Name: b.Name(), Address: b.Address(), Model: b.Model(), Version: b.Version(), Breaker: st.Breaker, Ready: ready,
		InFlight: st.InFlight, Calls: st.Calls, Failures: st.Failures, ContractFailures: st.ContractFailures,
		BreakerOpened: st.Opened, BreakerClosed: st.Closed, LastFailure: st.LastFailure,
		CreateTime: timestamppb.New(b.Card().Proto().GetCreatedAt().AsTime()),
		Dialect:    st.Speech.Dialect, DialectSource: st.Speech.Source, Server: st.Speech.Server, Owner: b.Card().Proto().GetOwner(),
		Replicas: replicaStatuses(st.Replicas), Panicking: st.Panicking,
		Retries: st.Retries, RetriesRefused: st.RetriesUnaffordable, RetryBudgetLeft: st.BudgetLeft,
		Limit: st.Limit, Queued: st.Queued, ShedLow: st.ShedLow, ShedNormal: st.ShedNormal, ShedHigh: st.ShedHigh,
		Hedges: st.Hedges, HedgesWon: st.HedgesWon, UnsureFailures: st.UnsureFailures,
	}
	fillStatus(out, &st)
	return out
}
