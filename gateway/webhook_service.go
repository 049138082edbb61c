package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/webhook"
)

// webhookService is about the endpoints of the configuration; what the store knows of others is nobody's business.
type webhookService struct {
	candorv1.UnimplementedWebhookServiceServer
	g *Gateway
}

// defaultOverlap is how long the secret before signs beside a new one: a day to change it at the receiver.
const defaultOverlap = 24 * time.Hour

func (s *webhookService) ListWebhooks(ctx context.Context, in *candorv1.ListWebhooksRequest) (*candorv1.ListWebhooksResponse, error) {
	if _, err := allowed(ctx, in, candorv1.Role_ROLE_OPERATOR, candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_ADMIN); err != nil {
		return nil, err
	}
	out := &candorv1.ListWebhooksResponse{}
	for _, name := range slices.Sorted(maps.Keys(s.g.plan().cfg.GetWebhooks())) {
		w, err := s.endpoint(ctx, name)
		if err != nil {
			return nil, err
		}
		out.Webhooks = append(out.Webhooks, w)
	}
	return out, nil
}

// endpoint is one of the configuration, as people see it.
func (s *webhookService) endpoint(ctx context.Context, name string) (*candorv1.WebhookEndpoint, error) {
	e, err := s.g.webhooks.Webhook(ctx, name, s.g.ledger.Now())
	if err != nil {
		return nil, err
	}
	out := &candorv1.WebhookEndpoint{
		Name: "webhooks/" + name, Url: s.g.plan().cfg.GetWebhooks()[name].GetUrl(), DisabledReason: e.DisabledReason, DisableTime: moment(e.Disabled),
		PendingCount: e.Pending, FailedCount: e.Failed, LastSuccessTime: moment(e.LastSuccess), LastFailureTime: moment(e.LastFailure), LastError: e.LastError,
	}
	for _, secret := range e.Secrets {
		out.SecretHints = append(out.SecretHints, secret.Hint())
	}
	return out, nil
}

// moment is a time of a message; none for the zero time.
func moment(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// named answers the webhook's name without webhooks/, if the configuration has it.
func (s *webhookService) named(name string) (string, error) {
	name = strings.TrimPrefix(name, "webhooks/")
	if s.g.plan().cfg.GetWebhooks()[name] == nil {
		return "", webhookNotFound("webhook", name)
	}
	return name, nil
}

func webhookNotFound(what, name string) error {
	return errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_WEBHOOK_NOT_FOUND, "there is no %s %q", what, name).with(what, name)
}

func (s *webhookService) ListWebhookDeliveries(ctx context.Context, in *candorv1.ListWebhookDeliveriesRequest) (*candorv1.ListWebhookDeliveriesResponse, error) {
	if _, err := allowed(ctx, in, candorv1.Role_ROLE_OPERATOR, candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_ADMIN); err != nil {
		return nil, err
	}
	name, err := s.named(in.GetWebhook())
	if err != nil {
		return nil, err
	}
	deliveries, next, err := s.g.webhooks.Deliveries(ctx, webhook.Filter{
		Endpoint: name, State: in.GetState(), Limit: cmp.Or(int(in.GetPageSize()), pageSize), After: in.GetPageToken(),
	})
	if errors.Is(err, webhook.ErrPageToken) {
		return nil, foreignPage()
	}
	if err != nil {
		return nil, err
	}
	out := &candorv1.ListWebhookDeliveriesResponse{NextPageToken: next}
	for _, d := range deliveries {
		p := &candorv1.WebhookDelivery{
			Id: d.ID, Webhook: "webhooks/" + name, PredictionId: d.Key, State: d.State, Attempts: uint32(d.Attempts), CreateTime: moment(d.Created),
			DeliverTime: moment(d.Delivered), LastError: d.LastError, LastStatus: int32(d.LastStatus),
		}
		if d.State == candorv1.WebhookDeliveryState_WEBHOOK_DELIVERY_STATE_PENDING {
			p.NextAttemptTime = moment(d.Due)
		}
		out.Deliveries = append(out.Deliveries, p)
	}
	return out, nil
}

// change is what somebody with the role admin does to an endpoint.
func (s *webhookService) change(ctx context.Context, p *Principal, name string) (webhook.Change, error) {
	name, err := s.named(name)
	return webhook.Change{Endpoint: name, Now: s.g.ledger.Now(), By: p.Name, Remote: remoteAddress(ctx)}, err
}

func (s *webhookService) ReplayWebhook(ctx context.Context, in *candorv1.ReplayWebhookRequest) (*candorv1.ReplayWebhookResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_ADMIN)
	if err != nil {
		return nil, err
	}
	c, err := s.change(ctx, p, in.GetWebhook())
	if err != nil {
		return nil, err
	}
	r := webhook.Replay{Change: c, ID: in.GetId(), FailedOnly: in.GetFailedOnly(), FromStart: in.GetFromStart()}
	switch in.GetWhat().(type) {
	case *candorv1.ReplayWebhookRequest_Id:
		if r.ID == "" {
			return nil, invalid("id", "it is empty; send a delivery's id")
		}
	case *candorv1.ReplayWebhookRequest_Since:
		if !in.GetSince().IsValid() {
			return nil, invalid("since", "it is not a time between the years 1 and 9999")
		}
		r.Since = in.GetSince().AsTime()
	}
	n, err := s.g.webhooks.ReplayDeliveries(ctx, r)
	if errors.Is(err, webhook.ErrNotFound) {
		return nil, webhookNotFound("delivery", in.GetId())
	}
	if err != nil {
		return nil, err
	}
	s.g.plan().dispatcher.Wake(c.Endpoint)
	return &candorv1.ReplayWebhookResponse{Deliveries: n}, nil
}

func (s *webhookService) RotateWebhookSecret(ctx context.Context, in *candorv1.RotateWebhookSecretRequest) (*candorv1.RotateWebhookSecretResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_ADMIN)
	if err != nil {
		return nil, err
	}
	c, err := s.change(ctx, p, in.GetWebhook())
	if err != nil {
		return nil, err
	}
	overlap := defaultOverlap
	if in.GetOverlap() != nil {
		overlap = in.GetOverlap().AsDuration()
	}
	secret := webhook.NewSecret(c.Now)
	if err := s.g.webhooks.RotateWebhookSecret(ctx, c, secret, overlap); err != nil {
		return nil, err
	}
	s.g.log.InfoContext(ctx, "webhook secret rotated", slog.String("webhook", c.Endpoint), slog.String("by", c.By))
	s.g.plan().dispatcher.Wake(c.Endpoint)
	return &candorv1.RotateWebhookSecretResponse{Secret: secret.Text()}, nil
}

func (s *webhookService) TestWebhook(ctx context.Context, in *candorv1.TestWebhookRequest) (*candorv1.TestWebhookResponse, error) {
	if _, err := allowed(ctx, in, candorv1.Role_ROLE_ADMIN); err != nil {
		return nil, err
	}
	name, err := s.named(in.GetWebhook())
	if err != nil {
		return nil, err
	}
	now := s.g.ledger.Now()
	e, err := s.g.webhooks.Webhook(ctx, name, now)
	if err != nil {
		return nil, err
	}
	out := &candorv1.TestWebhookResponse{Id: "msg_test_" + uuid.NewString(), Error: "it has no secret yet; candor webhooks rotate makes one"}
	if len(e.Secrets) == 0 {
		return out, nil
	}
	data, err := json.Marshal(map[string]string{"webhook": "webhooks/" + name})
	if err != nil {
		return nil, err
	}
	body, err := webhook.Body(webhook.TypeTest, now, data)
	if err != nil {
		return nil, err
	}
	reply := s.g.sender.Send(ctx, targetOf(s.g.plan().cfg.GetWebhooks()[name]), webhook.Message{ID: out.Id, Body: body, Secrets: e.Secrets})
	out.Status, out.Duration, out.Error = int32(reply.Status), durationpb.New(reply.Duration), ""
	if reply.Err != nil {
		out.Error = reply.Err.Error()
	}
	return out, nil
}

func (s *webhookService) EnableWebhook(ctx context.Context, in *candorv1.EnableWebhookRequest) (*candorv1.EnableWebhookResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_ADMIN)
	if err != nil {
		return nil, err
	}
	c, err := s.change(ctx, p, in.GetWebhook())
	if err != nil {
		return nil, err
	}
	if err := s.g.webhooks.EnableWebhook(ctx, c); err != nil {
		return nil, err
	}
	s.g.plan().dispatcher.Wake(c.Endpoint)
	w, err := s.endpoint(ctx, c.Endpoint)
	if err != nil {
		return nil, err
	}
	return &candorv1.EnableWebhookResponse{Webhook: w}, nil
}
