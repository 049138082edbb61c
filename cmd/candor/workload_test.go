package main

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/candor-gateway/candor/cmd/candor/internal/remote"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

// workload is callers and reviewers, who remember what the gateway acknowledged.
type workload struct {
	t           *testing.T
	conn        *grpc.ClientConn
	predictions candorv1.PredictionServiceClient
	reviews     candorv1.ReviewServiceClient

	mu sync.Mutex
	// items acknowledged to callers, and verdicts acknowledged to reviewers, by the items' names.
	items    map[string]bool
	verdicts map[string]string
	// unsure is the verdict whose answer did not arrive; nil: none.
	unsure *candorv1.ResolveReviewItemRequest
	// changed is closed, and made anew, whenever something was acknowledged.
	changed chan struct{}
}

const (
	callers    = 4
	batch      = 10
	theVerdict = "heads"
	// longLease outlives the test, shortLease is the shortest that the gateway gives.
	longLease  = 10 * time.Minute
	shortLease = time.Second
)

func newWorkload(t *testing.T, address string) *workload {
	w := &workload{t: t, items: map[string]bool{}, verdicts: map[string]string{}, changed: make(chan struct{})}
	w.connect(address)
	return w
}

// connect turns to a gateway.
func (w *workload) connect(address string) {
	w.t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close() })
	w.conn, w.predictions, w.reviews = conn, candorv1.NewPredictionServiceClient(conn), candorv1.NewReviewServiceClient(conn)
}

func (w *workload) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}

// as is a context of a reviewer's call.
func (w *workload) as(reviewer string) (context.Context, context.CancelFunc) {
	ctx, cancel := w.context()
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+reviewer+"-token"), cancel
}

// deferBatch sends one batch of which every row is deferred.
func (w *workload) deferBatch(model string, rows int) error {
	ctx, cancel := w.context()
	defer cancel()
	resp, err := w.predictions.Predict(ctx, &candorv1.PredictRequest{Request: &inference.ModelInferRequest{
		ModelName: model,
		Inputs: []*inference.ModelInferRequest_InferInputTensor{{
			Name: "x", Datatype: "FP32", Shape: []int64{int64(rows), 1},
			Contents: &inference.InferTensorContents{Fp32Contents: make([]float32, rows)},
		}},
	}})
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range resp.GetPredictions() {
		name := p.GetDecision().GetReviewItem()
		if name == "" || w.items[name] {
			return fmt.Errorf("row %d was given the review item %q", p.GetRow(), name)
		}
		w.items[name] = true
	}
	w.notify()
	return nil
}

// deferSome wants so many rows deferred.
func (w *workload) deferSome(model string, rows int) {
	w.t.Helper()
	for rows > 0 {
		n := min(rows, batch)
		if err := w.deferBatch(model, n); err != nil {
			w.t.Fatal(err)
		}
		rows -= n
	}
}

func (w *workload) acknowledged() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.items)
}

// notify needs mu.
func (w *workload) notify() {
	close(w.changed)
	w.changed = make(chan struct{})
}

// await waits until so many rows and verdicts have been acknowledged.
func (w *workload) await(rows, verdicts int) {
	w.t.Helper()
	timeout := time.After(patience)
	for {
		w.mu.Lock()
		enough, changed := len(w.items) >= rows && len(w.verdicts) >= verdicts, w.changed
		w.mu.Unlock()
		if enough {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			w.t.Fatalf("after %v there are not %d rows and %d verdicts", patience, rows, verdicts)
		}
	}
}

// start lets callers defer coins and a reviewer claim and resolve them, each until a call fails.
func (w *workload) start() *sync.WaitGroup {
	var crowd sync.WaitGroup
	for range callers {
		crowd.Go(func() {
			for w.deferBatch("coin", batch) == nil {
			}
		})
	}
	crowd.Go(func() {
		for w.reviewOne() == nil {
		}
	})
	return &crowd
}

// reviewOne claims the next coin and resolves it. A verdict whose answer doesn't arrive is remembered.
func (w *workload) reviewOne() error {
	ctx, cancel := w.as("omar")
	defer cancel()
	claimed, err := w.reviews.ClaimReviewItem(ctx, &candorv1.ClaimReviewItemRequest{Queue: "coins"})
	if remote.Reason(err) == candorv1.ErrorReason_ERROR_REASON_QUEUE_EMPTY {
		return nil
	}
	if err != nil {
		return err
	}
	req := verdictOn(claimed.GetItem())
	if _, err := w.reviews.ResolveReviewItem(ctx, req); err != nil {
		w.unsure = req
		return err
	}
	w.resolved(req)
	return nil
}

func verdictOn(item *candorv1.ReviewItem) *candorv1.ResolveReviewItemRequest {
	return &candorv1.ResolveReviewItemRequest{
		Name: item.GetName(), Epoch: item.GetEpoch(), RequestId: uuid.NewString(),
		Verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: theVerdict}},
	}
}

func (w *workload) resolved(req *candorv1.ResolveReviewItemRequest) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.verdicts[req.GetName()] = req.GetVerdict().GetLabel()
	w.notify()
}

// retryVerdict sends the verdict again that may or may not have been stored: with its request id it must be taken either way.
func (w *workload) retryVerdict() {
	w.t.Helper()
	if w.unsure == nil {
		return
	}
	ctx, cancel := w.as("omar")
	defer cancel()
	if _, err := w.reviews.ResolveReviewItem(ctx, w.unsure); err != nil {
		w.t.Fatalf("the verdict that was under way: %v", err)
	}
	w.resolved(w.unsure)
}

// claim leases so many pennies.
func (w *workload) claim(reviewer string, n int, lease time.Duration) []*candorv1.ReviewItem {
	w.t.Helper()
	ctx, cancel := w.as(reviewer)
	defer cancel()
	var items []*candorv1.ReviewItem
	for range n {
		resp, err := w.reviews.ClaimReviewItem(ctx, &candorv1.ClaimReviewItemRequest{Queue: "pennies", Lease: durationpb.New(lease)})
		if err != nil {
			w.t.Fatal(err)
		}
		items = append(items, resp.GetItem())
	}
	return items
}

// reclaim claims one item as soon as its lease has ended.
func (w *workload) reclaim(reviewer, name string) *candorv1.ReviewItem {
	w.t.Helper()
	ctx, cancel := w.as(reviewer)
	defer cancel()
	ticker := time.NewTicker(shortLease / 20)
	defer ticker.Stop()
	for {
		resp, err := w.reviews.ClaimReviewItem(ctx, &candorv1.ClaimReviewItemRequest{Name: name})
		if err == nil {
			return resp.GetItem()
		}
		if remote.Reason(err) != candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_CLAIMED {
			w.t.Fatalf("claim %s: %v", name, err)
		}
		<-ticker.C
	}
}

// resolve wants the verdict of who holds the lease taken.
func (w *workload) resolve(reviewer string, item *candorv1.ReviewItem) {
	w.t.Helper()
	ctx, cancel := w.as(reviewer)
	defer cancel()
	req := verdictOn(item)
	if _, err := w.reviews.ResolveReviewItem(ctx, req); err != nil {
		w.t.Errorf("resolve %s with epoch %d: %v", item.GetName(), item.GetEpoch(), err)
		return
	}
	w.resolved(req)
}

// refuseStale wants a verdict with an epoch that has passed refused.
func (w *workload) refuseStale(reviewer string, item *candorv1.ReviewItem) {
	w.t.Helper()
	ctx, cancel := w.as(reviewer)
	defer cancel()
	_, err := w.reviews.ResolveReviewItem(ctx, verdictOn(item))
	if remote.Reason(err) != candorv1.ErrorReason_ERROR_REASON_STALE_LEASE {
		w.t.Errorf("a verdict on %s with the stale epoch %d: %v", item.GetName(), item.GetEpoch(), err)
	}
}

// refuseSecondVerdict wants another verdict on a resolved item refused.
func (w *workload) refuseSecondVerdict(item *candorv1.ReviewItem) {
	w.t.Helper()
	ctx, cancel := w.as("omar")
	defer cancel()
	_, err := w.reviews.ResolveReviewItem(ctx, verdictOn(item))
	if remote.Reason(err) != candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_RESOLVED {
		w.t.Errorf("a second verdict on %s: %v", item.GetName(), err)
	}
}

// list answers all items by name.
func (w *workload) list() map[string]*candorv1.ReviewItem {
	w.t.Helper()
	ctx, cancel := w.as("ana")
	defer cancel()
	items := map[string]*candorv1.ReviewItem{}
	req := &candorv1.ListReviewItemsRequest{PageSize: 300}
	for {
		resp, err := w.reviews.ListReviewItems(ctx, req)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, item := range resp.GetItems() {
			items[item.GetName()] = item
		}
		if req.PageToken = resp.GetNextPageToken(); req.PageToken == "" {
			return items
		}
	}
}
