package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestWriteBackend(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	full := &candorv1.BackendStatus{
		Name: "net", Breaker: candorv1.BreakerState_BREAKER_STATE_HALF_OPEN, BreakerTime: timestamppb.New(now), BreakerOpened: 2, BreakerClosed: 1, Refused: 7,
		Calls: 100, Failures: 9, ContractFailures: 1, LastFailure: "down", LastFailureTime: timestamppb.New(now), UsualTime: durationpb.New(12345 * time.Microsecond),
		InFlight: 3, Limit: 5, MaxInFlight: 256, LimitMeasured: true, Queued: 1, Waited: 30, ShedLow: 4, ShedNormal: 5, ShedHigh: 6, Overloads: 17,
		Retries: 8, RetriesRefused: 2, RetryBudgetLeft: 3, HedgePercentile: proto.Float64(0.95), HedgeDelay: durationpb.New(50 * time.Millisecond), Hedges: 6, HedgesWon: 4,
		Panicking: true, Replicas: []*candorv1.ReplicaStatus{{Address: "a:1"}},
		Consumers: []*candorv1.ConsumerLoad{{Consumer: "checkout", InFlight: 3, Queued: 1, Waited: 30, Shed: 15}, {Shed: 2}},
		Events: []*candorv1.BackendEvent{{
			Time: timestamppb.New(now), Kind: candorv1.BackendEventKind_BACKEND_EVENT_KIND_REPLICA_EJECTED, Replica: "a:1", Why: "5 failures in a row",
		}},
	}
	bare := &candorv1.BackendStatus{Name: "one", Breaker: candorv1.BreakerState_BREAKER_STATE_CLOSED, Limit: 256, MaxInFlight: 256, HedgePercentile: nil}
	for b, says := range map[*candorv1.BackendStatus][]string{
		full: {
			"BREAKER half open since 2026-01-31T12:00:00Z; opened 2 times, closed 1 time; refused 7 calls", "CALLS 100; an answer takes 12.35ms",
			"FAILED 9, of them 1 broke the card, 0 were suddenly unsure; the last at 2026-01-31T12:00:00Z: down", "IN FLIGHT 3 of 5 (measured, max_in_flight is 256)",
			"WAIT 1 now; 30 got their place", "SHED low 4, normal 5, high 6;", "RETRIES 8; 2 refused for want of budget, which allows 3 more now",
			"HEDGES after 50ms (percentile 0.95); 6 made, 4 won", "PANIC", "net a:1", "CONSUMER IN FLIGHT WAIT GOT THEIR PLACE SHED checkout 3 1 30 15 others 0 0 0 2", "2026-01-31T12:00:00Z replica ejected a:1 5 failures in a row",
		},
		bare: {"BREAKER closed; opened 0", "an answer takes not known how long", "0 of 256 (max_in_flight)", "HEDGES off"},
	} {
		var out strings.Builder
		if err := writeBackend(&out, b, now); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(out.String()), " ")
		for _, want := range says {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", b.GetName(), want, text)
			}
		}
		if b == bare && (strings.Contains(text, "PANIC") || strings.Contains(text, "EVENT") || strings.Contains(text, "CONSUMER")) {
			t.Errorf("more than there is:\n%s", text)
		}
	}
	if _, err := oneBackend([]*candorv1.BackendStatus{full, bare}, "nobody"); err == nil || !strings.Contains(err.Error(), "net, one") {
		t.Errorf("error %v", err)
	}
}
