package gateway_test

import (
	"fmt"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// One of three replicas dies under load: its calls in flight take the fallback, like after any failure, and the rest are answered
// by the others. It is seen everywhere, and is found again.
func TestOneOfThreeReplicasDies(t *testing.T) {
	var servers []*oiptest.Server
	list := ""
	for range 3 {
		s := oiptest.Start(t, oiptest.Model{Name: "m", Version: "3", Infer: byColumn(0)})
		servers = append(servers, s)
		list += fmt.Sprintf("%q, ", s.Addr())
	}
	w, spans := traced(t, "1", "primary: {address: PRIMARY", "primary: {warm: true, replicas: {probe_every: 100ms}, addresses: ["+list+"]")
	states := func() map[string]*candorv1.ReplicaStatus {
		out := map[string]*candorv1.ReplicaStatus{}
		for _, r := range w.backend("primary").GetReplicas() {
			out[r.GetAddress()] = r
		}
		return out
	}
	serve := func(n int) func() bool {
		return func() bool { return w.metric(`candor_replicas{backend="primary",state="serving"}`) == float64(n) }
	}
	w.eventually(serve(3))
	ask := func(n int) {
		for range n {
			if a := w.infer(t.Context(), request([][4]float32{sureRow})); a.err != nil {
				t.Fatal(a.err)
			}
		}
	}
	ask(30)
	for _, s := range servers {
		if s.Calls() == 0 {
			t.Errorf("%s got no call", s.Addr())
		}
	}
	dead := servers[0]
	dead.Kill()
	w.eventually(serve(2))
	ask(30)
	r := states()[dead.Addr()]
	if r.GetState() != candorv1.ReplicaState_REPLICA_STATE_UNREACHABLE || r.GetWhy() == "" {
		t.Errorf("the dead one is %v", r)
	}
	if b := w.backend("primary"); b.GetBreaker() != candorv1.BreakerState_BREAKER_STATE_CLOSED || b.GetFailures() != 0 || b.GetPanicking() {
		t.Errorf("backend %v", b)
	}
	if n := w.metric(`candor_replica_calls_total{backend="primary",replica="` + servers[1].Addr() + `"}`); n < 1 {
		t.Errorf("candor_replica_calls_total is %v", n)
	}
	if n := w.metric(`candor_replica_panic{backend="primary"}`); n != 0 {
		t.Errorf("candor_replica_panic is %v", n)
	}
	dead.Restart()
	w.eventually(serve(3))
	before := dead.Calls()
	w.eventually(func() bool { ask(1); return dead.Calls() > before })

	known := map[string]bool{}
	for _, s := range servers {
		known[s.Addr()] = true
	}
	for _, s := range named(spans.exported(w), "candor.backend") {
		if !known[attr(s, "candor.replica")] {
			t.Errorf("a span has the replica %q", attr(s, "candor.replica"))
		}
	}
}
