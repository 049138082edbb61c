package gateway

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

type limitService struct {
	candorv1.UnimplementedLimitServiceServer
	g *Gateway
}

func (s *limitService) ListLimits(ctx context.Context, in *candorv1.ListLimitsRequest) (*candorv1.ListLimitsResponse, error) {
	if _, err := allowed(ctx, in, candorv1.Role_ROLE_OPERATOR, candorv1.Role_ROLE_AUDITOR, candorv1.Role_ROLE_REVIEWER); err != nil {
		return nil, err
	}
	all := s.g.limitProtos()
	// The token is the last name of the page before.
	after := in.GetPageToken()
	all = slices.DeleteFunc(all, func(l *candorv1.Limit) bool { return l.GetName() <= after })
	size := int(in.GetPageSize())
	if size == 0 {
		size = pageSize
	}
	out := &candorv1.ListLimitsResponse{Limits: all}
	if len(all) > size {
		out.Limits, out.NextPageToken = all[:size], all[size-1].GetName()
	}
	return out, nil
}

func (s *limitService) ResetLimit(ctx context.Context, in *candorv1.ResetLimitRequest) (*candorv1.ResetLimitResponse, error) {
	p, err := allowed(ctx, in, candorv1.Role_ROLE_OPERATOR)
	if err != nil {
		return nil, err
	}
	// Blanks pass the rules on length, and say nothing to who reads the record.
	if strings.TrimSpace(in.GetReason()) == "" {
		return nil, invalid("reason", "it is blank; say why the limit may let answers out again")
	}
	if strings.TrimSpace(in.GetRequestId()) == "" {
		return nil, invalid("request_id", "it is blank; send an id of your own for this reset")
	}
	name := strings.TrimPrefix(in.GetName(), "limits/")
	err = s.g.gate.Reset(ctx, limits.Reset{Limit: name, By: p.Name, Reason: in.GetReason(), RequestID: in.GetRequestId(), At: s.g.ledger.Now()})
	if errors.Is(err, limits.ErrNotTripped) {
		return nil, errf(codes.FailedPrecondition, candorv1.ErrorReason_ERROR_REASON_LIMIT_NOT_TRIPPED, "limit %q is not tripped; there is nothing to reset", name).with("limit", name)
	}
	if errors.Is(err, limits.ErrNotFound) {
		return nil, errf(codes.NotFound, candorv1.ErrorReason_ERROR_REASON_LIMIT_NOT_FOUND, "there is no limit %q", name).with("limit", name)
	}
	if err != nil {
		return nil, err
	}
	s.g.log.InfoContext(ctx, "limit reset", slog.String("limit", name), slog.String("by", p.Name), slog.String("reason", in.GetReason()))
	for _, l := range s.g.limitProtos() {
		if l.GetName() == in.GetName() {
			return &candorv1.ResetLimitResponse{Limit: l}, nil
		}
	}
	return &candorv1.ResetLimitResponse{}, nil
}

// limitProtos are all limits, by name.
func (g *Gateway) limitProtos() []*candorv1.Limit {
	var out []*candorv1.Limit
	for _, s := range g.gate.States(g.ledger.Now()) {
		l := &candorv1.Limit{
			Name: "limits/" + s.Definition.Name, Action: s.Definition.Action, Model: s.Definition.Model, Consumer: s.Definition.Consumer,
			MaxCount: s.Definition.MaxCount, Window: durationpb.New(s.Definition.Window), DryRun: s.Definition.DryRun,
			Used: s.Used, Tripped: s.Tripped, WithheldSinceTrip: s.Withheld, LastResetBy: s.LastReset.By, LastResetReason: s.LastReset.Reason,
		}
		if s.Tripped {
			l.TripTime = timestamppb.New(s.Trip.At)
		}
		if !s.LastReset.At.IsZero() {
			l.LastResetTime = timestamppb.New(s.LastReset.At)
		}
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b *candorv1.Limit) int { return strings.Compare(a.GetName(), b.GetName()) })
	return out
}
