package soak

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestPromise2LimitsHold: eight gateways on one PostgreSQL never release more than their limit in any window, whatever is done to them, and
// release again when it is over.
func TestPromise2LimitsHold(t *testing.T) {
	pg := ownPostgres(t)
	report := promise(t, 2, "limits never exceeded",
		fmt.Sprintf("eight gateways share a limit of %d in %v on one PostgreSQL, each with callers without pause, and an operator resets it whenever it has tripped; "+
			"gateways are killed and stopped, their connections to the database cut, silent and slow, PostgreSQL killed, and its clock set by up to 5 min", fleetMax, fleetWindow))
	clock, clocks := fakeClock(t, pg)
	const gateways = 8
	fleet := newFleet(t, pg, gateways)
	fleet.work()
	defer fleet.rest()
	fleet.serves()
	f := &faults{fleet: fleet, rng: rand.New(rand.NewPCG(2, 2)), clock: clock, done: map[string]int{}}
	for began := time.Now(); ; {
		f.round()
		if time.Since(began) >= span() {
			break
		}
	}
	f.healAll()
	f.serves()
	// What one crash strands is seen best when nothing else has been done within the window: time itself must pass.
	time.Sleep(fleetWindow + 2*fleetLease)
	f.killGateway(fleet.members[0])
	f.tripped()
	fleet.rest()

	var wrong []interval
	for _, h := range f.harms {
		wrong = append(wrong, interval{h.at, h.at})
	}
	released := neverExceeded(t, report, fleet, wrong)
	if len(released) < 2*fleetMax || len(fleet.trips) == 0 {
		t.Errorf("%d releases and %d trips: the test tries too little", len(released), len(fleet.trips))
	}
	lost, bound, within := stranded(onlyThose(fleet.calls, call.mayBeReleased), fleet.trips, f.harms)
	if !within {
		t.Errorf("%d permits are stranded, of at most %d", lost, bound)
	}
	report.say("permits stranded at the trip nearest its bound", "%d, of at most %d", lost, bound)
	for _, k := range kinds {
		report.say(k.name, "%d times", f.done[k.name])
	}
	report.say("starts that gave up, because the store was held up", "%d", f.refused)
	report.say("clocks", "%s; of gateways: limits TestWallsThatAreSet", clocks)
}

// neverExceeded holds what a fleet's callers have seen against the oracle, reports it, and answers what was released. All work has ended.
func neverExceeded(t *testing.T, report *figures, f *fleet, wrong []interval) []call {
	t.Helper()
	released := onlyThose(f.calls, call.released)
	most := mostInAWindow(released, fleetWindow)
	if most > fleetMax {
		t.Errorf("a window of %v holds %d releases of at most %d", fleetWindow, most, fleetMax)
	}
	report.draws(windowPicture(released, wrong, f.now()))
	report.say("released, as callers saw it", "%d by %d gateways over %v", len(released), len(f.members), f.now().Round(time.Second))
	report.say("most in any window (brute force)", "%d of %d", most, fleetMax)
	report.say("trips, each reset by the operator", "%d", len(f.trips))
	report.say("callers who got no release were told", "%s", toldInstead(f.calls))
	return released
}
