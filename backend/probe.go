package backend

import (
	"context"
	"errors"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/gen/inference"
)

const (
	readyTTL    = time.Second
	metadataTTL = time.Minute
	// errorTTL is how long an error of a probe is kept, so that a model server that is down isn't asked by everybody at once.
	errorTTL = time.Second
	// probeTimeout bounds a probe. Servers answer it from memory.
	probeTimeout = 2 * time.Second
)

// Ready asks the model server whether the model can answer (ModelReady: neither MLServer nor KServe serves gRPC health). The
// answer is at most one second old, and many askers make one call. It doesn't look at the breaker. A server that doesn't
// know the question counts as ready.
func (b *Backend) Ready(ctx context.Context) bool {
	ok, err := b.ready.get(ctx, func() (bool, error) {
		probe, cancel := context.WithTimeout(b.life, probeTimeout)
		defer cancel()
		r := new(inference.ModelReadyResponse)
		err := b.conns.Invoke(probe, b.Speech().method("ModelReady"), &inference.ModelReadyRequest{Name: b.set.model, Version: b.set.version}, r)
		if status.Code(err) == codes.Unimplemented {
			return true, nil
		}
		return r.GetReady(), err
	})
	return ok && err == nil
}

// Metadata is what the model server says about the model's tensors, at most one minute old. It is shared: nobody changes
// it. The error is a *Failure.
func (b *Backend) Metadata(ctx context.Context) (*inference.ModelMetadataResponse, error) {
	start := time.Now()
	m, err := b.metadata.get(ctx, func() (*inference.ModelMetadataResponse, error) {
		probe, cancel := context.WithTimeout(b.life, probeTimeout)
		defer cancel()
		var trailer metadata.MD
		m := new(inference.ModelMetadataResponse)
		question := &inference.ModelMetadataRequest{Name: b.set.model, Version: b.set.version}
		err := b.conns.Invoke(probe, b.Speech().method("ModelMetadata"), question, m, grpc.Trailer(&trailer))
		if err == nil {
			return m, nil
		}
		f := classify(b.Speech().Dialect, b.maxBytes, ended{
			status: status.Convert(err), said: saidIt(trailer, status.Convert(err).Message()),
			timeUp: probe.Err() != nil, given: probeTimeout,
		})
		f.Backend, f.Duration, f.Attempts = b.name, time.Since(start), 1
		f.Message = sanitize(f.Message, b.set.host)
		return nil, f
	})
	if err == nil {
		return m, nil
	}
	if f := (*Failure)(nil); errors.As(err, &f) {
		return nil, f
	}
	f := classify(b.Speech().Dialect, b.maxBytes, ended{
		status: status.FromContextError(err), callerGone: true, callerLate: errors.Is(err, context.DeadlineExceeded), elapsed: time.Since(start),
	})
	f.Backend, f.Duration = b.name, time.Since(start)
	return nil, f
}

// recent keeps the newest result of a question for ttl, and lets one asker ask for all.
type recent[T any] struct {
	ttl time.Duration
	// defect is the error that a panic of the question becomes.
	defect func(panicked any) error

	mu     sync.Mutex
	value  T
	err    error
	asked  time.Time
	until  time.Time
	flight chan struct{}
}

// get answers the kept result, or waits for a new one until ctx ends. fetch runs in a goroutine of its own, since those who
// wait for it outlive the one who came first; it must end by itself.
func (r *recent[T]) get(ctx context.Context, fetch func() (T, error)) (T, error) {
	r.mu.Lock()
	for time.Now().After(r.until) {
		if r.flight == nil {
			r.flight = make(chan struct{})
			go r.ask(fetch)
		}
		flight := r.flight
		r.mu.Unlock()
		select {
		case <-flight:
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		}
		r.mu.Lock()
	}
	defer r.mu.Unlock()
	return r.value, r.err
}

// renew asks again although the kept result still holds, but not more than once per errorTTL. It doesn't wait.
func (r *recent[T]) renew(fetch func() (T, error)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.flight == nil && time.Since(r.asked) > errorTTL {
		r.flight = make(chan struct{})
		go r.ask(fetch)
	}
}

func (r *recent[T]) ask(fetch func() (T, error)) {
	asked := time.Now()
	value, err := r.try(fetch)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.value, r.err, r.asked = value, err, asked
	r.until = time.Now().Add(r.ttl)
	if err != nil {
		r.until = time.Now().Add(min(r.ttl, errorTTL))
	}
	close(r.flight)
	r.flight = nil
}

// try asks. Nobody above recovers in this goroutine.
func (r *recent[T]) try(fetch func() (T, error)) (value T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = r.defect(p)
		}
	}()
	return fetch()
}

// wait waits for a question that is being asked.
func (r *recent[T]) wait() {
	r.mu.Lock()
	flight := r.flight
	r.mu.Unlock()
	if flight != nil {
		<-flight
	}
}
