package soak

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/heldport"
)

// ledger is what callers and reviewers were told. Safe for concurrent use.
type ledger struct {
	mu sync.Mutex
	// items that callers hold a name of, and verdicts that were acknowledged, by the items' names.
	items    map[string]bool
	verdicts map[string]string
	stale    int // verdicts under an epoch that had passed, all refused
}

func (l *ledger) count() (items, verdicts int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.items), len(l.verdicts)
}

// TestPromise1ReviewsSurvive: no acknowledged review is lost and none is applied twice, over kill -9 of the gateway.
func TestPromise1ReviewsSurvive(t *testing.T) {
	f := promise(t, 1, "no acknowledged review lost, none applied twice",
		"callers defer rows and reviewers answer them, while the gateway is killed as by kill -9 and started again (SQLite; "+
			"PostgreSQL with several gateways: go test ./cmd/candor and ./store/postgres, CANDOR_POSTGRES=1)")
	model := modelServer(t, "primary")
	g := initialised(t, `
listen: {grpc: "`+heldport.For(t)+`", http: "127.0.0.1:0"}
store: {identity: soak, sqlite: {path: candor.db}}
consumers: {anyone: {identity: {anonymous: true}, models: ["*"]}}`+peopleConfig+`
backends:`+backendConfig("primary", model.Addr(), "")+`
models:
  fraud:
    primary: primary
    policy:
      mode: enforce
      accept: {threshold: {probability: 0.9}}
      review: {queue: desk, on_expire: reject}
      on_defer: provisional
      answers: [{output: probabilities, fill: scores}]
queues: {desk: {description: soak, lease: 1s, deadline: 1h, undo_window: 0s}}
`)
	g.start()
	l := &ledger{items: map[string]bool{}, verdicts: map[string]string{}}
	conn := g.dial()
	over, stop := context.WithCancel(t.Context())
	defer stop()
	var crowd sync.WaitGroup
	for range 2 {
		crowd.Go(func() { l.deferRows(over, conn) })
	}
	for i, who := range []string{"ana", "omar", "ana", "omar"} {
		crowd.Go(func() { l.review(t, over, conn, who, rand.New(rand.NewPCG(1, uint64(i)))) })
	}
	kills := 0
	for began := time.Now(); time.Since(began) < span() || kills < 3; kills++ {
		_, before := l.count()
		await(t, "reviewers get on", func() bool { _, n := l.count(); return n >= before+20 })
		g.kill()
		g.start()
	}
	_, before := l.count()
	await(t, "they get on after the last kill", func() bool { _, n := l.count(); return n >= before+20 })
	stop()
	crowd.Wait()

	finals := finalAnswers(t, conn, lastAnswer(t, conn))
	for item, label := range l.verdicts {
		if got := finals[item]; len(got) != 1 || got[0] != label {
			t.Errorf("%s was answered with %q; the feed has %q", item, label, got)
		}
	}
	lost := 0
	for item := range l.items {
		ctx, cancel := context.WithTimeout(as(t.Context(), "omar"), patience)
		_, err := candorv1.NewReviewServiceClient(conn).GetReviewItem(ctx, &candorv1.GetReviewItemRequest{Name: item})
		cancel()
		if err != nil {
			lost++
			t.Errorf("%s was given to a caller: %v", item, err)
		}
	}
	g.stop()
	if out, err := candor("audit", "verify", "--data-dir", g.folder); err != nil {
		t.Errorf("candor audit verify: %v\n%s", err, out)
	}
	items, verdicts := l.count()
	f.say("kills of the gateway", "%d", kills)
	f.say("items that callers were given, lost", "%d, %d", items, lost)
	f.say("verdicts acknowledged, each final once", "%d", verdicts)
	f.say("verdicts under a passed epoch, all refused", "%d", l.stale)
}

// deferRows sends rows that nobody is sure of until ctx ends.
func (l *ledger) deferRows(ctx context.Context, conn *grpc.ClientConn) {
	for ctx.Err() == nil {
		resp, _, err := infer(conn, unsure(), time.Second)
		if err != nil {
			continue // the gateway is dead; nothing was acknowledged
		}
		if item := resp.GetParameters()["candor_review_item"].GetStringParam(); item != "" {
			l.mu.Lock()
			l.items[item] = true
			l.mu.Unlock()
		}
	}
}

// review claims and answers until ctx ends, and sends what was not acknowledged again. Now and then it lets its lease pass.
func (l *ledger) review(t *testing.T, ctx context.Context, conn *grpc.ClientConn, who string, rng *rand.Rand) {
	reviews := candorv1.NewReviewServiceClient(conn)
	for ctx.Err() == nil {
		call, cancel := context.WithTimeout(as(context.Background(), who), time.Second)
		claimed, err := reviews.ClaimReviewItem(call, &candorv1.ClaimReviewItemRequest{Queue: "desk"})
		cancel()
		if err != nil {
			pause(ctx, 10*time.Millisecond)
			continue
		}
		item := claimed.GetItem()
		dawdles := rng.IntN(40) == 0
		if dawdles {
			pause(ctx, 1200*time.Millisecond) // beyond the lease
		}
		label := item.GetLabels()[rng.IntN(len(item.GetLabels()))]
		req := &candorv1.ResolveReviewItemRequest{
			Name: item.GetName(), Epoch: item.GetEpoch(), RequestId: uuid.NewString(),
			Verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: label}},
		}
		for {
			call, cancel := context.WithTimeout(as(context.Background(), who), time.Second)
			_, err := reviews.ResolveReviewItem(call, req)
			cancel()
			switch code := status.Code(err); {
			case err == nil:
				l.mu.Lock()
				if had, twice := l.verdicts[item.GetName()]; twice {
					t.Errorf("%s was answered with %q, and now with %q", item.GetName(), had, label)
				}
				l.verdicts[item.GetName()] = label
				l.mu.Unlock()
			case code == codes.Unavailable || code == codes.DeadlineExceeded:
				pause(context.Background(), 10*time.Millisecond)
				continue // dead, or nobody knows: the same request again
			case code == codes.Aborted || code == codes.FailedPrecondition:
				l.mu.Lock()
				l.stale++
				l.mu.Unlock()
			default:
				t.Errorf("%s resolves %s: %v", who, item.GetName(), err)
			}
			break
		}
	}
}

// pause lets time pass for somebody, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// lastAnswer defers one more row when everybody else has gone home, and answers it. What was final before stands before it in the feed.
func lastAnswer(t *testing.T, conn *grpc.ClientConn) (item string) {
	t.Helper()
	resp, _, err := infer(conn, unsure(), patience)
	if item = resp.GetParameters()["candor_review_item"].GetStringParam(); err != nil || item == "" {
		t.Fatalf("%v, %v", resp, err)
	}
	reviews := candorv1.NewReviewServiceClient(conn)
	await(t, "the last item is answered", func() bool {
		ctx, cancel := context.WithTimeout(as(t.Context(), "ana"), patience)
		defer cancel()
		claimed, err := reviews.ClaimReviewItem(ctx, &candorv1.ClaimReviewItemRequest{Name: item})
		if err != nil {
			return false
		}
		_, err = reviews.ResolveReviewItem(ctx, &candorv1.ResolveReviewItemRequest{
			Name: item, Epoch: claimed.GetItem().GetEpoch(), RequestId: uuid.NewString(),
			Verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: claimed.GetItem().GetLabels()[0]}},
		})
		return err == nil
	})
	return item
}

// finalAnswers are all of the feed, by item, up to the last one.
func finalAnswers(t *testing.T, conn *grpc.ClientConn, last string) map[string][]string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	watch, err := candorv1.NewPredictionServiceClient(conn).WatchPredictions(ctx, &candorv1.WatchPredictionsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for len(out[last]) == 0 {
		resp, err := watch.Recv()
		if err != nil {
			t.Fatal(err)
		}
		item := resp.GetPrediction().GetDecision().GetReviewItem()
		out[item] = append(out[item], resp.GetPrediction().GetLabel())
	}
	return out
}
