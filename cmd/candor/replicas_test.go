package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestWriteReplicas(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	one := &candorv1.BackendStatus{Name: "one"}
	var out strings.Builder
	if err := writeReplicas(&out, []*candorv1.BackendStatus{one}, now); err != nil || out.Len() > 0 {
		t.Errorf("%v, wrote %q", err, out.String())
	}
	several := &candorv1.BackendStatus{Name: "net", Panicking: true, Replicas: []*candorv1.ReplicaStatus{
		{Address: "a:1", State: candorv1.ReplicaState_REPLICA_STATE_SERVING, InFlight: 2, Calls: 40, Failures: 1, Ejections: 3, UsualTime: durationpb.New(2300 * time.Microsecond)},
		{Address: "b:1", State: candorv1.ReplicaState_REPLICA_STATE_EJECTED, EjectedUntil: timestamppb.New(now.Add(7 * time.Second)), Why: "5 failures in a row"},
		{Address: "c:1", State: candorv1.ReplicaState_REPLICA_STATE_EJECTED, EjectedUntil: timestamppb.New(now.Add(-time.Second))},
		{Address: "d:1", State: candorv1.ReplicaState_REPLICA_STATE_NOT_READY},
	}}
	if err := writeReplicas(&out, []*candorv1.BackendStatus{one, several}, now); err != nil {
		t.Fatal(err)
	}
	have := strings.Join(strings.Fields(out.String()), " ")
	want := "BACKEND REPLICA STATE IN FLIGHT CALLS FAILED ANSWERS IN EJECTED WHY net a:1 serving 2 40 1 2.3ms 3 - " +
		"net b:1 ejected for 7s, ignored 0 0 0 - 0 5 failures in a row net c:1 ejected until it is ready, ignored 0 0 0 - 0 - net d:1 not ready 0 0 0 - 0 -"
	if have != want {
		t.Errorf("\nhave %s\nwant %s", have, want)
	}
}
