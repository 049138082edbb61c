package backend

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// The defaults that candor.v1.Backend and candor.v1.BreakerConfig document.
const (
	defaultTimeout      = 5 * time.Second
	defaultMinTimeout   = 5 * time.Millisecond
	defaultMaxInFlight  = 256
	defaultConnections  = 4
	defaultFailureRatio = 0.5
	defaultMinCalls     = 10
	defaultWindow       = 30 * time.Second
	defaultOpenFor      = 5 * time.Second
	defaultProbes       = 3
	defaultAttempts     = 2
	defaultBudget       = 0.2
	defaultHedge        = 0.95
	defaultUnsureShare  = 0.5
	defaultUnsureTimes  = 3
	defaultUnsureRows   = 100
)

// defaultMaxMessageBytes is Listen.max_message_bytes' default.
const defaultMaxMessageBytes = 64 << 20

// windowTimeouts is how many timeouts the breaker's window must hold at least: a call that takes longer than the window is
// dropped from the counts when it ends, so that a model server that hangs would never open its breaker.
const windowTimeouts = 2

// settings are a candor.v1.Backend with its defaults filled in.
type settings struct {
	place place
	// host are the names in it.
	host           hosts
	model, version string
	dialect        candorv1.Dialect
	timeout        time.Duration
	minTimeout     time.Duration
	maxInFlight    int64
	adaptive       bool
	connections    int
	breaker        breakerSettings
	replicas       replicaSettings
	warm           bool
	retry          retrySettings
	// hedge is the share of answers that come before a second attempt is made; 0: none is.
	hedge    float64
	collapse collapseSettings
}

type retrySettings struct {
	// attempts of one call, the first included.
	attempts int
	// budget is the share of calls that may be repeated.
	budget float64
}

type breakerSettings struct {
	failureRatio float64
	minCalls     uint32
	window       time.Duration
	openFor      time.Duration
	probes       uint32
}

// compileSettings fills in defaults and refuses what can't work together. Errors name the field, relative to the backend.
func compileSettings(cfg *candorv1.Backend) (settings, error) {
	s := settings{
		model:       cfg.GetModel(),
		version:     cfg.GetVersion(),
		dialect:     cfg.GetDialect(),
		timeout:     orDefault(cfg.GetTimeout(), defaultTimeout),
		minTimeout:  orDefault(cfg.GetMinTimeout(), defaultMinTimeout),
		maxInFlight: defaultMaxInFlight,
		adaptive:    cfg.AdaptiveLimit == nil || cfg.GetAdaptiveLimit(),
		connections: defaultConnections,
		warm:        cfg.GetWarm(),
		breaker: breakerSettings{
			failureRatio: defaultFailureRatio,
			minCalls:     defaultMinCalls,
			window:       orDefault(cfg.GetBreaker().GetWindow(), defaultWindow),
			openFor:      orDefault(cfg.GetBreaker().GetOpenFor(), defaultOpenFor),
			probes:       defaultProbes,
		},
	}
	s.retry = retrySettings{attempts: defaultAttempts, budget: defaultBudget}
	if r := cfg.GetRetry(); r != nil {
		if r.MaxAttempts != nil {
			s.retry.attempts = int(r.GetMaxAttempts())
		}
		if r.Budget != nil {
			s.retry.budget = r.GetBudget()
		}
	}
	if h := cfg.GetHedge(); h != nil {
		if s.hedge = defaultHedge; h.Percentile != nil {
			s.hedge = h.GetPercentile()
		}
		if !(s.hedge > 0 && s.hedge < 1) {
			return s, fmt.Errorf("hedge.percentile: is %v; write a share between 0 and 1, as 0.95", s.hedge)
		}
	}
	if cfg.MaxInFlight != nil {
		s.maxInFlight = int64(cfg.GetMaxInFlight())
	}
	if cfg.Connections != nil {
		s.connections = int(cfg.GetConnections())
	}
	if c := cfg.GetBreaker().GetCollapse(); c != nil {
		s.collapse = collapseSettings{below: c.GetBelow(), share: defaultUnsureShare, times: defaultUnsureTimes, minRows: defaultUnsureRows, window: s.breaker.window}
		if c.Share != nil {
			s.collapse.share = c.GetShare()
		}
		if c.Times != nil {
			s.collapse.times = c.GetTimes()
		}
		if c.MinRows != nil {
			s.collapse.minRows = int64(c.GetMinRows())
		}
		if !(c.GetBelow() > 0 && c.GetBelow() < 1) {
			return s, fmt.Errorf("breaker.collapse.below: is %v; write a confidence between 0 and 1", c.GetBelow())
		}
	}
	if b := cfg.GetBreaker(); b != nil {
		if b.FailureRatio != nil {
			s.breaker.failureRatio = b.GetFailureRatio()
		}
		if b.MinCalls != nil {
			s.breaker.minCalls = b.GetMinCalls()
		}
		if b.Probes != nil {
			s.breaker.probes = b.GetProbes()
		}
	}
	var err error
	if s.place, s.host, err = compilePlace(cfg); err != nil {
		return s, err
	}
	if s.replicas, err = compileReplicas(cfg.GetReplicas()); err != nil {
		return s, fmt.Errorf("replicas.%w", err)
	}
	return s, s.check()
}

func (s *settings) check() error {
	switch {
	case s.model == "":
		return fmt.Errorf("model: is empty; write the model's name on the server")
	case s.version == "":
		return fmt.Errorf("version: is empty; write the version that the card describes")
	case s.timeout <= 0 || s.minTimeout <= 0:
		return fmt.Errorf("timeout: %v with min_timeout %v; both must be above 0", s.timeout, s.minTimeout)
	case s.timeout <= s.minTimeout:
		return fmt.Errorf("timeout: %v is not above min_timeout %v, so no attempt could be made; raise timeout or lower min_timeout",
			s.timeout, s.minTimeout)
	case s.maxInFlight < 1:
		return fmt.Errorf("max_in_flight: is %d; write at least 1", s.maxInFlight)
	}
	if s.connections < 1 {
		return fmt.Errorf("connections: is %d; write at least 1", s.connections)
	}
	if s.retry.attempts < 1 {
		return fmt.Errorf("retry.max_attempts: is %d; write at least 1", s.retry.attempts)
	}
	if !(s.retry.budget >= 0 && s.retry.budget <= 1) {
		return fmt.Errorf("retry.budget: is %v; write a share from 0 to 1", s.retry.budget)
	}
	b := s.breaker
	switch {
	case !(b.failureRatio > 0 && b.failureRatio <= 1):
		return fmt.Errorf("breaker.failure_ratio: is %v; write a share above 0 and at most 1", b.failureRatio)
	case b.minCalls < 1:
		return fmt.Errorf("breaker.min_calls: is 0; write at least 1")
	case b.probes < 1:
		return fmt.Errorf("breaker.probes: is 0; write at least 1")
	case b.openFor <= 0:
		return fmt.Errorf("breaker.open_for: is %v; write a time above 0", b.openFor)
	case b.window/windowTimeouts < s.timeout:
		return fmt.Errorf("breaker.window: %v is too short for timeout %v, failures that take the whole timeout would not count; write at least %v",
			b.window, s.timeout, windowTimeouts*s.timeout)
	}
	return nil
}

func orDefault(d *durationpb.Duration, otherwise time.Duration) time.Duration {
	if d == nil {
		return otherwise
	}
	return d.AsDuration()
}
