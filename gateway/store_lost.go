package gateway

import (
	"context"
	"log/slog"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// followTimeout bounds one reading of the stored latches. What takes longer comes too late to be of use, and a connection that leads nowhere
// is given up by then.
const followTimeout = 2 * time.Second

// keepFollowing takes over what other gateways tripped, stopped and reset: when the store hears of it, and every followEvery besides.
func (g *Gateway) keepFollowing(ctx context.Context) {
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		changed, began := g.limitStore.LatchesChanged(), time.Now()
		g.guarded(ctx, g.followLimits)
		// However fast things change, no more than half of the time goes into it.
		select {
		case <-ctx.Done():
			return
		case <-time.After(min(time.Since(began), followEvery)):
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-changed:
		}
	}
}

func (g *Gateway) followLimits(ctx context.Context) {
	reading, cancel := context.WithTimeout(ctx, followTimeout)
	defer cancel()
	err := g.gate.Follow(reading)
	if err != nil && ctx.Err() == nil && !g.unfollowed {
		g.log.WarnContext(ctx, "what other gateways tripped, stopped or reset isn't known here; trying again", slog.Any("error", err))
	}
	g.unfollowed = err != nil
}

// knowsStops makes sure that no stop is missed that the policy wants known, see limits.Gate.Heard.
func (g *Gateway) knowsStops(ctx context.Context, m *model, a limits.Answer) (v limits.Verdict, ok bool) {
	lost := m.storeLost
	switch lost.GetWithhold() {
	case candorv1.Withhold_WITHHOLD_NOTHING:
		return limits.Verdict{}, true
	case candorv1.Withhold_WITHHOLD_ACTIONS:
		if a.Action == "" {
			return limits.Verdict{}, true
		}
	}
	return g.gate.Heard(ctx, a, lost.GetAfter().AsDuration())
}
