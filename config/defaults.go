package config

import (
	"cmp"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// ApplyDefaults fills every field that has a documented default and was left out, in place, so that no other code needs to
// know one. Applied twice it does nothing more. cfg may be incomplete: what is missing stays missing.
//
// The defaults are the ones in the comments of config.proto; a test compares them.
func ApplyDefaults(cfg *candorv1.Config) {
	if listen := cfg.GetListen(); listen != nil {
		fill(&listen.MaxMessageBytes, 64<<20)
		fill(&listen.MaxConcurrentStreams, 256)
		fill(&listen.MaxConnectionsPerAddress, 1000)
		fillDuration(&listen.DefaultDeadline, 10*time.Second)
		fillDuration(&listen.DrainTimeout, 30*time.Second)
		fillDuration(&listen.DrainDelay, 200*time.Millisecond)
		fillDuration(&listen.MaxConnectionIdle, 15*time.Minute)
		fill(&listen.MaxInFlightBytes, 512<<20)
	}
	if cfg.GetStore() != nil {
		fillDuration(&cfg.Store.Wait, time.Minute)
	}
	if postgres := cfg.GetStore().GetPostgres(); postgres != nil {
		fill(&postgres.MaxConnections, 16)
	}
	for _, consumer := range cfg.GetConsumers() {
		fillEnum(&consumer.Priority, candorv1.Priority_PRIORITY_NORMAL)
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
		queueDefaults(queue)
	}
	for _, model := range cfg.GetModels() {
		if model.GetPolicy() != nil {
			policyDefaults(cfg, model)
		}
	}
	for _, limit := range cfg.GetLimits() {
		fillEnum(&limit.OnTrip, candorv1.OnTrip_ON_TRIP_REVIEW)
		limitKindDefaults(limit)
		afterTripDefaults(limit)
	}

	if cfg.GetPeople() != nil {
		peopleDefaults(cfg.GetPeople())
	}
	for _, webhook := range cfg.GetWebhooks() {
		fillDuration(&webhook.Timeout, 10*time.Second)
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

func limitKindDefaults(limit *candorv1.LimitConfig) {
	if amount := limit.GetSum().GetAmount(); amount.GetInput() != nil {
		fill(&amount.Scale, 1)
	}
	if key := limit.GetKey(); key != nil {
		key.MaxKeys = cmp.Or(key.GetMaxKeys(), 10000)
	}
}

func afterTripDefaults(limit *candorv1.LimitConfig) {
	if limit.Reset_ == nil {
		limit.Reset_ = &candorv1.LimitReset{}
	}
	fill(&limit.Reset_.People, 1)
	fillDuration(&limit.Reset_.Expires, 15*time.Minute)
	if limit.Probation == nil {
		limit.Probation = &candorv1.Probation{}
	}
	fill(&limit.Probation.Share, 0.5)
	if limit.Probation.For == nil {
		limit.Probation.For = proto.CloneOf(limit.GetWindow())
	}
	for _, alert := range limit.GetAlerts() {
		fillDuration(&alert.Timeout, 5*time.Second)
		fillDuration(&alert.EscalateAfter, 15*time.Minute)
		if alert.GetAlertmanager() != "" {
			fillDuration(&alert.RepeatEvery, 5*time.Minute)
		}
	}
}

func peopleDefaults(people *candorv1.People) {
	if oidc := people.GetOidc(); oidc != nil {
		oidc.NameClaim = cmp.Or(oidc.NameClaim, "email")
		oidc.GroupsClaim = cmp.Or(oidc.GroupsClaim, "groups")
		if len(oidc.GetScopes()) == 0 {
			oidc.Scopes = []string{"email", "profile", "groups"}
		}
	}
	if people.Sessions == nil {
		people.Sessions = &candorv1.Sessions{}
	}
	fillDuration(&people.Sessions.Idle, time.Hour)
	fillDuration(&people.Sessions.Absolute, 12*time.Hour)
}

func backendDefaults(backend *candorv1.Backend) {
	fillDuration(&backend.Timeout, 5*time.Second)
	fillDuration(&backend.MinTimeout, 5*time.Millisecond)
	fill(&backend.MaxInFlight, 256)
	fill(&backend.AdaptiveLimit, true)
	fill(&backend.Connections, 4)
	if backend.Breaker == nil {
		backend.Breaker = &candorv1.BreakerConfig{}
	}
	fill(&backend.Breaker.FailureRatio, 0.5)
	fill(&backend.Breaker.MinCalls, 10)
	fillDuration(&backend.Breaker.Window, 30*time.Second)
	fillDuration(&backend.Breaker.OpenFor, 5*time.Second)
	fill(&backend.Breaker.Probes, 3)
	if hasReplicas(backend) {
		replicaDefaults(backend)
	}
	if collapse := backend.Breaker.GetCollapse(); collapse != nil {
		fill(&collapse.Share, 0.5)
		fill(&collapse.Times, 3)
		fill(&collapse.MinRows, 100)
	}
	if backend.Retry == nil {
		backend.Retry = &candorv1.RetryConfig{}
	}
	fill(&backend.Retry.MaxAttempts, 2)
	fill(&backend.Retry.Budget, 0.2)
	if backend.Hedge != nil {
		fill(&backend.Hedge.Percentile, 0.95)
	}
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

func replicaDefaults(backend *candorv1.Backend) {
	if backend.Replicas == nil {
		backend.Replicas = &candorv1.Replicas{}
	}
	r := backend.Replicas
	fillDuration(&r.ProbeEvery, 2*time.Second)
	fillDuration(&r.ResolveEvery, 30*time.Second)
	fill(&r.FailuresInARow, 5)
	fill(&r.FailureMargin, 0.3)
	fill(&r.MinCalls, 20)
	fillDuration(&r.Window, 30*time.Second)
	fillDuration(&r.Ejection, 10*time.Second)
	fillDuration(&r.MaxEjection, 300*time.Second)
	fill(&r.MaxEjected, 0.5)
	fill(&r.PanicThreshold, 0.5)
	fill(&r.SlowRatio, 5)
	fill(&r.SlowCalls, 20)
	fillDuration(&r.SlowBy, 10*time.Millisecond)
}

func policyDefaults(cfg *candorv1.Config, model *candorv1.Model) {
	policy := model.GetPolicy()
	// Of several fields each has the default of its own score.
	if !several(cfg.GetBackends()[model.GetPrimary()].GetCard()) {
		fillEnum(&policy.Confidence, router.DefaultMethod(sourceOf(cfg, model.GetPrimary())))
	}
	fillEnum(&policy.OnDefer, candorv1.OnDefer_ON_DEFER_WITHHOLD)
	if policy.OnStoreLost == nil {
		policy.OnStoreLost = &candorv1.OnStoreLost{}
	}
	fillEnum(&policy.OnStoreLost.Withhold, candorv1.Withhold_WITHHOLD_ACTIONS)
	fillDuration(&policy.OnStoreLost.After, time.Second)
	if policy.Monitors == nil {
		policy.Monitors = &candorv1.Monitors{}
	}
	fill(&policy.Monitors.MinRows, 500)
	fill(&policy.Monitors.Psi, 0.2)
	fill(&policy.Monitors.FalseAlerts, 0.05)
	fill(&policy.Monitors.MaxFallbackShare, 0.5)
	// What accept says of a confidence that no ensemble's answer has is no threshold for one.
	if fallback := policy.GetFallback(); fallback != nil && fallback.Threshold == nil && !router.OfOneModel(policy.GetConfidence()) {
		fallback.Threshold = proto.CloneOf(policy.GetAccept().GetThreshold())
	}
	for _, tier := range policy.GetThen() {
		if tier.Threshold == nil && !router.OfOneModel(policy.GetConfidence()) {
			tier.Threshold = proto.CloneOf(policy.GetAccept().GetThreshold())
		}
	}
	if promise := policy.GetAccept().GetPromise(); promise != nil {
		promiseDefaults(promise)
	}
	if review := policy.GetReview(); review != nil {
		fillEnum(&review.OnExpire, candorv1.ExpireAction_EXPIRE_ACTION_REJECT)
		fillEnum(&review.OnReplaced, candorv1.OnReplaced_ON_REPLACED_KEEP)
		if queue := cfg.GetQueues()[review.GetQueue()]; queue != nil && review.Deadline == nil {
			review.Deadline = proto.CloneOf(queue.GetDeadline())
		}
		if review.AuditDeadline == nil {
			review.AuditDeadline = proto.CloneOf(review.GetDeadline())
		}
	}
}

func queueDefaults(queue *candorv1.Queue) {
	fillDuration(&queue.UndoWindow, 10*time.Second)
	fillDuration(&queue.SkipPause, 15*time.Minute)
	fill(&queue.Blind, true)
	fill(&queue.AuditShare, 0.5)
	if agreement := queue.GetAgreement(); agreement != nil {
		fill(&agreement.Reviewers, 2)
		fill(&agreement.Agree, agreement.GetReviewers()/2+1)
		fill(&agreement.Share, 1)
		fill(&agreement.Tolerance, 0)
	}
	if coalesce := queue.GetCoalesce(); coalesce != nil {
		fillDuration(&coalesce.Within, time.Hour)
		fill(&coalesce.MaxRows, 100)
	}
	if hours := queue.GetHours(); hours != nil && hours.TimeZone == "" {
		hours.TimeZone = "UTC"
	}
}

func promiseDefaults(promise *candorv1.Promise) {
	fill(&promise.MaxRows, 1)
	fill(&promise.AlarmRunLength, 10000)
	fillEnum(&promise.OnStale, candorv1.OnStale_ON_STALE_DEFER)
	fillEnum(&promise.OnNewVersion, candorv1.OnNewVersion_ON_NEW_VERSION_DEFER)
	if promise.Grid == nil {
		promise.Grid = &candorv1.ThresholdGrid{}
	}
	fill(&promise.Grid.BurnIn, 200)
	fill(&promise.Grid.Steps, 12)
	fill(&promise.Grid.StartCoverage, 0.4)
}

// sourceOf is what a policy has to know of a backend's score.
func sourceOf(cfg *candorv1.Config, backend string) router.Source {
	entry := cfg.GetBackends()[backend]
	score := scoreOf(entry.GetCard())
	if score == nil {
		return router.Source{}
	}
	return sourceOfScore(entry.GetCard(), score, entry.GetCalibrator() != "")
}

func sourceOfScore(card *candorv1.ModelCard, score *candorv1.Score, calibrated bool) router.Source {
	source := router.Source{Kind: score.GetKind(), Labels: len(score.GetLabels()), Calibrated: calibrated}
	if output := findOutput(card, score.GetOutput()); output != nil {
		n, known := rowElements(output.GetShape(), hasRows(card, false))
		source.Single = known && n == 1
	}
	return source
}

// scoreOf is the one score of a card, or the first of several; nil: there is none.
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
