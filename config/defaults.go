package config

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// ApplyDefaults fills every field that has a documented default and was left out, in place, so that no other code needs to
// know one. Applied twice it does nothing more. cfg may be incomplete: what is missing stays missing.
//
// The defaults are the ones in the comments of config.proto; a test compares them.
func ApplyDefaults(cfg *candorv1.Config) {
	if listen := cfg.GetListen(); listen != nil {
		fill(&listen.MaxMessageBytes, 64<<20)
		fill(&listen.MaxConcurrentStreams, 256)
		fillDuration(&listen.DefaultDeadline, 10*time.Second)
		fillDuration(&listen.DrainTimeout, 30*time.Second)
		fillDuration(&listen.MaxConnectionIdle, 15*time.Minute)
	}
	for _, backend := range cfg.GetBackends() {
		backendDefaults(backend)
	}
	for _, ensemble := range cfg.GetEnsembles() {
		for _, member := range ensemble.GetMembers() {
			if backend := cfg.GetBackends()[member.GetBackend()]; backend != nil && member.Timeout == nil {
				member.Timeout = proto.CloneOf(backend.GetTimeout())
			}
		}
	}
	for _, queue := range cfg.GetQueues() {
		fillDuration(&queue.Lease, 5*time.Minute)
		fillDuration(&queue.Deadline, 24*time.Hour)
	}
	for _, model := range cfg.GetModels() {
		if model.GetPolicy() != nil {
			policyDefaults(cfg, model)
		}
	}
	for _, limit := range cfg.GetLimits() {
		fillEnum(&limit.OnTrip, candorv1.OnTrip_ON_TRIP_REVIEW)
	}

	if cfg.Audit == nil {
		cfg.Audit = &candorv1.Audit{}
	}
	fill(&cfg.Audit.QueueRecords, 4096)
	fillDuration(&cfg.Audit.MaxLinger, 20*time.Millisecond)
	if cfg.Retention == nil {
		cfg.Retention = &candorv1.Retention{}
	}
	fillDuration(&cfg.Retention.Payloads, 720*time.Hour)
	if cfg.Telemetry == nil {
		cfg.Telemetry = &candorv1.Telemetry{}
	}
	fill(&cfg.Telemetry.SampleRatio, 0.01)
}

func backendDefaults(backend *candorv1.Backend) {
	fillDuration(&backend.Timeout, 5*time.Second)
	fillDuration(&backend.MinTimeout, 5*time.Millisecond)
	fill(&backend.MaxInFlight, 256)
	fill(&backend.Connections, 4)
	if backend.Breaker == nil {
		backend.Breaker = &candorv1.BreakerConfig{}
	}
	fill(&backend.Breaker.FailureRatio, 0.5)
	fill(&backend.Breaker.MinCalls, 10)
	fillDuration(&backend.Breaker.Window, 30*time.Second)
	fillDuration(&backend.Breaker.OpenFor, 5*time.Second)
	fill(&backend.Breaker.Probes, 3)
	for _, input := range backend.GetCard().GetInputs() {
		if input.ImageMax == 0 {
			input.ImageMax = 255
		}
	}
	for _, score := range backend.GetCard().GetScores() {
		if score.GetKind() != candorv1.ScoreKind_SCORE_KIND_REGRESSION {
			fill(&score.SumTolerance, 0.001)
		}
	}
}

func policyDefaults(cfg *candorv1.Config, model *candorv1.Model) {
	policy := model.GetPolicy()
	confidence := candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB
	if score := primaryScore(cfg, model); score.GetKind() == candorv1.ScoreKind_SCORE_KIND_REGRESSION {
		confidence = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_INTERVAL_WIDTH
	}
	fillEnum(&policy.Confidence, confidence)
	fillEnum(&policy.OnDefer, candorv1.OnDefer_ON_DEFER_WITHHOLD)
	if fallback := policy.GetFallback(); fallback != nil && fallback.Threshold == nil {
		fallback.Threshold = proto.CloneOf(policy.GetAccept().GetThreshold())
	}
	for _, tier := range policy.GetThen() {
		if tier.Threshold == nil {
			tier.Threshold = proto.CloneOf(policy.GetAccept().GetThreshold())
		}
	}
	if review := policy.GetReview(); review != nil {
		fillEnum(&review.OnExpire, candorv1.ExpireAction_EXPIRE_ACTION_REJECT)
		if queue := cfg.GetQueues()[review.GetQueue()]; queue != nil && review.Deadline == nil {
			review.Deadline = proto.CloneOf(queue.GetDeadline())
		}
	}
}

// primaryScore is the score of a model's primary; nil when its card declares none.
func primaryScore(cfg *candorv1.Config, model *candorv1.Model) *candorv1.Score {
	return scoreOf(cfg.GetBackends()[model.GetPrimary()].GetCard())
}

// scoreOf is the one score of a card, or nil.
func scoreOf(card *candorv1.ModelCard) *candorv1.Score {
	if scores := card.GetScores(); len(scores) > 0 {
		return scores[0]
	}
	return nil
}

func fill[T any](field **T, value T) {
	if *field == nil {
		*field = &value
	}
}

func fillDuration(field **durationpb.Duration, value time.Duration) {
	if *field == nil {
		*field = durationpb.New(value)
	}
}

func fillEnum[T ~int32](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
