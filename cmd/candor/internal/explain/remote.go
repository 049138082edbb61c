package explain

import (
	"context"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// gatewayLog asks a running gateway.
type gatewayLog struct {
	conn   *remote.Conn
	client candorv1.ExplainServiceClient
}

func (g *gatewayLog) close() error { return g.conn.Close() }

func (g *gatewayLog) find(ctx context.Context, id string) (source, error) {
	ctx, cancel := g.conn.Context(ctx)
	defer cancel()
	resp, err := g.client.ExplainPrediction(ctx, &candorv1.ExplainPredictionRequest{PredictionId: id})
	if err != nil {
		return source{}, err
	}
	s := source{
		record: resp.GetRecord(), items: resp.GetReviewItems(), writer: resp.GetWriter(), sequence: resp.GetSequence(),
		made: timeOfID(resp.GetRecord().GetPredictionId()),
	}
	s.certificates = g.certificates(ctx, s.record)
	s.events = g.events(ctx, s.items)
	for _, p := range resp.GetPredictions() {
		if t := p.GetCreateTime(); t != nil {
			s.made = t.AsTime()
		}
		if p.GetOutcome() != "" {
			s.outcomes = append(s.outcomes, outcome{Row: int(p.GetRow()), Field: p.GetField(), Answer: p.GetOutcome()})
		}
	}
	return s, nil
}

// certificates are those of the record's rows that the caller may see: a consumer without a role sees none.
func (g *gatewayLog) certificates(ctx context.Context, r *candorv1.PredictionRecord) map[string]*candorv1.Certificate {
	client, out := candorv1.NewCertificateServiceClient(g.conn), map[string]*candorv1.Certificate{}
	for id := range certificatesOf(r) {
		// The story is worth telling without it.
		resp, err := client.GetCertificate(ctx, &candorv1.GetCertificateRequest{Name: "certificates/" + id})
		if err == nil {
			out[id] = resp.GetCertificate()
		}
	}
	return out
}

// mostEvents of an item are told, and of at most as many items as there are rows told in full.
const mostEvents = 200

// events are the histories of the items that the caller may know them of: of a batch, of the first items.
func (g *gatewayLog) events(ctx context.Context, items []*candorv1.ReviewItem) map[string][]*candorv1.ReviewEvent {
	client, out := candorv1.NewReviewServiceClient(g.conn), map[string][]*candorv1.ReviewEvent{}
	for i, item := range items {
		if i == mostEvents {
			break
		}
		// The story is worth telling without it.
		resp, err := client.ListReviewEvents(ctx, &candorv1.ListReviewEventsRequest{Name: item.GetName(), PageSize: mostEvents})
		if err != nil {
			break
		}
		out[item.GetName()] = resp.GetEvents()
	}
	return out
}

// timeOfID is the time in a UUIDv7, to the millisecond.
func timeOfID(b []byte) time.Time {
	id, err := uuid.FromBytes(b)
	if err != nil {
		return time.Time{}
	}
	sec, nsec := id.Time().UnixTime()
	return time.Unix(sec, nsec)
}

func (g *gatewayLog) summarize(ctx context.Context, q audit.Query) (audit.Summary, error) {
	ctx, cancel := g.conn.Context(ctx)
	defer cancel()
	req := &candorv1.SummarizeDecisionsRequest{
		Since: timestamppb.New(q.Since), Model: q.Model, Consumer: q.Consumer, Action: q.Action, Route: q.Route, By: q.By,
	}
	if !q.Until.IsZero() {
		req.Until = timestamppb.New(q.Until)
	}
	resp, err := g.client.SummarizeDecisions(ctx, req)
	if err != nil {
		return audit.Summary{}, err
	}
	sum := audit.Summary{Total: resp.GetTotal(), TotalBefore: resp.GetTotalBefore()}
	for _, gr := range resp.GetGroups() {
		sum.Groups = append(sum.Groups, audit.Group{
			Keys: gr.GetKeys(), Count: gr.GetCount(), CountBefore: gr.GetCountBefore(), Example: gr.GetExamplePredictionId(),
		})
	}
	return sum, nil
}
