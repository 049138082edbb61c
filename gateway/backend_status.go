package gateway

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/backend"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// fillStatus has what a backend does about faults, and what has happened to it.
func fillStatus(out *candorv1.BackendStatus, st *backend.Status) {
	out.MaxInFlight, out.LimitMeasured, out.Waited = st.MaxInFlight, st.Measured, st.Waited
	for _, c := range st.Consumers {
		out.Consumers = append(out.Consumers, &candorv1.ConsumerLoad{Consumer: c.Consumer, InFlight: c.InFlight, Queued: c.Queued, Waited: c.Waited, Shed: c.Shed})
	}
	out.Refused, out.Overloads = st.Refused, st.Overloads
	if st.HedgePercentile > 0 {
		out.HedgePercentile, out.HedgeDelay = &st.HedgePercentile, lengthOrNil(st.HedgeAfter)
	}
	out.UsualTime, out.BreakerTime, out.LastFailureTime = lengthOrNil(st.Usual), stampOrNil(st.BreakerTime), stampOrNil(st.LastFailureTime)
	for _, e := range st.Events {
		out.Events = append(out.Events, &candorv1.BackendEvent{Time: timestamppb.New(e.Time), Kind: e.Kind, Replica: e.Replica, Why: e.Why})
	}
}

// lengthOrNil is nil of no time at all.
func lengthOrNil(d time.Duration) *durationpb.Duration {
	if d <= 0 {
		return nil
	}
	return durationpb.New(d)
}
