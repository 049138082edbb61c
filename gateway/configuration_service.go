package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// GetConfiguration tells which configuration is in force.
func (s *explainService) GetConfiguration(ctx context.Context, in *candorv1.GetConfigurationRequest) (*candorv1.GetConfigurationResponse, error) {
	if _, err := allowed(ctx, in, candorv1.Role_ROLE_OPERATOR, candorv1.Role_ROLE_AUDITOR); err != nil {
		return nil, err
	}
	pl := s.g.plan()
	out := &candorv1.GetConfigurationResponse{LoadTime: timestamppb.New(pl.since), Digest: pl.digest}
	for _, name := range pl.modelNames {
		out.Models = append(out.Models, &candorv1.ModelPolicy{Model: name, PolicyDigest: hex.EncodeToString(pl.models[name].digest)})
	}
	if r := s.g.reloaded.Load(); r != nil {
		out.ReloadTime, out.ReloadResult = timestamppb.New(r.at), r.result
		if r.result == candorv1.ReloadResult_RELOAD_RESULT_REFUSED {
			out.RefuseTime, out.Faults = timestamppb.New(r.at), r.faults
		}
	}
	return out, nil
}

// digestOf is the digest of a configuration with its defaults, as people compare it.
func digestOf(cfg *candorv1.Config) (string, error) {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(cfg)
	if err != nil {
		return "", fmt.Errorf("the configuration can't be encoded: %w", err)
	}
	sum := sha256.Sum256(data)
	const shown = 8 // as of a policy
	return digestText(sum[:shown]), nil
}
