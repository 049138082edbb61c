package demo

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// state is what the gateway says about itself.
type state struct {
	backends []*candorv1.BackendStatus
	limits   []*candorv1.Limit
	// waiting items in the review queues, claimed ones included.
	waiting int64
	// certificate in force of the model's primary; nil: it isn't there yet.
	certificate *candorv1.Certificate
}

func (s state) backend(name string) *candorv1.BackendStatus {
	i := slices.IndexFunc(s.backends, func(b *candorv1.BackendStatus) bool { return b.GetName() == name })
	if i < 0 {
		return nil
	}
	return s.backends[i]
}

func (s state) limit(name string) *candorv1.Limit {
	i := slices.IndexFunc(s.limits, func(l *candorv1.Limit) bool { return l.GetName() == "limits/"+name })
	if i < 0 {
		return nil
	}
	return s.limits[i]
}

// breakers answers how often breakers have opened and closed since the gateway started.
func (s state) breakers() (opened, closed int64) {
	for _, b := range s.backends {
		opened += b.GetBreakerOpened()
		closed += b.GetBreakerClosed()
	}
	return opened, closed
}

// allClosed says that every breaker is closed.
func (s state) allClosed() bool {
	return !slices.ContainsFunc(s.backends, func(b *candorv1.BackendStatus) bool {
		return b.GetBreaker() != candorv1.BreakerState_BREAKER_STATE_CLOSED
	})
}

// watch asks the gateway for its state, as the operator. Safe for concurrent use.
type watch struct {
	explain      candorv1.ExplainServiceClient
	limits       candorv1.LimitServiceClient
	reviews      candorv1.ReviewServiceClient
	certificates candorv1.CertificateServiceClient
	token        string
	// timeout is for one look.
	timeout time.Duration

	mu   sync.Mutex
	last state
	err  error
}

func newWatch(conn grpc.ClientConnInterface, token string, timeout time.Duration) *watch {
	return &watch{
		explain: candorv1.NewExplainServiceClient(conn), limits: candorv1.NewLimitServiceClient(conn),
		reviews: candorv1.NewReviewServiceClient(conn), certificates: candorv1.NewCertificateServiceClient(conn), token: token, timeout: timeout,
	}
}

const (
	watchEvery = 200 * time.Millisecond
	// watchedLimits is the most that one page holds.
	watchedLimits = 1000
)

// run looks again and again until ctx ends.
func (w *watch) run(ctx context.Context) {
	for sleep(ctx, watchEvery) == nil {
		// The error is kept, and told by whoever waits for something that never shows.
		_, _ = w.look(ctx)
	}
}

// look asks now.
func (w *watch) look(ctx context.Context) (state, error) {
	s, err := w.ask(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err = err; err == nil {
		w.last = s
	}
	return s, err
}

func (w *watch) ask(ctx context.Context) (state, error) {
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+w.token), w.timeout)
	defer cancel()
	backends, err := w.explain.ListBackends(ctx, &candorv1.ListBackendsRequest{})
	if err != nil {
		return state{}, fmt.Errorf("list backends: %w", err)
	}
	limits, err := w.limits.ListLimits(ctx, &candorv1.ListLimitsRequest{PageSize: watchedLimits})
	if err != nil {
		return state{}, fmt.Errorf("list limits: %w", err)
	}
	items, err := w.reviews.ListReviewItems(ctx, &candorv1.ListReviewItemsRequest{PageSize: 1})
	if err != nil {
		return state{}, fmt.Errorf("list review items: %w", err)
	}
	certificates, err := w.certificates.ListCertificates(ctx, &candorv1.ListCertificatesRequest{Model: modelName})
	if err != nil {
		return state{}, fmt.Errorf("list certificates: %w", err)
	}
	s := state{
		backends: backends.GetBackends(), limits: limits.GetLimits(), waiting: items.GetPendingCount() + items.GetClaimedCount(),
	}
	for _, ct := range certificates.GetCertificates() {
		// That of the newest key, when the policy was changed.
		if ct.GetKey().GetTier() == 0 && (s.certificate == nil || ct.GetOpenTime().AsTime().After(s.certificate.GetOpenTime().AsTime())) {
			s.certificate = ct
		}
	}
	return s, nil
}

// state is what the last look that succeeded saw; the error is the last look's.
func (w *watch) state() (state, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, w.err
}
