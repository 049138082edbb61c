package gateway

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// routes is the number of routes, the unspecified one included.
const routes = int(candorv1.Route_ROUTE_REJECT) + 1

// modelMetrics are one model's counters.
type modelMetrics struct {
	seconds prometheus.Observer
	// decisions by route decided and route applied, reasons by Reason, primary's answers.
	decisions, reasons, primary counters
	// defaulted: calls that stated no deadline.
	defaulted prometheus.Counter
}

func newModelMetrics(seconds prometheus.Observer, defaulted prometheus.Counter) *modelMetrics {
	reasons := 0
	for n := range candorv1.Reason_name {
		reasons = max(reasons, int(n)+1)
	}
	return &modelMetrics{
		seconds: seconds, defaulted: defaulted, decisions: make(counters, routes*routes), reasons: make(counters, reasons), primary: make(counters, 1),
	}
}

// backendMetrics are one backend's counters of calls that went well.
type backendMetrics struct {
	ok      prometheus.Counter
	seconds prometheus.Observer
}

// counters are counters by number, bound when they are first needed: series that nothing has counted aren't shown.
type counters []atomic.Pointer[prometheus.Counter]

// inc counts one more at i; bind gives its counter. It may be called by several goroutines at once.
func (c counters) inc(i int, bind func() prometheus.Counter) {
	if i < 0 || i >= len(c) {
		bind().Inc() // a number that this version doesn't know
		return
	}
	bound := c[i].Load()
	if bound == nil {
		fresh := bind()
		bound = &fresh
		c[i].Store(bound)
	}
	(*bound).Inc()
}
