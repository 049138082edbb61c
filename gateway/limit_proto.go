package gateway

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/limits"
)

// order is a request that changes something.
type order = proto.Message

// aftermath is what the configuration says about a limit's resets.
func aftermath(l *candorv1.LimitConfig) limits.Aftermath {
	const whole = 1e6
	return limits.Aftermath{
		People: int(l.GetReset_().GetPeople()), Expires: l.GetReset_().GetExpires().AsDuration(),
		SharePPM: uint32(math.Round(l.GetProbation().GetShare() * whole)), For: l.GetProbation().GetFor().AsDuration(),
	}
}

// limitProtos are all limits and stops, by name; of the keys of a limit those that are tripped.
func (g *Gateway) limitProtos() []*candorv1.Limit {
	var out []*candorv1.Limit
	states := g.gate.States(g.ledger.Now())
	for _, s := range states {
		if s.Key != "" && !s.Tripped {
			continue
		}
		l := limitProto(s, g.gate.People(s.Definition.Name))
		addKeys(l, s, states)
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b *candorv1.Limit) int { return strings.Compare(a.GetName(), b.GetName()) })
	return out
}

// limitState finds a limit, a stop or a key of a limit. Errors: LIMIT_NOT_FOUND.
func (g *Gateway) limitState(name string) (limits.Status, *candorv1.Limit, error) {
	now := g.ledger.Now()
	s, err := g.gate.State(now, name)
	if err != nil {
		return s, nil, limitNotFound(name)
	}
	l := limitProto(s, g.gate.People(name))
	if s.Keys != nil {
		addKeys(l, s, g.gate.States(now))
	}
	return s, l, nil
}

// limitProto is one of them; nil: there is none of this name.
func (g *Gateway) limitProto(name string) *candorv1.Limit {
	_, l, _ := g.limitState(name)
	return l
}

func limitProto(s limits.Status, people int) *candorv1.Limit {
	l := &candorv1.Limit{
		Name: limits.ResourceName(s.Definition.Name), Action: s.Definition.Action, Model: s.Definition.Model, Consumer: s.Definition.Consumer,
		MaxCount: s.Definition.MaxCount, Window: durationpb.New(s.Definition.Window), DryRun: s.Definition.DryRun,
		Used: s.Used, Leased: s.Leased, Tripped: s.Tripped, TripTime: stampOrNil(s.Trip.At), WithheldSinceTrip: s.Withheld,
		LastResetBy: s.LastReset.By, LastResetReason: s.LastReset.Reason, LastResetTime: stampOrNil(s.LastReset.At),
		Bound: s.Bound, ProbationEndTime: stampOrNil(s.ProbationEnd), ResetPeople: uint32(people), RoomTime: stampOrNil(s.Room),
		AcknowledgedBy: s.Ack.By, AcknowledgeTime: stampOrNil(s.Ack.At),
	}
	if s.LastReset.AskedBy != "" {
		l.LastResetBy, l.LastResetConfirmedBy = s.LastReset.AskedBy, s.LastReset.By
	}
	if s.Ask.RequestID != "" {
		l.PendingReset = &candorv1.LimitResetRequest{
			AskedBy: s.Ask.By, Reason: s.Ask.Reason, AskTime: stampOrNil(s.Ask.At), ExpireTime: stampOrNil(s.Ask.Expires), RequestId: s.Ask.RequestID,
		}
	}
	addKind(l, s)
	if s.Stop && s.Tripped {
		l.Stop = &candorv1.LimitStop{By: s.Trip.By, Reason: s.Trip.Reason, StopTime: stampOrNil(s.Trip.At)}
	}
	return l
}

func historyProto(e limits.Event) *candorv1.LimitHistory {
	const whole = 1e6
	return &candorv1.LimitHistory{
		Time: stampOrNil(e.At), Event: e.Event, By: e.By, Reason: e.Reason, Count: e.Count, MaxCount: e.MaxCount, PredictionId: e.PredictionID,
		AskedBy: e.AskedBy, ProbationEndTime: stampOrNil(e.Probation.Until), ProbationShare: float64(e.Probation.SharePPM) / whole, ExpireTime: stampOrNil(e.Expires),
		Amount: e.Amount, Unit: e.Unit, Denominator: e.Denominator,
	}
}

func stampOrNil(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// tripWords says what holds an answer back.
func tripWords(name string) string {
	if limits.IsStop(name) {
		return fmt.Sprintf("a person has stopped it (%s),", name)
	}
	return fmt.Sprintf("the action limit %q has tripped", shortLimit(name))
}

// shortLimit is a limit's name for people and metadata: the resource's, without limits/ before it.
func shortLimit(name string) string { return strings.TrimPrefix(limits.ResourceName(name), "limits/") }

// actionNames are the actions that some model declares, sorted.
func (pl *plan) actionNames() []string {
	var out []string
	for _, m := range pl.cfg.GetModels() {
		for _, a := range m.GetPolicy().GetActions() {
			out = append(out, a.GetName())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
