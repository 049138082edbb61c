package certificate

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Resource is the state as callers are shown it, as of nowUS; staleAfterUS as in [Stale]. openUnits await verdicts; whoever
// keeps the state counts them. The key is shared, not copied.
func Resource(s *candorv1.CertificateState, nowUS, staleAfterUS int64, openUnits uint64) *candorv1.Certificate {
	c := &candorv1.Certificate{
		Name: Name(ID(s)), Key: s.GetKey(), Version: s.GetVersion(), Status: Status(s, nowUS, staleAfterUS), Delta: s.GetDelta(),
		Units: s.GetUnitsConsumed(), UnitsOpen: openUnits, Audits: s.GetAudits(), AuditErrors: s.GetAuditErrors(), Alarm: Alarm(s),
		OpenTime: timestamp(s.GetOpenedUs()), FreezeTime: timestamp(s.GetFrozenUs()), CertifyTime: timestamp(s.GetCertifiedUs()),
		EndTime: timestamp(s.GetEndedUs()), EndedBy: s.GetEndedBy(), EndedReason: s.GetEndedReason(),
		Promise: Plain(s, nowUS, staleAfterUS, nil), UpstreamThreshold: s.UpstreamThreshold, BurnInRows: uint32(len(s.GetBurnIn())),
		LastConsumeTime: timestamp(s.GetConsumedUs()), OldestOpenTime: timestamp(s.GetOldestOpenUs()),
	}
	if tau, ok := Threshold(s); ok {
		c.Threshold = &tau
	}
	for j, level := range s.GetGrid() {
		c.Levels = append(c.Levels, &candorv1.CertificateLevel{
			Threshold: level, Labels: s.GetLabels()[j], Errors: s.GetErrors()[j], Missing: s.GetMissing()[j], Wealth: Wealth(s, j),
			Certified: uint32(j) < s.GetCertified(),
		})
	}
	return c
}

// timestamp of microseconds; nil for 0, which stands for never.
func timestamp(us int64) *timestamppb.Timestamp {
	if us == 0 {
		return nil
	}
	return timestamppb.New(time.UnixMicro(us))
}
