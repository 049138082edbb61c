package gateway_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Knight Capital in small: a model that declines now and then begins to decline a hundred times as often. The limit trips at its bound,
// with one alert, and nothing more leaves, over a restart, until two people have reset it; then half of it holds. The log has all of
// it, and the offline verifier finds it whole.
func TestRunawayModel(t *testing.T) {
	const bound, usual, runaway = 20, 2, 200
	in := newInbox(t, 0)
	w := start(t, withLimit(bound, fmt.Sprintf(", on_trip: reject, reset: {people: 2}, probation: {share: 0.5, for: 10m}, alerts: [{name: desk, webhook: %q, allow_private: true}]", in.URL))...)
	w.stop()
	w.yaml = replaceOnce(t, w.yaml, "window: 1h", "window: 3s")
	w.run()
	release := func(n int) (released int) {
		var out atomic.Int64
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range n / 8 {
					if w.infer(t.Context(), request([][4]float32{sureRow})).err == nil {
						out.Add(1)
					}
				}
			})
		}
		wg.Wait()
		return int(out.Load())
	}
	for range usual {
		if err := w.infer(t.Context(), request([][4]float32{sureRow})).err; err != nil {
			t.Fatal(err)
		}
	}
	w.eventually(func() bool { return w.limit("declines").GetUsed() == 0 })
	if got := release(runaway); got != bound {
		t.Errorf("%d left, want exactly %d", got, bound)
	}
	if l := w.limit("declines"); !l.GetTripped() || l.GetWithheldSinceTrip() != runaway-bound {
		t.Fatalf("limit %v", l)
	}
	w.eventually(func() bool { return len(in.of("limit.tripped")) == 1 })
	if a := in.of("limit.tripped")[0]; a.Data.Count != bound || a.Data.MaxCount != bound {
		t.Errorf("alert %+v", a)
	}
	w.restart()
	w.eventually(func() bool { return w.limit("declines").GetUsed() == 0 })
	if got := release(runaway); got != 0 {
		t.Errorf("%d left after a restart, with an empty window", got)
	}
	if _, err := w.limits().AcknowledgeLimit(as(operatorToken), &candorv1.AcknowledgeLimitRequest{Name: "limits/declines", Note: "I look", RequestId: "a1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.reset(operatorToken, "declines", "r1"); err != nil {
		t.Fatal(err)
	}
	if got := release(8); got != 0 {
		t.Errorf("%d left when one had asked for the reset", got)
	}
	_, err := w.confirm(operatorToken, "declines", "r1", "c1")
	wantError(t, err, codes.PermissionDenied, "LIMIT_RESET_SAME_PERSON")
	if _, err := w.confirm(adminToken, "declines", "r1", "c1"); err != nil {
		t.Fatal(err)
	}
	w.restart()
	if l := w.limit("declines"); l.GetTripped() || l.GetBound() != bound/2 || l.GetProbationEndTime().AsTime().Sub(l.GetLastResetTime().AsTime()) != 10*time.Minute {
		t.Errorf("in probation, after a restart: %v", l)
	}
	if got := release(runaway); got != bound/2 {
		t.Errorf("%d left in probation, want %d", got, bound/2)
	}
	w.eventually(func() bool { return len(in.of("limit.tripped")) == 2 && len(in.of("limit.reset")) == 1 })
	w.stop()
	if all := in.got(); len(all) != 3 {
		t.Errorf("%d alerts for two trips and a reset: %+v", len(all), all)
	}

	var got []string
	for rec := range w.log() {
		if l := rec.GetLimit(); l != nil {
			got = append(got, fmt.Sprintf("%s by %q, asked by %q, %q, %d of %d, share %d", l.GetEvent(), l.GetBy(), l.GetAskedBy(), l.GetReason(), l.GetCount(), l.GetMaxCount(), l.GetProbationSharePpm()))
		}
	}
	want := []string{
		`LIMIT_EVENT_TRIPPED by "", asked by "", "", 20 of 20, share 0`,
		`LIMIT_EVENT_ACKNOWLEDGED by "olga", asked by "", "I look", 0 of 0, share 0`,
		`LIMIT_EVENT_RESET_ASKED by "olga", asked by "", "the feed was wrong", 0 of 0, share 0`,
		`LIMIT_EVENT_RESET by "root", asked by "olga", "the feed was wrong", 0 of 0, share 500000`,
		`LIMIT_EVENT_TRIPPED by "", asked by "", "", 10 of 10, share 0`,
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the log has\n%q, want\n%q", got, want)
	}
}
