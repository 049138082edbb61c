package certificate

import (
	"fmt"
	"math"
	"slices"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const (
	// maxLevels of a grid: the levels that have reached their bound are bits of one number.
	maxLevels = 64
	// recentAudits are looked at for whether audits are still judged.
	recentAudits = 64
	// leastRecent audits must have ended before a share of them says anything.
	leastRecent = 16
)

// Open begins version (from 1) of a certificate at nowUS. upstream is the threshold of the tier before, under which rows reach
// this one; nil: that tier licenses nothing, or there is none. The key is kept. Errors: a key that can't be measured.
func Open(key *candorv1.CertificateKey, version uint32, upstream *float64, nowUS int64) (*candorv1.CertificateState, error) {
	if err := check(key); err != nil {
		return nil, err
	}
	if version < 1 {
		return nil, fmt.Errorf("certificate: version is %d; versions count from 1", version)
	}
	s := &candorv1.CertificateState{
		Key: key, Version: version, Status: candorv1.CertificateStatus_CERTIFICATE_STATUS_BURN_IN,
		Delta: VersionDelta(key.GetDelta(), version), NextNumber: 1, NextConsumed: 1, FirstNumber: 1, OpenedUs: nowUS,
		UpstreamThreshold: upstream, LogAlarm: make([]float64, len(alarmRates(key.GetAlpha()))),
	}
	if levels := key.GetGrid().GetLevels(); len(levels) > 0 {
		freeze(s, slices.Clone(levels), nowUS)
	}
	return s, nil
}

// freeze is what is done to a state when its grid is known.
func freeze(s *candorv1.CertificateState, levels []float64, nowUS int64) {
	s.Grid = levels
	s.LogWealth = make([]float64, len(levels)*len(bets))
	s.Labels, s.Errors, s.Missing = make([]uint64, len(levels)), make([]uint64, len(levels)), make([]uint64, len(levels))
	s.BurnIn, s.BurnInWeights = nil, nil
	s.FirstNumber, s.NextConsumed, s.FrozenUs = s.NextNumber, s.NextNumber, nowUS
	s.Status = candorv1.CertificateStatus_CERTIFICATE_STATUS_EARNING
}

// Threshold answers the lowest confidence that is licensed; ok is false when none is: before it is certified, and after its end.
func Threshold(s *candorv1.CertificateState) (tau float64, ok bool) {
	if Ended(s) || s.GetCertified() == 0 {
		return math.Inf(1), false
	}
	return s.GetGrid()[s.GetCertified()-1], true
}

// Ended says that the certificate licenses nothing any more and takes no evidence.
func Ended(s *candorv1.CertificateState) bool {
	switch s.GetStatus() {
	case candorv1.CertificateStatus_CERTIFICATE_STATUS_REVOKED, candorv1.CertificateStatus_CERTIFICATE_STATUS_SUPERSEDED:
		return true
	}
	return false
}

// End ends a certificate; status is REVOKED or SUPERSEDED. One that has ended stays as it is.
func End(s *candorv1.CertificateState, status candorv1.CertificateStatus, by, reason string, nowUS int64) {
	if Ended(s) {
		return
	}
	s.Status, s.EndedBy, s.EndedReason, s.EndedUs = status, by, reason, nowUS
	s.OldestOpenUs = 0
}

// Next opens the version after an ended one, from nothing, under the same key. upstream as in Open.
func Next(s *candorv1.CertificateState, upstream *float64, nowUS int64) (*candorv1.CertificateState, error) {
	return Open(s.GetKey(), s.GetVersion()+1, upstream, nowUS)
}

// Stale says that a certified state's evidence is too old: its oldest open unit was drawn more than staleAfterUS ago, or most
// of its last audits ended without a verdict. Missing verdicts never feed the alarm; this is what they do instead.
func Stale(s *candorv1.CertificateState, nowUS, staleAfterUS int64) bool {
	_, ok := Threshold(s)
	return ok && Overdue(s, nowUS, staleAfterUS)
}

// Overdue is Stale of a state whether it is certified or not: what a held-out file licenses is watched by one that may not be yet.
func Overdue(s *candorv1.CertificateState, nowUS, staleAfterUS int64) bool {
	if s.GetOldestOpenUs() > 0 && nowUS-s.GetOldestOpenUs() > staleAfterUS {
		return true
	}
	return s.GetRecent() >= leastRecent && 2*onesIn(s.GetRecentMissing()) > int(min(s.GetRecent(), recentAudits))
}

// Status is the state's status, with STALE where it is.
func Status(s *candorv1.CertificateState, nowUS, staleAfterUS int64) candorv1.CertificateStatus {
	if Stale(s, nowUS, staleAfterUS) {
		return candorv1.CertificateStatus_CERTIFICATE_STATUS_STALE
	}
	return s.GetStatus()
}

// Wealth of a level, from 0: the mean over the bets of the products of its factors. It is certified at 1/δ. At most the largest
// finite number.
func Wealth(s *candorv1.CertificateState, level int) float64 { return finiteExp(LogWealth(s, level)) }

// LogWealth is the natural logarithm of a level's wealth.
func LogWealth(s *candorv1.CertificateState, level int) float64 {
	n := len(bets)
	return logMeanExp(s.GetLogWealth()[level*n : (level+1)*n])
}
