package gateway

import (
	"context"
	"errors"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
	"github.com/candor-gateway/candor/review"
)

// People says whose a bearer token is that the configuration doesn't know. Errors: people.ErrNotFound and people.ErrRefused, when it is
// nobody's, people.ErrProvider when the one who would know doesn't answer; any other is the store's trouble. What it answers is at
// most half a minute old. Safe for concurrent use.
type People interface {
	Authenticate(ctx context.Context, bearer string) (people.Person, error)
}

// ofPeople answers the person of a token.
func (ps *principals) ofPeople(ctx context.Context, token string) (*Principal, error) {
	const unknown = "the token is unknown or revoked"
	if ps.people == nil {
		return nil, unauthenticated(unknown)
	}
	who, err := ps.people.Authenticate(ctx, token)
	switch {
	case errors.Is(err, people.ErrNotFound), errors.Is(err, people.ErrRefused):
		return nil, unauthenticated(unknown)
	case errors.Is(err, people.ErrProvider):
		e := unauthenticated("the OpenID provider, who could say whose the token is, does not answer; try again")
		e.RetryAfter = time.Second
		return nil, e
	case err != nil:
		return nil, err
	}
	return principalOf(who), nil
}

// by is a caller, as records name them.
func by(ctx context.Context, p *Principal) people.By {
	return people.By{Name: p.Name, Remote: remoteAddress(ctx)}
}

// reviewBy is a caller, as the review queue's records name them.
func reviewBy(ctx context.Context, p *Principal) review.By {
	return review.By{Name: p.Name, Remote: remoteAddress(ctx)}
}

// othersAdminister says whether somebody who is no user of the store may administer: an operator of the configuration, or whom the
// OpenID provider puts into a group.
func othersAdminister(cfg *candorv1.Config) bool {
	for _, o := range cfg.GetOperators() {
		if people.Includes(o.GetRoles(), candorv1.Role_ROLE_ADMIN) {
			return true
		}
	}
	for _, g := range cfg.GetPeople().GetOidc().GetGrants() {
		if people.Includes(g.GetRoles(), candorv1.Role_ROLE_ADMIN) {
			return true
		}
	}
	return false
}
