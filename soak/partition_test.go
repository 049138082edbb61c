package soak

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/candor-gateway/candor/internal/faultproxy"
)

// TestPromise2Partition: a gateway whose packets to the database vanish withholds what needs a permit and goes on with what doesn't; the
// others go on with both; nothing is exceeded, and it heals by itself.
func TestPromise2Partition(t *testing.T) {
	pg := ownPostgres(t)
	n := newNetwork(t)
	report := promise(t, 2, "limits never exceeded, over a partition",
		fmt.Sprintf("one of three gateways is in a network namespace of its own; its interface to PostgreSQL is taken down for some seconds and up again; limit %d in %v", fleetMax, fleetWindow))
	fleet := newFleet(t, pg, 2)
	const apart, others = 2, 2
	way := faultproxy.StartAt(t, n.database+":0", pg.Socket())
	model := faultproxy.StartAt(t, n.ours+":0", fleet.model)
	g := configured(t, fleetConfig(n.callers+":8500", databaseThrough(way.Addr()), model.Addr()))
	g.under = n.inside()
	fleet.join(g, way)
	fleet.work()
	defer fleet.rest()
	fleet.serves()

	const length = 5 * time.Second // longer than a lease and a window
	var healed, gaps took
	var wrong []interval
	partitions, free := 0, 0
	for began := time.Now(); ; {
		n.part()
		cut := fleet.now()
		for fleet.now() < cut+length {
			// What no limit bounds.
			if _, _, err := infer(fleet.members[apart].conn, row(.01, 1, 2, 3), callWithin); err != nil {
				t.Errorf("while apart, an answer that needs no permit: %v", err)
			}
			free++
			time.Sleep(20 * time.Millisecond) // as a caller would
		}
		// A lease that it had ended at the latest a lease after the cut.
		if n := fleet.releasedBy(apart, cut+fleetLease); n > 0 {
			t.Errorf("apart, it released %d answers of calls that came more than a lease after the cut", n)
		}
		for i := range others {
			await(t, fmt.Sprintf("gateway %d releases while another one is cut off", i), func() bool { return fleet.releasedBy(i, cut) > 0 })
		}
		gaps.add(longestGap(fleet, others, cut, cut+length))
		n.rejoin()
		back := fleet.now()
		wrong = append(wrong, interval{cut, back})
		await(t, "it releases again", func() bool { return fleet.releasedBy(apart, back) > 0 })
		healed.add(fleet.now() - back)
		if partitions++; time.Since(began) >= span() {
			break
		}
		fleet.serves()
	}
	fleet.rest()
	if released := neverExceeded(t, report, fleet, wrong); len(released) < fleetMax || len(fleet.trips) == 0 {
		t.Errorf("%d releases and %d trips: the test tries too little", len(released), len(fleet.trips))
	}
	report.say("partitions", "%d of %v: no release of a call that came more than a lease (%v) after the cut", partitions, length, fleetLease)
	report.say("answers that need no permit, meanwhile", "%d, none failed", free)
	report.say("longest time without a release of the others", "%v (window %v: they fill it, and then wait for the operator)", gaps.quantile(1).Round(time.Millisecond), fleetWindow)
	report.say("from the network's return to a release", "median %v, longest %v", healed.quantile(.5).Round(time.Millisecond), healed.quantile(1).Round(time.Millisecond))
}

// longestGap is the longest time without a release of the first gateways.
func longestGap(f *fleet, gateways int, from, to time.Duration) (longest time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := []time.Duration{from, to}
	for _, c := range f.calls {
		if c.gateway < gateways && c.released() && c.seen > from && c.seen < to {
			seen = append(seen, c.seen)
		}
	}
	slices.Sort(seen)
	for i := range seen[1:] {
		longest = max(longest, seen[i+1]-seen[i])
	}
	return longest
}
