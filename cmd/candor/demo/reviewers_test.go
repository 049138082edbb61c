package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/examples/digits"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// desk is a queue of images, each claimed once.
type desk struct {
	candorv1.ReviewServiceClient
	mu       sync.Mutex
	waiting  [][]float64
	claimed  int
	tokens   map[string]bool
	verdicts map[string]string
	// resolved hears of every verdict.
	resolved func(n int)
	refuse   bool
}

func (d *desk) ClaimReviewItem(ctx context.Context, req *candorv1.ClaimReviewItemRequest, _ ...grpc.CallOption) (*candorv1.ClaimReviewItemResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	md, _ := metadata.FromOutgoingContext(ctx)
	for _, token := range md.Get("authorization") {
		d.tokens[token] = true
	}
	if d.claimed == len(d.waiting) || req.GetQueue() != "q" {
		return nil, status.Error(codes.NotFound, "empty")
	}
	d.claimed++
	return &candorv1.ClaimReviewItemResponse{Item: &candorv1.ReviewItem{
		Name: fmt.Sprintf("reviewItems/%d", d.claimed), Epoch: 7,
		Payload: &candorv1.ReviewPayload{Tensors: []*candorv1.PayloadTensor{{Values: d.waiting[d.claimed-1]}}},
	}}, nil
}

func (d *desk) ResolveReviewItem(_ context.Context, req *candorv1.ResolveReviewItemRequest, _ ...grpc.CallOption) (*candorv1.ResolveReviewItemResponse, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuse {
		return nil, status.Error(codes.Aborted, "stale")
	}
	if req.GetEpoch() != 7 {
		return nil, status.Error(codes.InvalidArgument, "epoch")
	}
	d.verdicts[req.GetName()] = req.GetVerdict().GetLabel()
	d.resolved(len(d.verdicts))
	return &candorv1.ResolveReviewItemResponse{}, nil
}

// reviewed plays so many reviewers at a desk until every item has a verdict.
func reviewed(t *testing.T, d *desk, images digits.Set) *reviewers {
	t.Helper()
	tokens := map[string]string{}
	for _, name := range simulated {
		tokens[name] = "token of " + name
	}
	r := newReviewers(nil, "q", images, tokens, usual.review)
	r.client, d.tokens, d.verdicts = d, map[string]bool{}, map[string]string{}
	stop := make(chan struct{})
	d.resolved = func(n int) {
		if n == len(d.waiting) {
			close(stop)
		}
	}
	r.work(t.Context(), stop)
	return r
}

func TestReviewersSayWhatTheImageShows(t *testing.T) {
	images, err := heldOut()
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{}
	for _, img := range images[:50] {
		d.waiting = append(d.waiting, img.Pixels)
	}
	r := reviewed(t, d, images)
	if failures, last := r.failed(); failures > 0 || r.verdicts.Load() != 50 {
		t.Errorf("%d verdicts, %d failures, the last %v", r.verdicts.Load(), failures, last)
	}
	for i, img := range images[:50] {
		if got, want := d.verdicts[fmt.Sprintf("reviewItems/%d", i+1)], fmt.Sprint(img.Label); got != want {
			t.Errorf("image %d: verdict %q, want %q", i, got, want)
		}
	}
	for token := range d.tokens {
		if !slices.Contains(simulated, strings.TrimPrefix(token, "Bearer token of ")) {
			t.Errorf("authorization %q", token)
		}
	}
}

// What reviewers look up is there once: no two images have the same pixels.
func TestTruthIsUnique(t *testing.T) {
	images, err := heldOut()
	if err != nil {
		t.Fatal(err)
	}
	if r := newReviewers(nil, "q", images, nil, usual.review); len(r.truth) != len(images) {
		t.Errorf("%d different images of %d", len(r.truth), len(images))
	}
}

func TestReviewersTellOfFailures(t *testing.T) {
	images := digits.Set{{Label: 3, Pixels: make([]float64, digits.Pixels)}}
	for name, d := range map[string]*desk{
		"another image": {waiting: [][]float64{{1, 2, 3}}},
		"a lost lease":  {waiting: [][]float64{images[0].Pixels}, refuse: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReviewers(nil, "q", images, nil, usual.review)
			d.tokens = map[string]bool{}
			r.client = d
			_, err := r.one(t.Context())
			if err == nil || r.verdicts.Load() != 0 {
				t.Errorf("error %v, %d verdicts", err, r.verdicts.Load())
			}
			if found, err := r.one(t.Context()); found || err != nil {
				t.Errorf("an empty queue: %v, %v", found, err)
			}
		})
	}
}
