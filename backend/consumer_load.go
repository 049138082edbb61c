package backend

import (
	"slices"
	"strings"
)

// ConsumerLoad is what one consumer has at a backend: calls in flight, calls that wait for a place, and counts of those that got a place
// after they had waited, and of those that were refused one.
type ConsumerLoad struct {
	Consumer         string
	InFlight, Queued int64
	Waited, Shed     int64
}

// loads are those of all consumers that are remembered, by name, and the others' together, without one.
func (c *crowd) loads() []ConsumerLoad {
	by := map[string]*ConsumerLoad{}
	for who, p := range c.parties {
		sum := by[who.consumer]
		if sum == nil {
			sum = &ConsumerLoad{Consumer: who.consumer}
			by[who.consumer] = sum
		}
		sum.InFlight += int64(p.used)
		sum.Queued += int64(p.queued)
		sum.Waited += p.waited
		sum.Shed += p.shed
	}
	if c.others != (ConsumerLoad{}) {
		if by[""] == nil {
			by[""] = &ConsumerLoad{}
		}
		by[""].Waited += c.others.Waited
		by[""].Shed += c.others.Shed
	}
	out := make([]ConsumerLoad, 0, len(by))
	for _, one := range by {
		out = append(out, *one)
	}
	slices.SortFunc(out, func(a, b ConsumerLoad) int { return strings.Compare(a.Consumer, b.Consumer) })
	return out
}
