package soak

import (
	"context"

	"google.golang.org/grpc/metadata"
)

// peopleConfig declares two reviewers and two operators, whose tokens are their names and "-token".
const peopleConfig = `
operators:
  ana: {identity: {token_sha256: fdb19af2cd8f3f7de8c00cbdd4c4838366cbe4fa2e7ae38ba7f5847e75ad4bb5}, roles: [reviewer, operator]}
  omar: {identity: {token_sha256: 267ec9164e18dd3f3b0778bc303f5702c31f29eeaec18202d10da99b0f8f2a22}, roles: [reviewer, operator, auditor]}`

// as is a context of somebody's call.
func as(ctx context.Context, who string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+who+"-token")
}
