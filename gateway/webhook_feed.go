package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/webhook"
)

// webhookFeed is the ledger's feed of final answers in the form of webhooks.
type webhookFeed struct {
	g *Gateway
	// endpoints by name.
	endpoints map[string]*candorv1.Webhook
}

func (f webhookFeed) Changed() <-chan struct{} { return f.g.ledger.Changed() }

func (f webhookFeed) Now() time.Time { return f.g.ledger.Now() }

// Events answers final answers that the endpoint wants; see webhook.Feed.
func (f webhookFeed) Events(ctx context.Context, endpoint string, after uint64, limit int) ([]webhook.Event, uint64, error) {
	finals, err := f.g.ledger.Finals(ctx, after, limit)
	if err != nil {
		return nil, after, err
	}
	wanted := f.endpoints[endpoint]
	var out []webhook.Event
	for i := range finals {
		after = finals[i].Position
		item := &finals[i].Item
		if !among(wanted.GetModels(), item.Model) || !among(wanted.GetConsumers(), item.Consumer) {
			continue
		}
		e := webhook.Event{Position: after, Key: item.PredictionID, Subject: fmt.Sprint(item.Row, " ", item.Field)}
		var fault *unfit
		switch e.Body, err = f.body(ctx, item); {
		case errors.As(err, &fault):
			e.Fault = fault.Error()
		case err != nil:
			return nil, after, err
		}
		out = append(out, e)
	}
	return out, after, nil
}

// among says whether the name is chosen; no names choose all.
func among(names []string, name string) bool { return len(names) == 0 || slices.Contains(names, name) }

// unfit is why a final answer will never be a message, however often it is tried. Any other error is the store's.
type unfit struct{ error }

// predictionJSON writes the names of the proto, as its documentation does.
var predictionJSON = protojson.MarshalOptions{UseProtoNames: true}

// body is the message about an item's final answer. A defect in making it ends neither the process nor the deliveries of others.
func (f webhookFeed) body(ctx context.Context, item *review.Item) (body []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			f.g.guard().Tell("making a message of a final answer", p)
			body, err = nil, &unfit{fmt.Errorf("a defect of the gateway: %v", p)}
		}
	}()
	prediction, err := f.g.finalOf(ctx, item)
	var ours *Error
	if errors.As(err, &ours) || errors.Is(err, audit.ErrNotFound) {
		return nil, &unfit{err}
	}
	if err != nil {
		return nil, err
	}
	data, err := predictionJSON.Marshal(prediction)
	if err != nil {
		return nil, &unfit{err}
	}
	kind := webhook.TypeFinal
	switch {
	case prediction.GetSuperseding():
		kind = webhook.TypeSuperseded
	case item.FinalReason == candorv1.Reason_REASON_REVIEW_EXPIRED:
		kind = webhook.TypeExpired
	}
	if body, err = webhook.Body(kind, item.FinalTime, data); err != nil {
		return nil, &unfit{err}
	}
	return body, nil
}

// openWebhooks makes the endpoints known to the store, and what sends to them: the dispatcher of the plan before, where they are the same.
func (g *Gateway) openWebhooks(ctx context.Context, pl, before *plan) error {
	if before != nil && maps.EqualFunc(before.cfg.GetWebhooks(), pl.cfg.GetWebhooks(), func(a, b *candorv1.Webhook) bool { return proto.Equal(a, b) }) {
		pl.dispatcher = before.dispatcher
		return nil
	}
	if g.webhooks == nil && len(pl.cfg.GetWebhooks()) > 0 {
		return errors.New("webhooks: the store keeps none; take them out of the configuration")
	}
	targets := map[string]webhook.Target{}
	for name, w := range pl.cfg.GetWebhooks() {
		if err := g.webhooks.OpenWebhook(ctx, name, g.ledger.Now()); err != nil {
			return fmt.Errorf("webhooks.%s: %w", name, err)
		}
		targets[name] = targetOf(w)
	}
	pl.dispatcher = webhook.NewDispatcher(webhook.Options{
		Store: g.webhooks, Feed: webhookFeed{g, pl.cfg.GetWebhooks()}, Sender: g.sender, Targets: targets, Log: g.log, Observe: g.metrics.delivered, Panicked: g.metrics.panics.Inc,
	})
	return nil
}

// resendEvery is how soon sending begins anew after a defect has ended it.
const resendEvery = 5 * time.Second

// dispatch sends to the receivers of the configuration in force until ctx ends. When they change, what is under way finishes first.
func (g *Gateway) dispatch(ctx context.Context) {
	for ctx.Err() == nil {
		pl := g.plan()
		d := pl.dispatcher
		turn, stop := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			// Run goes on until the turn's end, unless it panics.
			g.every(turn, resendEvery, nil, d.Run)
		}()
		for pl.dispatcher == d && ctx.Err() == nil {
			select {
			case <-pl.replaced:
				pl = g.plan()
			case <-ctx.Done():
			}
		}
		stop()
		<-ended
	}
}

func targetOf(w *candorv1.Webhook) webhook.Target {
	return webhook.Target{URL: w.GetUrl(), AllowPrivate: w.GetAllowPrivate(), Timeout: w.GetTimeout().AsDuration()}
}

// sweepWebhooks removes deliveries whose retention is over.
func (g *Gateway) sweepWebhooks(ctx context.Context) {
	until := g.ledger.Now().Add(-g.plan().cfg.GetRetention().GetPayloads().AsDuration())
	if _, err := g.webhooks.SweepDeliveries(ctx, until); err != nil && ctx.Err() == nil {
		g.log.WarnContext(ctx, "webhook deliveries could not be removed after their retention; trying again", slog.Any("error", err))
	}
}
