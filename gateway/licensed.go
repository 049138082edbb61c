package gateway

import (
	"fmt"
	"time"

	"github.com/candor-gateway/candor/backend"
	"github.com/candor-gateway/candor/calibration"
	"github.com/candor-gateway/candor/calibration/certificate"
	"github.com/candor-gateway/candor/fallback"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// SegmentPolicy is what the rows of one segment are decided by; of a model with several fields, those of one field. The segment of a
// policy that lists none has no name.
type SegmentPolicy struct {
	Segment string
	Policy  router.Policy
	// Large is that of calls with more rows than the promise's max_rows; the same where nothing is promised.
	Large router.Policy
}

// Licensed answers by what a gateway of this configuration would decide a model's rows at a moment: its policy, with the thresholds
// that certificates in force license where it promises an error rate. A certificate that is not among states counts as one that was
// just opened. The policies have no Conditions. artefact reads name@version from the store. Nothing is dialled, opened or written.
// The configuration has been checked; errors name the field.
func Licensed(
	cfg *candorv1.Config, name string, artefact func(nameAtVersion string) (*candorv1.Artefact, error), states []*candorv1.CertificateState, now time.Time,
) ([]SegmentPolicy, error) {
	m, err := undialled(cfg, name, artefact)
	if err != nil {
		return nil, err
	}
	p, err := newPromise(m, cfg, artefact)
	if err != nil {
		return nil, fmt.Errorf("models.%s.policy.%w", name, err)
	}
	if p == nil {
		return []SegmentPolicy{{Policy: m.policy, Large: m.policy}}, nil
	}
	in := map[string]bool{}
	for _, s := range states {
		if !certificate.Ended(s) {
			in[certificate.Digest(s.GetKey())] = true
		}
	}
	for _, o := range p.openings() {
		if in[certificate.Digest(o.Key)] {
			continue
		}
		opened, err := certificate.Open(o.Key, 1, nil, now.UnixMicro())
		if err != nil {
			return nil, fmt.Errorf("models.%s.policy.accept.promise: %w", name, err)
		}
		states = append(states, opened)
	}
	p.look(m, states, now)
	var out []SegmentPolicy
	for _, v := range *p.views.Load() {
		out = append(out, SegmentPolicy{v.segment, v.policy, v.unlicensed().policy})
	}
	return out, nil
}

// undialled is a model with what newPromise and look read of it.
func undialled(cfg *candorv1.Config, name string, artefact func(nameAtVersion string) (*candorv1.Artefact, error)) (*model, error) {
	mc, ok := cfg.GetModels()[name]
	if !ok {
		return nil, fmt.Errorf("models: there is no %q", name)
	}
	bc := cfg.GetBackends()[mc.GetPrimary()]
	m := &model{name: name, cfg: mc, backendCfg: bc, review: mc.GetPolicy().GetReview(), onDefer: mc.GetPolicy().GetOnDefer()}
	if m.onDefer == candorv1.OnDefer_ON_DEFER_UNSPECIFIED {
		m.onDefer = candorv1.OnDefer_ON_DEFER_WITHHOLD
	}
	if m.review != nil {
		m.reviewDeadline = m.review.GetDeadline().AsDuration()
		if m.review.GetDeadline() == nil {
			m.reviewDeadline = cfg.GetQueues()[m.review.GetQueue()].GetDeadline().AsDuration()
		}
	}
	var err error
	if m.card, err = backend.CompileCard(bc.GetCard()); err != nil {
		return nil, fmt.Errorf("backends.%s.card: %w", mc.GetPrimary(), err)
	}
	if m.fields, err = newFields(mc.GetPolicy(), m.card, bc.GetCalibrator() != ""); err != nil {
		return nil, fmt.Errorf("models.%s.policy.%w", name, err)
	}
	for k := range m.fields {
		m.fields[k].policy.Conditions = nil
	}
	m.policy = m.fields[0].policy
	for _, f := range router.Cascade(mc.GetPolicy()) {
		e := cfg.GetEnsembles()[f.GetEnsemble()]
		m.tiers = append(m.tiers, &fallback.Ensemble{Name: f.GetEnsemble(), Version: e.GetVersion()})
	}
	if ref := bc.GetCalibrator(); ref != "" && mc.GetPolicy().GetAccept().GetPromise() != nil {
		a, err := artefact(ref)
		if err != nil {
			return nil, fmt.Errorf("backends.%s.calibrator: %w", mc.GetPrimary(), err)
		}
		c, err := calibration.New(a)
		if err != nil {
			return nil, fmt.Errorf("backends.%s.calibrator: %s: %w", mc.GetPrimary(), ref, err)
		}
		m.calibratorDigest = c.Digest()
	}
	return m, nil
}
