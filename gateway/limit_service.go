package gateway

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

type limitService struct {
	candorv1.UnimplementedLimitServiceServer
	g *Gateway
}

// limitReaders may look.
var limitReaders = []candorv1.Role{candorv1.Role_ROLE_OPERATOR, candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_REVIEWER}

func (s *limitService) ListLimits(ctx context.Context, in *candorv1.ListLimitsRequest) (*candorv1.ListLimitsResponse, error) {
	if _, err := allowed(ctx, in, limitReaders...); err != nil {
		return nil, err
	}
	// The token has the last name of the page before, which may be gone by now. A stop that was released is history.
	const list = "limits"
	after, err := lastOf(list, in.GetPageToken())
	if err != nil {
		return nil, err
	}
	if after != "" && validate(&candorv1.GetLimitRequest{Name: after}) != nil {
		return nil, foreignPage()
	}
	all := s.g.limitProtos()
	all = slices.DeleteFunc(all, func(l *candorv1.Limit) bool {
		return l.GetName() <= after || limits.IsStop(limits.NameOf(l.GetName())) && !l.GetTripped()
	})
	size := int(in.GetPageSize())
	if size == 0 {
		size = pageSize
	}
	out := &candorv1.ListLimitsResponse{Limits: all}
	if len(all) > size {
		out.Limits, out.NextPageToken = all[:size], pageToken(list, all[size-1].GetName())
	}
	return out, nil
}

func (s *limitService) GetLimit(ctx context.Context, in *candorv1.GetLimitRequest) (*candorv1.GetLimitResponse, error) {
	if _, err := allowed(ctx, in, limitReaders...); err != nil {
		return nil, err
	}
	st, out, err := s.g.limitState(limits.NameOf(in.GetName()))
	if err != nil {
		return nil, err
	}
	if out.Alerts, err = s.g.alertsOf(ctx, st.Definition.Name, st.Trip.ID); err != nil {
		return nil, err
	}
	return &candorv1.GetLimitResponse{Limit: out}, nil
}

func (s *limitService) ListLimitEvents(ctx context.Context, in *candorv1.ListLimitEventsRequest) (*candorv1.ListLimitEventsResponse, error) {
	if _, err := allowed(ctx, in, limitReaders...); err != nil {
		return nil, err
	}
	size := int(in.GetPageSize())
	if size == 0 {
		size = pageSize
	}
	list := in.GetName() + "/events"
	before, err := positionOf(list, in.GetPageToken())
	if err != nil {
		return nil, err
	}
	// One more says whether there is another page.
	events, err := s.g.limitStore.LimitEvents(ctx, limits.NameOf(in.GetName()), int64(before), size+1)
	if err != nil {
		return nil, err
	}
	out := &candorv1.ListLimitEventsResponse{}
	if len(events) > size {
		events = events[:size]
		out.NextPageToken = positionToken(list, uint64(events[size-1].Position))
	}
	for _, e := range events {
		out.Events = append(out.Events, historyProto(e))
	}
	return out, nil
}

func (s *limitService) ResetLimit(ctx context.Context, in *candorv1.ResetLimitRequest) (*candorv1.ResetLimitResponse, error) {
	p, err := s.ordered(ctx, in, in.GetReason(), in.GetRequestId())
	if err != nil {
		return nil, err
	}
	name, now := limits.NameOf(in.GetName()), s.g.ledger.Now()
	what := "limit reset"
	if s.g.gate.People(name) == 2 {
		if err := s.proved(p, name); err != nil {
			return nil, err
		}
		what = "limit reset asked for"
		err = s.g.gate.AskReset(ctx, limits.Ask{Limit: name, By: p.Name, Reason: in.GetReason(), RequestID: in.GetRequestId(), At: now})
	} else {
		err = s.g.gate.Reset(ctx, limits.Reset{Limit: name, By: p.Name, Reason: in.GetReason(), RequestID: in.GetRequestId(), At: now})
	}
	if err != nil {
		return nil, s.refusal(err, name, p)
	}
	s.g.log.InfoContext(ctx, what, slog.String("limit", name), slog.String("by", p.Name), slog.String("reason", in.GetReason()))
	s.g.wakeAlerts()
	return &candorv1.ResetLimitResponse{Limit: s.g.limitProto(name)}, nil
}

func (s *limitService) ConfirmLimitReset(ctx context.Context, in *candorv1.ConfirmLimitResetRequest) (*candorv1.ConfirmLimitResetResponse, error) {
	p, err := s.ordered(ctx, in, "confirmed", in.GetRequestId())
	if err != nil {
		return nil, err
	}
	name := limits.NameOf(in.GetName())
	if err := s.proved(p, name); err != nil {
		return nil, err
	}
	err = s.g.gate.ConfirmReset(ctx, limits.Confirmation{
		Limit: name, Asked: in.GetResetRequestId(), By: p.Name, RequestID: in.GetRequestId(), At: s.g.ledger.Now(),
	})
	if err != nil {
		return nil, s.refusal(err, name, p)
	}
	s.g.log.InfoContext(ctx, "limit reset confirmed", slog.String("limit", name), slog.String("by", p.Name))
	s.g.wakeAlerts()
	return &candorv1.ConfirmLimitResetResponse{Limit: s.g.limitProto(name)}, nil
}

func (s *limitService) StopAction(ctx context.Context, in *candorv1.StopActionRequest) (*candorv1.StopActionResponse, error) {
	p, err := s.ordered(ctx, in, in.GetReason(), in.GetRequestId())
	if err != nil {
		return nil, err
	}
	name, pl := limits.StopOfAction(in.GetAction()), s.g.planOf(ctx)
	switch {
	case in.GetModel() != "" && pl.models[in.GetModel()] == nil:
		return nil, invalid("model", "there is no model "+strconv.Quote(in.GetModel())+"; there are "+list(pl.modelNames))
	case in.GetModel() != "":
		name = limits.StopOfModel(in.GetModel())
	case !slices.Contains(pl.actionNames(), in.GetAction()):
		return nil, invalid("action", "no model declares the action "+strconv.Quote(in.GetAction())+"; there are "+list(pl.actionNames()))
	}
	err = s.g.gate.Stop(ctx, limits.Stop{
		Action: in.GetAction(), Model: in.GetModel(), By: p.Name, Reason: in.GetReason(), RequestID: in.GetRequestId(), At: s.g.ledger.Now(), OnTrip: in.GetOnTrip(),
	})
	if err != nil {
		return nil, s.refusal(err, name, p)
	}
	return &candorv1.StopActionResponse{Limit: s.g.limitProto(name)}, nil
}

func (s *limitService) AcknowledgeLimit(ctx context.Context, in *candorv1.AcknowledgeLimitRequest) (*candorv1.AcknowledgeLimitResponse, error) {
	p, err := s.ordered(ctx, in, "acknowledged", in.GetRequestId())
	if err != nil {
		return nil, err
	}
	name := limits.NameOf(in.GetName())
	err = s.g.gate.Acknowledge(ctx, limits.Acknowledgement{Limit: name, By: p.Name, Note: in.GetNote(), At: s.g.ledger.Now()})
	if errors.Is(err, limits.ErrNotTripped) {
		return nil, notTripped(name, "acknowledge")
	}
	if err != nil {
		return nil, s.refusal(err, name, p)
	}
	s.g.log.InfoContext(ctx, "limit acknowledged", slog.String("limit", name), slog.String("by", p.Name), slog.String("note", in.GetNote()))
	return &candorv1.AcknowledgeLimitResponse{Limit: s.g.limitProto(name)}, nil
}

// ordered lets an operator through whose order says why. Blanks pass the rules on length, and say nothing to who reads the record.
func (s *limitService) ordered(ctx context.Context, in order, reason, requestID string) (*Principal, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_OPERATOR)
	switch {
	case err != nil:
		return nil, err
	case strings.TrimSpace(reason) == "":
		return nil, invalid("reason", "it is blank; say why, for who reads the record")
	case strings.TrimSpace(requestID) == "":
		return nil, invalid("request_id", "it is blank; send an id of your own for this call")
	}
	return p, nil
}

// proved refuses a caller whom nobody can tell from another: two of them may be one.
func (s *limitService) proved(p *Principal, limit string) error {
	if !p.anonymous {
		return nil
	}
	return errf(codes.PermissionDenied, candorv1.ErrorReason_ERROR_REASON_LIMIT_RESET_SAME_PERSON,
		"a reset of %q takes two people, and %q is anybody; call with a token, a certificate or a login", shortLimit(limit), p.Name).with("limit", shortLimit(limit)).with("principal", p.Name)
}

// refusal says why the limits refused an order.
func (s *limitService) refusal(err error, name string, p *Principal) error {
	switch {
	case errors.Is(err, limits.ErrNotTripped):
		return notTripped(name, "reset")
	case errors.Is(err, limits.ErrNotFound):
		return limitNotFound(name)
	case errors.Is(err, limits.ErrNotAsked):
		return errf(codes.FailedPrecondition, candorv1.ErrorReason_ERROR_REASON_LIMIT_RESET_NOT_ASKED,
			"there is no such reset of %q to confirm, or it has expired; ask again", shortLimit(name)).with("limit", shortLimit(name))
	case errors.Is(err, limits.ErrSamePerson):
		return errf(codes.PermissionDenied, candorv1.ErrorReason_ERROR_REASON_LIMIT_RESET_SAME_PERSON,
			"%q asked for the reset of %q; another operator has to confirm it", p.Name, shortLimit(name)).with("limit", shortLimit(name)).with("principal", p.Name)
	case errors.Is(err, limits.ErrPending):
		e := errf(codes.FailedPrecondition, candorv1.ErrorReason_ERROR_REASON_LIMIT_RESET_PENDING,
			"a reset of %q waits to be confirmed; confirm it, or wait until it expires", shortLimit(name)).with("limit", shortLimit(name))
		if a := s.g.limitProto(name).GetPendingReset(); a != nil {
			e.with("asked_by", a.GetAskedBy()).with("request_id", a.GetRequestId()).with("expire_time", a.GetExpireTime().AsTime().Format(time.RFC3339))
		}
		return e
	}
	return err
}

func limitNotFound(name string) error {
	return errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_LIMIT_NOT_FOUND, "there is no limit %q", shortLimit(name)).with("limit", shortLimit(name))
}

func notTripped(name, order string) error {
	return errf(codes.FailedPrecondition, candorv1.ErrorReason_ERROR_REASON_LIMIT_NOT_TRIPPED, "limit %q is not tripped; there is nothing to %s", shortLimit(name), order).
		with("limit", shortLimit(name))
}
