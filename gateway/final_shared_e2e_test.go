package gateway_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/store/postgres"
	"github.com/candor-gateway/candor/store/postgres/pgtest"
)

// Two gateways on one store find the same items due. Each answer passes the limits once: as many as a limit allows leave, and it doesn't trip.
func TestFinalsOfTwoGatewaysCountOnce(t *testing.T) { finalsOfTwoGateways(t, false) }

// So they do where all were held meanwhile, and are let out after a reset.
func TestLetOutByTwoGatewaysCountsOnce(t *testing.T) { finalsOfTwoGateways(t, true) }

func finalsOfTwoGateways(t *testing.T, held bool) {
	pgtest.Skip(t)
	const most = 150
	srv, err := pgtest.Start(false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	url := srv.URL("postgres")
	if err := postgres.Init(t.Context(), url, "test"); err != nil {
		t.Fatal(err)
	}
	const queues = "queues: {desk: {deadline: 1h, lease: 5m"
	var both []*world
	var store *postgres.Store
	for _, writer := range []string{"a", "b"} {
		st, err := postgres.Open(t.Context(), url, "test", postgres.Options{Writer: writer})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close(context.Background()) })
		store = st
		both = append(both, startWith(t, options{deps: func(d *gateway.Deps) {
			d.Ledger, d.Reviews, d.Limits, d.Certificates, d.Artefacts, d.Pins, d.Webhooks = st, st, st, st, st, st, st
		}}, queues+"}}", fmt.Sprintf("limits: {few: {action: decline, window: 1h, max_count: %d}}\n%s, undo_window: 15s}}", most, queues)))
	}
	var ids []string
	for range most {
		name, id := both[0].deferOne(deferredRow)
		both[0].resolve(reviewerToken, name, "bad")
		ids = append(ids, id)
	}
	// When all are due both begin at once.
	w := both[0]
	if held {
		if _, err := w.limits().StopAction(as(operatorToken), &candorv1.StopActionRequest{Action: "decline", Reason: "it is mad", RequestId: "s1"}); err != nil {
			t.Fatal(err)
		}
	}
	for _, w := range both {
		w.stop()
	}
	w.within(time.Minute, func() bool {
		due, err := store.Due(t.Context(), store.Now(), most)
		return err == nil && len(due) == most
	})
	for _, w := range both {
		w.run()
	}
	if held {
		w.within(time.Minute, func() bool {
			items, err := store.Held(t.Context(), nil, review.HeldPlace{}, most)
			return err == nil && len(items) == most
		})
		if _, err := w.reset(operatorToken, "stop:action:decline", "r1"); err != nil {
			t.Fatal(err)
		}
		w.within(time.Minute, func() bool {
			items, err := store.Held(t.Context(), nil, review.HeldPlace{}, most)
			return err == nil && len(items) == 0 || w.limit("few").GetTripped()
		})
	}
	for i, id := range ids {
		w.eventually(func() bool { return w.prediction(id).GetState() != candorv1.AnswerState_ANSWER_STATE_PENDING })
		if p := w.prediction(id); p.GetState() != candorv1.AnswerState_ANSWER_STATE_FINAL {
			t.Fatalf("answer %d of %d is %v", i+1, most, p.GetState())
		}
	}
	if w.limit("few").GetTripped() {
		t.Error("the limit tripped, and no more left than it allows")
	}
}
