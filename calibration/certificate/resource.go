package certificate

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Resource is a state as people are shown it.
func Resource(s *candorv1.CertificateState, nowUS, staleAfterUS int64) *candorv1.Certificate {
	c := &candorv1.Certificate{
		Name: Name(ID(s)), Key: s.GetKey(), Version: s.GetVersion(), Status: Status(s, nowUS, staleAfterUS), Delta: s.GetDelta(),
		Units: s.GetUnitsConsumed(), UnitsOpen: s.GetNextNumber() - s.GetNextConsumed(), Audits: s.GetAudits(), AuditErrors: s.GetAuditErrors(),
		Alarm: Alarm(s), OpenTime: at(s.GetOpenedUs()), FreezeTime: at(s.GetFrozenUs()), CertifyTime: at(s.GetCertifiedUs()),
		EndTime: at(s.GetEndedUs()), EndedBy: s.GetEndedBy(), EndedReason: s.GetEndedReason(), UpstreamThreshold: s.UpstreamThreshold,
		BurnInRows: uint32(len(s.GetBurnIn())), LastConsumeTime: at(s.GetConsumedUs()), OldestOpenTime: at(s.GetOldestOpenUs()),
		Promise: Plain(s, nowUS),
	}
	if s.GetStatus() == candorv1.CertificateStatus_CERTIFICATE_STATUS_BURN_IN {
		// Nothing waits: the verdicts won't count.
		c.UnitsOpen = 0
	}
	if tau, ok := Threshold(s); ok {
		c.Threshold = &tau
	}
	for j, level := range s.GetGrid() {
		c.Levels = append(c.Levels, &candorv1.CertificateLevel{
			Threshold: level, Labels: s.GetLabels()[j], Errors: s.GetErrors()[j], Missing: s.GetMissing()[j], Wealth: Wealth(s, j),
			Certified: j < int(s.GetCertified()),
		})
	}
	return c
}

func at(us int64) *timestamppb.Timestamp {
	if us == 0 {
		return nil
	}
	return timestamppb.New(time.UnixMicro(us))
}
