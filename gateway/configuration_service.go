package gateway

import (
	"context"
	"encoding/hex"

	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// GetConfiguration tells which configuration is in force.
func (s *explainService) GetConfiguration(ctx context.Context, in *candorv1.GetConfigurationRequest) (*candorv1.GetConfigurationResponse, error) {
	if _, err := allowed(ctx, in, candorv1.Role_ROLE_OPERATOR, candorv1.Role_ROLE_AUDITOR); err != nil {
		return nil, err
	}
	pl := s.g.plan()
	out := &candorv1.GetConfigurationResponse{LoadTime: timestamppb.New(pl.since)}
	for _, name := range pl.modelNames {
		out.Models = append(out.Models, &candorv1.ModelPolicy{Model: name, PolicyDigest: hex.EncodeToString(pl.models[name].digest)})
	}
	if r := s.g.refusal.Load(); r != nil {
		out.RefuseTime, out.Faults = timestamppb.New(r.at), r.faults
	}
	return out, nil
}
