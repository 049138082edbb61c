package gateway

import (
	"slices"
	"time"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// look makes the views of now of certificates in force, those of other versions of the model among them. Without states (nil:
// they can't be read) nothing is licensed, and the reason says so.
func (p *promise) look(m *model, states []*candorv1.CertificateState, now time.Time) {
	views := make([]view, 0, len(p.places))
	for _, at := range p.places {
		v := view{segment: at.segment, field: at.field, policy: m.fields[at.field].policy, rate: p.budget.rate()}
		v.policy.Tiers = slices.Clone(v.policy.Tiers)
		v.licenses = make([]*license, len(at.slots))
		stale, standsIn := false, false
		for k, sl := range at.slots {
			if sl == nil {
				continue
			}
			of := router.License{Missing: candorv1.Reason_REASON_CERTIFICATE_UNAVAILABLE}
			if states != nil {
				of, v.licenses[k] = p.licensed(sl, states, now)
			}
			if stale && v.licenses[k] != nil {
				// The stage before licenses less than it did, so that more rows reach this tier than those that its certificate is
				// about. It licenses nothing for them, and they are no evidence of it.
				of = router.License{Missing: candorv1.Reason_REASON_CERTIFICATE_STALE}
				v.licenses[k].aside = true
			} else if standsIn && v.licenses[k] != nil {
				// The store begins this tier anew when the certificate of the stage before licenses something else. It knows nothing of
				// the other version's that stands in for it, which may be revoked at any time: then other rows reach this tier.
				of = router.License{Missing: candorv1.Reason_REASON_UNCERTIFIED}
				v.licenses[k].aside = true
			}
			standsIn = standsIn || v.licenses[k] != nil && v.licenses[k].own != ""
			stale = stale || of.Missing == candorv1.Reason_REASON_CERTIFICATE_STALE
			if k == 0 {
				of.Method = v.policy.Primary.Method
				v.policy.Primary = of
			} else {
				of.Method = v.policy.Tiers[k-1].Method
				v.policy.Tiers[k-1] = of
			}
		}
		if stale && p.cfg.GetOnStale() == candorv1.OnStale_ON_STALE_DEFER {
			// To a human, whatever fallback there is.
			v.policy.Tiers = nil
		}
		if p.cfg.GetOnNewVersion() == candorv1.OnNewVersion_ON_NEW_VERSION_OBSERVE &&
			v.policy.Primary.Missing == candorv1.Reason_REASON_UNCERTIFIED && v.licenses[0].first {
			v.policy.Mode = candorv1.Mode_MODE_OBSERVE
		}
		anything := v.policy.Primary.Threshold != nil || slices.ContainsFunc(v.policy.Tiers, func(l router.License) bool { return l.Threshold != nil })
		v.least = v.rate
		if !anything && p.reviewed && v.policy.Mode == candorv1.Mode_MODE_ENFORCE {
			v.least = 1
		}
		views = append(views, v)
	}
	p.views.Store(&views)
}

// licensed is what a stage's certificate licenses, or the one that stands in for it.
func (p *promise) licensed(sl *slot, states []*candorv1.CertificateState, now time.Time) (router.License, *license) {
	var own, before *candorv1.CertificateState
	for _, st := range states {
		switch {
		case certificate.Ended(st):
		case certificate.Digest(st.GetKey()) == sl.digest:
			own = st
		case p.cfg.GetOnNewVersion() == candorv1.OnNewVersion_ON_NEW_VERSION_KEEP_PREVIOUS && precedes(st, sl.key):
			if before == nil || st.GetCertifiedUs() > before.GetCertifiedUs() {
				before = st
			}
		}
	}
	if own == nil {
		return router.License{Missing: candorv1.Reason_REASON_CERTIFICATE_UNAVAILABLE}, nil
	}
	tau, ok := certificate.Threshold(own)
	first := own.GetVersion() == 1
	if sl.startsFrom(own) {
		of, l := p.unlessStale(sl.heldOut.GetThreshold(), true, own, now)
		l.first, l.shown = first, shownHeldOut(sl.heldOut, l.shown)
		return of, l
	}
	if !ok && first && before != nil {
		// Not after the version's own certificate was taken back.
		tau, ok = certificate.Threshold(before)
		of, l := p.unlessStale(tau, ok, before, now)
		l.own = certificate.ID(own)
		return of, l
	}
	of, l := p.unlessStale(tau, ok, own, now)
	l.first = first
	return of, l
}

// startsFrom says that the held-out certificate licenses more than the live one, and still does: the alarm that ends the live one's
// first version ends both.
func (sl *slot) startsFrom(own *candorv1.CertificateState) bool {
	h := sl.heldOut
	if h == nil || h.Threshold == nil || own.GetVersion() != 1 || certificate.Ended(own) {
		return false
	}
	tau, ok := certificate.Threshold(own)
	return !ok || h.GetThreshold() < tau
}

// shownHeldOut is what callers are told while a held-out certificate is what licenses.
func shownHeldOut(h *candorv1.HeldOutCertificate, live *candorv1.License) *candorv1.License {
	l := &candorv1.License{
		Certificate: live.GetCertificate(), Status: live.GetStatus(), Alpha: h.GetAlpha(), Delta: h.GetDelta(),
	}
	if live.GetStatus() != candorv1.CertificateStatus_CERTIFICATE_STATUS_STALE {
		l.Status = candorv1.CertificateStatus_CERTIFICATE_STATUS_CERTIFIED
	}
	for _, level := range h.GetLevels() {
		if level.GetThreshold() == h.GetThreshold() {
			l.Labels, l.Errors = level.GetRows(), level.GetErrors()
		}
	}
	return l
}

// unlessStale is what a certificate licenses, or why it does not.
func (p *promise) unlessStale(tau float64, ok bool, st *candorv1.CertificateState, now time.Time) (router.License, *license) {
	status := st.GetStatus()
	if ok && certificate.Overdue(st, now.UnixMicro(), p.staleAfter.Microseconds()) {
		// Also where it is a held-out file that licenses: its audits are this certificate's.
		status = candorv1.CertificateStatus_CERTIFICATE_STATUS_STALE
	}
	l := &license{id: certificate.ID(st), shown: shownLicense(st, status)}
	switch {
	case !ok:
		return router.License{Missing: candorv1.Reason_REASON_UNCERTIFIED}, l
	case status == candorv1.CertificateStatus_CERTIFICATE_STATUS_STALE && p.cfg.GetOnStale() != candorv1.OnStale_ON_STALE_KEEP:
		return router.License{Missing: candorv1.Reason_REASON_CERTIFICATE_STALE}, l
	}
	return router.License{Threshold: &tau}, l
}

// precedes says that a certificate is of the same place as key, of another version of its stage, and licenses something.
func precedes(st *candorv1.CertificateState, key *candorv1.CertificateKey) bool {
	k := st.GetKey()
	_, ok := certificate.Threshold(st)
	return ok && k.GetModel() == key.GetModel() && k.GetSegment() == key.GetSegment() && k.GetField() == key.GetField() && k.GetTier() == key.GetTier() && k.GetPopulation() == key.GetPopulation() &&
		k.GetAlpha() <= key.GetAlpha() && k.GetDelta() <= key.GetDelta() && k.GetConfidence() == key.GetConfidence() &&
		k.GetConfidenceScale() == key.GetConfidenceScale() && k.GetStageVersion() != key.GetStageVersion() &&
		sameLoss(k, key)
}

// sameLoss says that an error under one key is one under the other.
func sameLoss(a, b *candorv1.CertificateKey) bool {
	return (a.Tolerance == nil) == (b.Tolerance == nil) && a.GetTolerance() == b.GetTolerance() && slices.Equal(a.GetLabels(), b.GetLabels())
}

// shownLicense is what callers are told of a certificate: the numbers at the threshold that it licenses, or at the first one that
// it has yet to earn.
func shownLicense(st *candorv1.CertificateState, status candorv1.CertificateStatus) *candorv1.License {
	l := &candorv1.License{
		Certificate: certificate.Name(certificate.ID(st)), Status: status, Alpha: st.GetKey().GetAlpha(), Delta: st.GetDelta(),
	}
	if len(st.GetGrid()) > 0 {
		level := max(int(st.GetCertified())-1, 0)
		l.Labels, l.Errors, l.Wealth = st.GetLabels()[level], st.GetErrors()[level], certificate.Wealth(st, level)
	}
	return l
}
