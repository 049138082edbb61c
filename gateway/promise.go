package gateway

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/calibration/certificate"
	"github.com/candor-gateway/candor/fallback"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// promise is a model's error promise, ready to be kept: which certificates it has, and what they license now.
type promise struct {
	cfg *candorv1.Promise
	// places have a view each: every segment, the last of which is the rest, with every field that the promise covers.
	places []place
	// covered is how many fields of a row it covers.
	covered int
	// reviewed: whatever is not accepted goes to a human, so that every row will be judged while nothing is licensed.
	reviewed   bool
	staleAfter time.Duration
	budget     *auditBudget
	// views of now, one for each place. Never nil.
	views atomic.Pointer[[]view]
}

// place is a field's rows in a segment.
type place struct {
	segment string
	// field is the index into the model's.
	field int
	// slots by stage: nil where a stage has a threshold of its own. Index 0 is the primary, k the tier k-1.
	slots []*slot
}

// slot is a stage's place for a certificate.
type slot struct {
	key    *candorv1.CertificateKey
	digest string
	// upstream is the digest of the tier before; empty: none.
	upstream string
	// heldOut is what a held-out file licenses; nil: nothing.
	heldOut *candorv1.HeldOutCertificate
}

// view is what a place's certificates license at one moment: a policy with their thresholds, and the chance of being judged.
// It is fixed before a row's confidence is seen. Read-only.
type view struct {
	segment string
	field   int
	policy  router.Policy
	// licenses by stage, as slots; nil where the stage has a threshold of its own.
	licenses []*license
	// rate is the probability that the coin chooses a row that nobody waits for, least the smallest that any row can get now.
	rate, least float64
}

// license is one certificate at one moment. Read-only.
type license struct {
	id string
	// own is the id of the version's own certificate where id is another version's, which stands in for it; empty: id is the own.
	own string
	// first: the stage's own certificate is its first version, none of this stage version was taken back.
	first bool
	// aside: other rows reach the tier now than those that its certificate is about, so that none of them is evidence.
	aside bool
	shown *candorv1.License
}

// newPromise lays out the certificates of a model; nil: its policy promises nothing.
func newPromise(m *model, cfg *candorv1.Config, artefact func(nameAtVersion string) (*candorv1.Artefact, error)) (*promise, error) {
	pc := m.cfg.GetPolicy().GetAccept().GetPromise()
	if pc == nil {
		return nil, nil
	}
	// Where a queue has bounds a deferred row may be judged by its coin alone.
	bounded := cfg.GetQueues()[m.review.GetQueue()].GetCapacity() != nil
	p := &promise{cfg: pc, reviewed: m.onDefer == candorv1.OnDefer_ON_DEFER_WITHHOLD && !bounded, staleAfter: pc.GetStaleAfter().AsDuration(), budget: &auditBudget{}}
	if p.staleAfter == 0 {
		p.staleAfter = 2 * m.reviewDeadline
	}
	p.budget.set(pc.GetAudit())
	for _, c := range m.cfg.GetPolicy().GetConditions() {
		p.reviewed = p.reviewed && c.GetRoute() != candorv1.Route_ROUTE_REJECT
	}
	cascade := router.Cascade(m.cfg.GetPolicy())
	covered := 1
	for i, f := range cascade {
		if f.GetThreshold() == nil {
			covered++
		} else {
			p.reviewed = false
		}
		// What a person declared is released without a confidence.
		p.reviewed = p.reviewed && !unconditional(m.tiers[i])
	}
	var held *candorv1.HeldOutCertificate
	if ref := pc.GetHeldOut(); ref != "" {
		a, err := artefact(ref)
		if err != nil {
			return nil, fmt.Errorf("accept.promise.held_out: %w", err)
		}
		if m.several() {
			return nil, fmt.Errorf("accept.promise.held_out: a held-out certificate is of one score, and the primary's card has %d", len(m.fields))
		}
		if len(pc.GetSegments()) > 0 {
			return nil, errors.New("accept.promise.held_out: a held-out certificate is of all rows, and each segment has a promise of its own")
		}
		if held, err = usableHeldOut(a, m, pc, certificate.Shares(pc.GetDelta(), covered, 1, true)); err != nil {
			return nil, fmt.Errorf("accept.promise.held_out: %s: %w", ref, err)
		}
	}
	for _, at := range placesOf(m, pc) {
		stages := []*slot{p.slotFor(cfg, m, at, 0, covered, held)}
		for i, f := range cascade {
			if f.GetThreshold() != nil {
				stages = append(stages, nil)
				continue
			}
			s := p.slotFor(cfg, m, at, i+1, covered, nil)
			for k := i; k >= 0 && s.upstream == ""; k-- {
				if stages[k] != nil {
					s.upstream = stages[k].digest
				}
			}
			stages = append(stages, s)
		}
		at.slots = stages
		p.places = append(p.places, at)
	}
	p.covered = len(p.places) / len(segmentNames(pc))
	return p, nil
}

// placesOf are the places that a promise has certificates for, without slots.
func placesOf(m *model, pc *candorv1.Promise) (places []place) {
	for _, segment := range segmentNames(pc) {
		for k := range m.fields {
			if m.fields[k].promised {
				places = append(places, place{segment: segment, field: k})
			}
		}
	}
	return places
}

// unconditional says that an ensemble may release what a person declared, whatever the confidence.
func unconditional(e *fallback.Ensemble) bool {
	return slices.ContainsFunc(e.Remedials, func(r fallback.Remedial) bool { return r.Backend == "" })
}

// rest is the segment of the rows that are in none of those listed.
const rest = "rest"

// segmentNames are those listed, then the rest; without any listed the one segment has no name.
func segmentNames(p *candorv1.Promise) []string {
	if len(p.GetSegments()) == 0 {
		return []string{""}
	}
	var names []string
	for _, s := range p.GetSegments() {
		names = append(names, s.GetName())
	}
	return append(names, rest)
}

func (p *promise) slotFor(cfg *candorv1.Config, m *model, at place, stage, covered int, held *candorv1.HeldOutCertificate) *slot {
	f := &m.fields[at.field]
	key := &candorv1.CertificateKey{
		Model: m.name, Segment: at.segment, Field: f.Name, Tier: uint32(stage), Confidence: f.policy.Method, Tolerance: f.tolerance,
		ConfidenceScale: scaleDigest(cfg, m, at.field), Labels: f.Labels, Grid: proto.CloneOf(p.cfg.GetGrid()),
		Alpha: p.cfg.GetAlpha(), Delta: certificate.Shares(p.cfg.GetDelta(), covered, len(placesOf(m, p.cfg)), held != nil),
		MaxRows: p.cfg.GetMaxRows(), AlarmRunLength: p.cfg.GetAlarmRunLength(),
		Population: populationDigest(cfg, m.cfg.GetPolicy(), at.segment, stage),
	}
	if stage == 0 {
		key.Stage, key.StageVersion, key.Calibrator = m.cfg.GetPrimary(), m.backendCfg.GetVersion(), m.calibratorDigest
	} else {
		e := m.tiers[stage-1]
		key.Stage, key.StageVersion, key.Confidence = e.Name, e.Version, m.policy.Tiers[stage-1].Method
		key.Calibrator = membersDigest(cfg, e.Name)
	}
	if held != nil && len(key.GetGrid().GetLevels()) == 0 {
		// The held-out grid was made without labels of the stream: it needs no burn-in.
		for _, l := range held.GetLevels() {
			key.Grid.Levels = append(key.Grid.Levels, l.GetThreshold())
		}
	}
	return &slot{key: key, digest: certificate.Digest(key), heldOut: held}
}

// usableHeldOut refuses a held-out certificate that promises something else.
func usableHeldOut(a *candorv1.Artefact, m *model, pc *candorv1.Promise, share float64) (*candorv1.HeldOutCertificate, error) {
	h := a.GetHeldOut()
	switch {
	case h == nil:
		return nil, fmt.Errorf("it is no held-out certificate; make one with `candor calibrate --certify`")
	case a.GetScope().GetModel() != m.backendCfg.GetModel() || a.GetScope().GetVersion() != m.backendCfg.GetVersion():
		return nil, fmt.Errorf("it is of model %s version %s, the primary is %s version %s; certify this version",
			a.GetScope().GetModel(), a.GetScope().GetVersion(), m.backendCfg.GetModel(), m.backendCfg.GetVersion())
	case h.GetConfidence() != m.policy.Method:
		return nil, fmt.Errorf("it was made for confidence %s, the policy has %s", short(h.GetConfidence().String()), short(m.policy.Method.String()))
	case h.GetCalibrator() != m.calibratorDigest:
		return nil, fmt.Errorf("it was made with another calibrator than backends.%s.calibrator", m.cfg.GetPrimary())
	case h.GetAlpha() > pc.GetAlpha():
		return nil, fmt.Errorf("it promises an error rate of %v, the policy %v", h.GetAlpha(), pc.GetAlpha())
	case h.GetDelta() > share*(1+1e-9):
		return nil, fmt.Errorf("it spends a delta of %v; the held-out start's share of the policy's is %v: certify with --delta %v", h.GetDelta(), share, share)
	}
	return h, nil
}

// openings are the certificates that the promise keeps, in the order of the slots.
func (p *promise) openings() []certificate.Opening {
	var out []certificate.Opening
	for _, at := range p.places {
		for _, s := range at.slots {
			if s != nil {
				out = append(out, certificate.Opening{Key: s.key, Upstream: s.upstream})
			}
		}
	}
	return out
}
