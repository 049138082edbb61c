package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// recheckEvery is how often a stream's caller is asked for again; with what People may remember, a revoked token is good for a
// minute at most. A change of the configuration is noticed at once.
const recheckEvery = 30 * time.Second

// whileKnown is a context that ends when a stream's caller is no longer somebody, or may do less than when the stream began. why answers
// the error that the stream then ends with; nil: it ends for another reason. stop must be called.
func (g *Gateway) whileKnown(ctx context.Context, pl *plan, p *Principal) (_ context.Context, why func() *Error, stop context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		var tick <-chan time.Time
		if p.method != "" {
			// Those of the configuration are who they are until it changes.
			ticker := time.NewTicker(recheckEvery)
			defer ticker.Stop()
			tick = ticker.C
		}
		for {
			select {
			case <-tick:
			case <-pl.replaced:
			case <-ctx.Done():
				return
			}
			pl = g.plan()
			var err error
			g.guard().Whole("asking who a stream's caller is", func() { err = pl.principals.still(ctx, p) })
			if err != nil {
				cancel(err)
				return
			}
		}
	}()
	why = func() *Error {
		var e *Error
		errors.As(context.Cause(ctx), &e)
		return e
	}
	return ctx, why, func() { cancel(nil) }
}

// still says why a caller is no longer who they were; nil: they are, or nobody can say now.
func (ps *principals) still(ctx context.Context, p *Principal) error {
	now, err := ps.identify(ctx)
	var e *Error
	switch {
	case errors.As(err, &e) && e.Code == codes.Unauthenticated && e.RetryAfter == 0:
		return unauthenticated("the credentials were revoked meanwhile")
	case err != nil:
		return nil
	case now.Name != p.Name:
		return unauthenticated("the credentials are somebody else's now")
	case !now.mayAll(p):
		return errf(codes.PermissionDenied, candorv1.ErrorReason_ERROR_REASON_PERMISSION_DENIED,
			"%q may do less than when the stream began; begin a new one", p.Name).with("principal", p.Name)
	}
	return nil
}

// mayAll says that the principal may do whatever the other may.
func (p *Principal) mayAll(other *Principal) bool {
	for _, m := range other.models {
		if !p.mayUse(m) {
			return false
		}
	}
	for _, r := range other.roles {
		if !p.has(r) {
			return false
		}
	}
	if p.queues == nil {
		return true
	}
	// No names are all queues.
	return other.queues != nil && !slices.ContainsFunc(other.queues, func(q string) bool { return !slices.Contains(p.queues, q) })
}
