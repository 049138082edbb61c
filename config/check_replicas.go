package config

import (
	"fmt"
	"net"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// slowRatioLeast is backend's: below it a ratio is noise.
const slowRatioLeast = 1.5

// byName begins an address whose records are replicas.
const byName = "dns:///"

// hasReplicas says that a backend may have several model servers.
func hasReplicas(backend *candorv1.Backend) bool {
	return len(backend.GetAddresses()) > 0 || strings.HasPrefix(backend.GetAddress(), byName)
}

// replicas looks at where a backend's model servers are, and how calls are spread over them.
func (c *checker) replicas(at path, backend *candorv1.Backend) {
	one, many := at.field("address"), at.field("addresses")
	address, list := backend.GetAddress(), backend.GetAddresses()
	switch {
	case address == "" && len(list) == 0:
		if !c.lost(one) && !c.lostWithin(many) {
			c.complain(one, "is missing", "add address: localhost:8500, or addresses for several replicas")
		}
	case address != "" && len(list) > 0:
		c.complain(many, "stands beside address", "write one of them")
	default:
		c.address(one, strings.TrimPrefix(address, byName), false)
	}
	known := map[string]int{}
	for i, each := range list {
		where := many.item(i)
		if host, port, err := net.SplitHostPort(strings.TrimPrefix(each, byName)); err == nil && strings.HasPrefix(each, byName) {
			c.complain(where, "a name whose records are replicas stands alone", fmt.Sprintf("write address: %s%s, or %s here", byName, net.JoinHostPort(host, port), net.JoinHostPort(host, port)))
			continue
		}
		c.address(where, each, false)
		known[each] = i
	}
	if len(known) == 1 && len(list) == 1 && !c.lostWithin(many) {
		c.warn(many, "there is one replica: nobody takes its calls when it fails", "add others, or write address")
	}
	cfg, at := backend.GetReplicas(), at.field("replicas")
	if cfg == nil {
		return
	}
	if !hasReplicas(backend) && !c.lost(one) && !c.lostWithin(many) {
		c.complain(at, "there is one address, so nothing is spread", "write addresses or an address of dns:///, or take it out")
		return
	}
	first, longest := cfg.GetEjection().AsDuration(), cfg.GetMaxEjection().AsDuration()
	if where := at.field("max_ejection"); first > longest && longest > 0 && !c.lost(where) && !c.lost(at.field("ejection")) {
		if !c.written(where) {
			where = at.field("ejection")
		}
		c.complain(where, fmt.Sprintf("the first ejection, %v, is longer than the longest, %v", first, longest), "write a max_ejection of at least ejection")
	}
	if where, ratio := at.field("slow_ratio"), cfg.GetSlowRatio(); ratio > 0 && ratio < slowRatioLeast && !c.lost(where) {
		c.complain(where, fmt.Sprintf("replicas that do the same work differ by %v times for no reason", ratio), fmt.Sprintf("write at least %v, or 0 to eject nobody for being slow", slowRatioLeast))
	}
	if where := at.field("resolve_every"); len(list) > 0 && c.written(where) {
		c.warn(where, "has no effect: these addresses are not looked up", "take it out")
	}
}
