package gateway

import (
	"fmt"
	"log/slog"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// kindOfTrip is what the limit counted that has tripped. A trip says what it can; the rest is as the configuration has it now.
func (g *Gateway) kindOfTrip(t limits.Trip) candorv1.LimitKind {
	l := g.plan().cfg.GetLimits()[limitOf(t.Limit)]
	switch {
	case limits.IsStop(t.Limit):
		return candorv1.LimitKind_LIMIT_KIND_STOP
	case t.Unit != "" || t.Amount > 0 || l.GetSum() != nil:
		return candorv1.LimitKind_LIMIT_KIND_SUM
	case t.Denominator > 0 || l.GetRatio() != nil:
		return candorv1.LimitKind_LIMIT_KIND_RATIO
	}
	return candorv1.LimitKind_LIMIT_KIND_COUNT
}

// kindNames are the kinds as alerts have them.
var kindNames = map[candorv1.LimitKind]string{
	candorv1.LimitKind_LIMIT_KIND_COUNT: "count", candorv1.LimitKind_LIMIT_KIND_SUM: "sum", candorv1.LimitKind_LIMIT_KIND_RATIO: "ratio",
	candorv1.LimitKind_LIMIT_KIND_STOP: "stop",
}

// unitOfTrip is what the trip's numbers are in; empty: answers. Of a trip from before units were stored it is the configuration's.
func (g *Gateway) unitOfTrip(t limits.Trip) string {
	if t.Unit != "" {
		return t.Unit
	}
	return g.plan().cfg.GetLimits()[limitOf(t.Limit)].GetSum().GetUnit()
}

// tripSentence says what had been released, and what didn't fit any more.
func (g *Gateway) tripSentence(t limits.Trip) string {
	unit := g.unitOfTrip(t)
	switch g.kindOfTrip(t) {
	case candorv1.LimitKind_LIMIT_KIND_SUM:
		return fmt.Sprintf("%s released in %v, of at most %s; %s more didn't fit.",
			limits.Words(t.Count, unit), t.Window, limits.Words(t.MaxCount, unit), limits.Words(t.Amount, unit))
	case candorv1.LimitKind_LIMIT_KIND_RATIO:
		return fmt.Sprintf("%s of %s answers released in %v, of at most %s; one more would have been too large a share.",
			limits.Words(t.Count, ""), limits.Words(t.Denominator, ""), t.Window, limits.Words(t.MaxCount, ""))
	}
	return fmt.Sprintf("%s released in %v, of at most %s.", limits.Words(t.Count, unit), t.Window, limits.Words(t.MaxCount, unit))
}

// tripAttributes tell a trip to the log. What its limit doesn't have is left out.
func (g *Gateway) tripAttributes(t limits.Trip) []any {
	out := []any{
		slog.String("limit", t.Limit), slog.String("action", t.Action), slog.String("model", t.Model), slog.String("consumer", t.Consumer),
		slog.Int64("count", t.Count), slog.Int64("max_count", t.MaxCount), slog.Duration("window", t.Window), slog.Bool("dry_run", t.DryRun),
		slog.String("prediction_id", t.PredictionID), slog.String("alert_id", t.ID),
	}
	switch g.kindOfTrip(t) {
	case candorv1.LimitKind_LIMIT_KIND_SUM:
		out = append(out, slog.Int64("amount", t.Amount), slog.String("unit", g.unitOfTrip(t)))
	case candorv1.LimitKind_LIMIT_KIND_RATIO:
		out = append(out, slog.Int64("denominator", t.Denominator))
	}
	if key := limits.KeyOf(t.Limit); key != "" {
		out = append(out, slog.String("key", key))
	}
	return out
}
