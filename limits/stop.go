package limits

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// A stop is stored as the trip of a limit with one of these names; no limit's own name has a colon.
const (
	stopPrefix       = "stop:"
	stopActionPrefix = stopPrefix + "action:"
	stopModelPrefix  = stopPrefix + "model:"
)

// ErrNothingToStop: a Stop names neither an action nor a model, or both.
var ErrNothingToStop = errors.New("limits: a stop names either an action or a model")

// IsStop says whether the name is that of a stop.
func IsStop(name string) bool { return strings.HasPrefix(name, stopPrefix) }

// StopOfAction and StopOfModel are the names of stops, for Reset and the like.
func StopOfAction(action string) string { return stopActionPrefix + action }

// StopOfModel is the name of a model's stop.
func StopOfModel(model string) string { return stopModelPrefix + model }

// Stop is a person's order to withhold an action, or all that a model answers.
type Stop struct {
	// Action or Model; one of them.
	Action, Model string
	// By, Reason and RequestID must not be empty.
	By, Reason, RequestID string
	At                    time.Time
	// OnTrip is where withheld answers go; unspecified: as the most cautious of the limits that it covers says.
	OnTrip candorv1.OnTrip
}

func (s Stop) name() (string, error) {
	switch {
	case (s.Action == "") == (s.Model == ""):
		return "", ErrNothingToStop
	case s.Action != "":
		return StopOfAction(s.Action), nil
	}
	return StopOfModel(s.Model), nil
}

// Stop withholds an action or a model from here on, over restarts, until it is reset as a limit is. It is durable when it returns
// nil, and this Gate keeps to it; others that use the store do when they next Follow it. What is stopped already stays so, as it is.
// A second call with the same RequestID answers nil and changes nothing, even if the stop has been released since.
func (g *Gate) Stop(ctx context.Context, s Stop) error {
	name, err := s.name()
	if err != nil {
		return err
	}
	if err := named("stop", field{"by", s.By}, field{"reason", s.Reason}, field{"request_id", s.RequestID}); err != nil {
		return err
	}
	if s.OnTrip == candorv1.OnTrip_ON_TRIP_UNSPECIFIED {
		s.OnTrip = g.cautious(name)
	}
	// The request makes the id, so that the store knows a repetition of it.
	id := sha256.Sum256([]byte(name + "\x00" + s.RequestID))
	trip := Trip{
		ID: hex.EncodeToString(id[:16]), Limit: name, Action: s.Action, Model: s.Model, At: floorTime(g.clock.peek(s.At)),
		By: s.By, Reason: s.Reason, OnTrip: s.OnTrip,
	}
	return g.atDesk(ctx, func() error {
		first, err := g.store.Trip(ctx, trip)
		if err != nil {
			return fmt.Errorf("limits: stop of %s: it may not be stored; repeat it with the same request id: %w", name, err)
		}
		if _, err := g.follow(ctx); err != nil {
			return fmt.Errorf("limits: stop of %s: stored, but not followed here yet; repeat it with the same request id: %w", name, err)
		}
		if first && g.opts.OnTrip != nil {
			g.opts.OnTrip(trip)
		}
		return nil
	})
}

// cautious is where answers go that a stop of this name withholds, when nobody says otherwise.
func (g *Gate) cautious(stop string) candorv1.OnTrip {
	to := candorv1.OnTrip_ON_TRIP_REVIEW
	for _, l := range g.coveredBy(stop) {
		to = max(to, l.def.OnTrip)
	}
	return to
}

// CoveredBy answers the names of the limits that a stop covers, in order; of another name none.
func (g *Gate) CoveredBy(stop string) []string {
	var out []string
	for _, l := range g.coveredBy(stop) {
		out = append(out, l.def.Name)
	}
	return out
}

// coveredBy answers the limits that bound what a stop of this name withholds.
func (g *Gate) coveredBy(stop string) []*limit {
	if action, ok := strings.CutPrefix(stop, stopActionPrefix); ok {
		return g.roster.Load().byAction[action]
	}
	model, ok := strings.CutPrefix(stop, stopModelPrefix)
	if !ok {
		return nil
	}
	var out []*limit
	for _, l := range g.roster.Load().limits {
		if l.def.Model == "" || l.def.Model == model {
			out = append(out, l)
		}
	}
	return out
}

// stops are those that hold. It is made anew when they change; nil: there are none.
type stops struct {
	// byName, byAction and byModel have the same stops.
	byName, byAction, byModel map[string]*stop
}

type stop struct {
	trip     Trip
	withheld atomic.Int64
}

func (s *stops) find(action, model string) *stop {
	if s == nil {
		return nil
	}
	if one := s.byModel[model]; one != nil {
		return one
	}
	if action == "" {
		return nil
	}
	return s.byAction[action]
}

// stopped answers the verdict of a stop that holds the answer; ok is false when none does.
func (g *Gate) stopped(a Answer) (v Verdict, ok bool) {
	s := g.stops.Load().find(a.Action, a.Model)
	if s == nil {
		return Verdict{}, false
	}
	s.withheld.Add(1)
	if g.opts.OnDenied != nil {
		g.opts.OnDenied(s.trip.Limit, a)
	}
	return Verdict{Limit: s.trip.Limit, OnTrip: s.trip.OnTrip, Trips: []Trip{s.trip}}, true
}

// retire takes over the stored state of what isn't configured: limits of the past, and stops.
func (g *Gate) retire(states map[string]State) {
	g.retiredMu.Lock()
	defer g.retiredMu.Unlock()
	g.retired = states
	before := g.stops.Load()
	now := &stops{map[string]*stop{}, map[string]*stop{}, map[string]*stop{}}
	for name, st := range states {
		if !st.Tripped || !IsStop(name) {
			continue
		}
		one := &stop{trip: st.Trip}
		if before != nil && before.byName[name] != nil && before.byName[name].trip.ID == st.Trip.ID {
			one = before.byName[name]
		}
		now.byName[name] = one
		if action, ok := strings.CutPrefix(name, stopActionPrefix); ok {
			now.byAction[action] = one
		}
		if model, ok := strings.CutPrefix(name, stopModelPrefix); ok {
			now.byModel[model] = one
		}
	}
	if len(now.byName) == 0 {
		now = nil
	}
	g.stops.Store(now)
}
