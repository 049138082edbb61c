package demo

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/examples/digits"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// The simulated reviewers. Four, so that verdicts keep up with 80 rows a second on a slow machine too.
var simulated = []string{"simulated-1", "simulated-2", "simulated-3", "simulated-4"}

// lookForWork is how long a reviewer who found nothing waits.
const lookForWork = 50 * time.Millisecond

// reviewers are what a demo has in the place of people: they claim items of one queue and resolve them, by the calls and with
// the role that a person's program has. They see what people see, which is the image; they know the right label because the data
// set has it, and never err.
type reviewers struct {
	client candorv1.ReviewServiceClient
	queue  string
	tokens []string
	// timeout is for one item.
	timeout time.Duration
	// truth is the label of an image, by its pixels.
	truth map[[digits.Pixels]float64]string
	// verdicts given; failures are calls that went wrong, lastFailure the newest.
	verdicts atomic.Int64

	mu          sync.Mutex
	failures    int
	lastFailure error
}

func newReviewers(conn grpc.ClientConnInterface, queue string, images digits.Set, tokens map[string]string, timeout time.Duration) *reviewers {
	r := &reviewers{client: candorv1.NewReviewServiceClient(conn), queue: queue, timeout: timeout, truth: map[[digits.Pixels]float64]string{}}
	for _, img := range images {
		r.truth[[digits.Pixels]float64(img.Pixels)] = strconv.Itoa(img.Label)
	}
	for _, name := range simulated {
		r.tokens = append(r.tokens, tokens[name])
	}
	return r
}

// work reviews until stop is closed or ctx ends. An item that was begun is finished.
func (r *reviewers) work(ctx context.Context, stop <-chan struct{}) {
	var wg sync.WaitGroup
	for _, token := range r.tokens {
		wg.Go(func() {
			ctx := metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
			for {
				select {
				case <-stop:
					return
				default:
				}
				found, err := r.one(ctx)
				if err != nil && ctx.Err() == nil {
					r.fail(err)
				}
				if !found && sleep(ctx, lookForWork) != nil {
					return
				}
			}
		})
	}
	wg.Wait()
}

// one claims the next item and says what its image shows; found is false when there was nothing to claim.
func (r *reviewers) one(ctx context.Context) (found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	claimed, err := r.client.ClaimReviewItem(ctx, &candorv1.ClaimReviewItemRequest{Queue: r.queue})
	if status.Code(err) == codes.NotFound {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("claim a review item: %w", err)
	}
	item := claimed.GetItem()
	label, err := r.label(item.GetPayload())
	if err != nil {
		return false, fmt.Errorf("%s: %w", item.GetName(), err)
	}
	_, err = r.client.ResolveReviewItem(ctx, &candorv1.ResolveReviewItemRequest{
		Name: item.GetName(), Epoch: item.GetEpoch(), RequestId: fmt.Sprintf("%s/%d", item.GetName(), item.GetEpoch()),
		Verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: label}, Note: "a simulated verdict of candor demo"},
	})
	if err != nil {
		return true, fmt.Errorf("resolve %s: %w", item.GetName(), err)
	}
	r.verdicts.Add(1)
	return true, nil
}

// label looks at the image.
func (r *reviewers) label(p *candorv1.ReviewPayload) (string, error) {
	for _, t := range p.GetTensors() {
		if len(t.GetValues()) != digits.Pixels {
			continue
		}
		if label, ok := r.truth[[digits.Pixels]float64(t.GetValues())]; ok {
			return label, nil
		}
	}
	return "", fmt.Errorf("its payload is no image of the demo's")
}

func (r *reviewers) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures++
	r.lastFailure = err
}

// failed is how many calls went wrong, and the last of them.
func (r *reviewers) failed() (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures, r.lastFailure
}
