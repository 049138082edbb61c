package gateway

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

const (
	uncertified = candorv1.Reason_REASON_UNCERTIFIED
	stale       = candorv1.Reason_REASON_CERTIFICATE_STALE
	unavailable = candorv1.Reason_REASON_CERTIFICATE_UNAVAILABLE
	enforce     = candorv1.Mode_MODE_ENFORCE
	observe     = candorv1.Mode_MODE_OBSERVE

	viewRate  = .1
	staleTime = time.Hour
)

func viewKey(version string, tier uint32) *candorv1.CertificateKey {
	return &candorv1.CertificateKey{
		Model: "m", Stage: "s", StageVersion: version, Tier: tier, Confidence: candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB,
		Labels: []string{"a", "b"}, Grid: &candorv1.ThresholdGrid{Levels: []float64{.9, .6}}, Alpha: .1, Delta: .1, MaxRows: 1, AlarmRunLength: 1000,
	}
}

// stateOf is a certificate that licenses the threshold of its n-th level; 0: it is earning.
func stateOf(t *testing.T, key *candorv1.CertificateKey, version, n uint32) *candorv1.CertificateState {
	t.Helper()
	s, err := certificate.Open(key, version, nil, midnight.UnixMicro())
	if err != nil {
		t.Fatal(err)
	}
	if s.Certified = n; n > 0 {
		s.Status, s.CertifiedUs = candorv1.CertificateStatus_CERTIFICATE_STATUS_CERTIFIED, midnight.UnixMicro()
	}
	return s
}

// overdue has had an open unit for longer than staleTime.
func overdue(s *candorv1.CertificateState) *candorv1.CertificateState {
	s.OldestOpenUs = midnight.Add(-2 * staleTime).UnixMicro()
	return s
}

// seen is what the tests look at of a view: thresholds or why there are none, mode and least.
type seen struct {
	tau     []float64
	missing []candorv1.Reason
	mode    candorv1.Mode
	least   float64
	aside   []bool
	id      string
}

// viewOf looks at states under a promise with so many tiers that have certificates.
func viewOf(cfg *candorv1.Promise, heldOut *candorv1.HeldOutCertificate, tiers int, states []*candorv1.CertificateState) seen {
	p := &promise{cfg: cfg, reviewed: true, staleAfter: staleTime}
	p.budget = &auditBudget{}
	p.budget.set(&candorv1.AuditSampling{Budget: &candorv1.AuditSampling_Rate{Rate: viewRate}})
	m := &model{policy: router.Policy{Mode: enforce, HasReview: true}}
	var stages []*slot
	for k := range tiers + 1 {
		key := viewKey("2", uint32(k))
		stages = append(stages, &slot{key: key, digest: certificate.Digest(key)})
	}
	stages[0].heldOut = heldOut
	m.policy.Tiers = make([]router.License, tiers)
	m.fields = []field{{policy: m.policy}}
	p.places = []place{{slots: stages}}
	p.look(m, states, midnight)
	v := (*p.views.Load())[0]
	out := seen{mode: v.policy.Mode, least: v.least}
	for _, l := range append([]router.License{v.policy.Primary}, v.policy.Tiers...) {
		tau := 0.0
		if l.Threshold != nil {
			tau = *l.Threshold
		}
		out.tau, out.missing = append(out.tau, tau), append(out.missing, l.Missing)
	}
	for _, l := range v.licenses {
		out.aside = append(out.aside, l != nil && l.aside)
	}
	if v.licenses[0] != nil {
		out.id = v.licenses[0].id
	}
	return out
}

func TestViews(t *testing.T) {
	own, ownID := viewKey("2", 0), certificate.Digest(viewKey("2", 0))
	before := viewKey("1", 0)
	tier := viewKey("2", 1)
	type states = []*candorv1.CertificateState
	onStale := func(o candorv1.OnStale) *candorv1.Promise { return &candorv1.Promise{OnStale: o} }
	onNew := func(o candorv1.OnNewVersion) *candorv1.Promise { return &candorv1.Promise{OnNewVersion: o} }
	heldOut := &candorv1.HeldOutCertificate{Threshold: proto.Float64(.75)}
	const (
		keep, fallBack, toHuman = candorv1.OnStale_ON_STALE_KEEP, candorv1.OnStale_ON_STALE_FALLBACK, candorv1.OnStale_ON_STALE_DEFER
		keepPrevious            = candorv1.OnNewVersion_ON_NEW_VERSION_KEEP_PREVIOUS
		observeNew              = candorv1.OnNewVersion_ON_NEW_VERSION_OBSERVE
	)
	for _, tt := range []struct {
		name    string
		cfg     *candorv1.Promise
		held    *candorv1.HeldOutCertificate
		tiers   int
		states  states
		tau     float64
		missing candorv1.Reason
		mode    candorv1.Mode
		least   float64
		version string
	}{
		{"nothing can be read", onStale(toHuman), nil, 0, nil, 0, unavailable, enforce, 1, ""},
		{"nothing is open", onStale(toHuman), nil, 0, states{}, 0, unavailable, enforce, 1, ""},
		{"earning", onStale(toHuman), nil, 0, states{stateOf(t, own, 1, 0)}, 0, uncertified, enforce, 1, ".1"},
		{"certified", onStale(toHuman), nil, 0, states{stateOf(t, own, 1, 2)}, .6, 0, enforce, viewRate, ".1"},
		{"stale, keep", onStale(keep), nil, 0, states{overdue(stateOf(t, own, 1, 2))}, .6, 0, enforce, viewRate, ".1"},
		{"stale, fallback", onStale(fallBack), nil, 0, states{overdue(stateOf(t, own, 1, 2))}, 0, stale, enforce, 1, ".1"},
		{"stale, defer", onStale(toHuman), nil, 0, states{overdue(stateOf(t, own, 1, 2))}, 0, stale, enforce, 1, ".1"},
		{"overdue while earning is no news", onStale(toHuman), nil, 0, states{overdue(stateOf(t, own, 1, 0))}, 0, uncertified, enforce, 1, ".1"},

		{"keep the previous version's", onNew(keepPrevious), nil, 0, states{stateOf(t, own, 1, 0), stateOf(t, before, 1, 1)}, .9, 0, enforce, viewRate, ""},
		{"not when nobody said so", onStale(toHuman), nil, 0, states{stateOf(t, own, 1, 0), stateOf(t, before, 1, 1)}, 0, uncertified, enforce, 1, ".1"},
		{"its own comes first", onNew(keepPrevious), nil, 0, states{stateOf(t, own, 1, 2), stateOf(t, before, 1, 1)}, .6, 0, enforce, viewRate, ".1"},
		{"not after its own was revoked", onNew(keepPrevious), nil, 0, states{stateOf(t, own, 2, 0), stateOf(t, before, 1, 1)}, 0, uncertified, enforce, 1, ".2"},
		{"the previous has licensed nothing", onNew(keepPrevious), nil, 0, states{stateOf(t, own, 1, 0), stateOf(t, before, 1, 0)}, 0, uncertified, enforce, 1, ".1"},

		{"observe a new version", onNew(observeNew), nil, 0, states{stateOf(t, own, 1, 0)}, 0, uncertified, observe, viewRate, ".1"},
		{"until it is certified", onNew(observeNew), nil, 0, states{stateOf(t, own, 1, 1)}, .9, 0, enforce, viewRate, ".1"},
		{"and not after it was revoked", onNew(observeNew), nil, 0, states{stateOf(t, own, 2, 0)}, 0, uncertified, enforce, 1, ".2"},
		{"nor without certificates", onNew(observeNew), nil, 0, nil, 0, unavailable, enforce, 1, ""},

		{"held out", onStale(toHuman), heldOut, 0, states{stateOf(t, own, 1, 0)}, .75, 0, enforce, viewRate, ".1"},
		{"held out licenses more", onStale(toHuman), heldOut, 0, states{stateOf(t, own, 1, 1)}, .75, 0, enforce, viewRate, ".1"},
		{"the stream licenses more", onStale(toHuman), heldOut, 0, states{stateOf(t, own, 1, 2)}, .6, 0, enforce, viewRate, ".1"},
		{"held out, and revoked", onStale(toHuman), heldOut, 0, states{stateOf(t, own, 2, 0)}, 0, uncertified, enforce, 1, ".2"},
		{"held out, and stale", onStale(toHuman), heldOut, 0, states{overdue(stateOf(t, own, 1, 0))}, 0, stale, enforce, 1, ".1"},
		{"held out, of a version without a threshold", onStale(toHuman), &candorv1.HeldOutCertificate{}, 0, states{stateOf(t, own, 1, 0)}, 0, uncertified, enforce, 1, ".1"},
		{"only a tier licenses", onStale(toHuman), nil, 1, states{stateOf(t, own, 1, 0), stateOf(t, tier, 1, 1)}, 0, uncertified, enforce, viewRate, ".1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := viewOf(tt.cfg, tt.held, tt.tiers, tt.states)
			if got.tau[0] != tt.tau || got.missing[0] != tt.missing || got.mode != tt.mode || got.least != tt.least {
				t.Errorf("got %+v", got)
			}
			if tt.version != "" && got.id != ownID+tt.version {
				t.Errorf("certificate %s, want %s%s", got.id, ownID, tt.version)
			}
		})
	}
}

// A tier's certificate is about the rows that the one before it lets pass. While that licenses less than it did, the tier does too.
func TestATierBehindAStaleOne(t *testing.T) {
	states := []*candorv1.CertificateState{overdue(stateOf(t, viewKey("2", 0), 1, 1)), stateOf(t, viewKey("2", 1), 1, 1)}
	got := viewOf(&candorv1.Promise{OnStale: candorv1.OnStale_ON_STALE_FALLBACK}, nil, 1, states)
	if got.tau[1] != 0 || got.missing[1] != stale || got.aside[0] || !got.aside[1] || got.least != 1 {
		t.Errorf("fallback: %+v", got)
	}
	got = viewOf(&candorv1.Promise{OnStale: candorv1.OnStale_ON_STALE_DEFER}, nil, 1, states)
	if len(got.tau) != 1 || got.least != 1 {
		t.Errorf("defer: %+v", got)
	}
	// The primary goes on when only the tier is stale: what it accepts is audited at the rate, which must count.
	states = []*candorv1.CertificateState{stateOf(t, viewKey("2", 0), 1, 1), overdue(stateOf(t, viewKey("2", 1), 1, 1))}
	got = viewOf(&candorv1.Promise{OnStale: candorv1.OnStale_ON_STALE_DEFER}, nil, 1, states)
	if got.tau[0] != .9 || len(got.tau) != 1 || got.least != viewRate || got.aside[1] {
		t.Errorf("only the tier is stale: %+v", got)
	}
}

// While another version's certificate stands in for the stage before, it decides which rows reach the tier, and the store doesn't watch that.
func TestATierBehindAnotherVersionsCertificate(t *testing.T) {
	keep := &candorv1.Promise{OnNewVersion: candorv1.OnNewVersion_ON_NEW_VERSION_KEEP_PREVIOUS}
	states := []*candorv1.CertificateState{stateOf(t, viewKey("2", 0), 1, 0), stateOf(t, viewKey("1", 0), 1, 1), stateOf(t, viewKey("2", 1), 1, 1)}
	if got := viewOf(keep, nil, 1, states); got.tau[0] != .9 || got.tau[1] != 0 || got.missing[1] != uncertified || !got.aside[1] {
		t.Errorf("behind one that stands in: %+v", got)
	}
	states[0] = stateOf(t, viewKey("2", 0), 1, 1)
	if got := viewOf(keep, nil, 1, states); got.tau[1] != .9 || got.aside[1] {
		t.Errorf("behind its own: %+v", got)
	}
}

// A certificate of another version stands in only for one that counts the same errors.
func TestPrecedes(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*candorv1.CertificateKey)
		want   bool
	}{
		"another version":    {func(*candorv1.CertificateKey) {}, true},
		"another calibrator": {func(k *candorv1.CertificateKey) { k.Calibrator = "c" }, true},
		"a stricter promise": {func(k *candorv1.CertificateKey) { k.Alpha = .05 }, true},
		"a weaker promise":   {func(k *candorv1.CertificateKey) { k.Alpha = .2 }, false},
		"a weaker chance":    {func(k *candorv1.CertificateKey) { k.Delta = .2 }, false},
		"the same version":   {func(k *candorv1.CertificateKey) { k.StageVersion = "2" }, false},
		"another model":      {func(k *candorv1.CertificateKey) { k.Model = "n" }, false},
		"another segment":    {func(k *candorv1.CertificateKey) { k.Segment = "x" }, false},
		"another tier":       {func(k *candorv1.CertificateKey) { k.Tier = 1 }, false},
		"another score":      {func(k *candorv1.CertificateKey) { k.Confidence = 2 }, false},
		"another scale":      {func(k *candorv1.CertificateKey) { k.ConfidenceScale = "x" }, false},
		"other labels":       {func(k *candorv1.CertificateKey) { k.Labels = []string{"b", "a"} }, false},
		"a tolerance":        {func(k *candorv1.CertificateKey) { k.Tolerance = proto.Float64(0) }, false},
	} {
		key := viewKey("1", 0)
		tt.change(key)
		if got := precedes(stateOf(t, key, 1, 1), viewKey("2", 0)); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
