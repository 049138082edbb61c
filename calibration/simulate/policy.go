package simulate

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Policy is what is promised, and what is done with rows.
type Policy struct {
	// Enforce: the certificate's threshold binds. Otherwise answers pass as the model gave them, and what enforcing would do is
	// only counted.
	Enforce bool
	// Fallback: rows that aren't accepted are answered by other models, and not deferred to people.
	Fallback bool
	// Alpha, Delta and Audit, the random share of rows that is judged whatever becomes of them: in (0,1), Audit in (0,1].
	Alpha, Delta, Audit float64
	// Grid of thresholds; nil: the configuration's defaults.
	Grid *candorv1.ThresholdGrid
	// AlarmRunLength as in the configuration; 0: its default.
	AlarmRunLength float64
	// Certificates share Delta, as those of the tiers or segments of a model do; each call belongs to one of them, by chance.
	// 0: 1.
	Certificates int
	// StaleAfter as in the configuration: nothing is accepted while the certificate is stale. 0: it never is.
	StaleAfter time.Duration
}

// Defaults are those of the configuration.
const (
	defaultBurnIn         = 200
	defaultSteps          = 12
	defaultStartCoverage  = 0.4
	defaultAlarmRunLength = 10000
)

// key of one of the policy's certificates.
func (p *Policy) key(batch int) *candorv1.CertificateKey {
	grid := &candorv1.ThresholdGrid{
		BurnIn: proto.Uint32(defaultBurnIn), Steps: proto.Uint32(defaultSteps), StartCoverage: proto.Float64(defaultStartCoverage),
	}
	if p.Grid != nil {
		proto.Merge(grid, p.Grid)
	}
	if len(grid.GetLevels()) > 0 {
		grid = &candorv1.ThresholdGrid{Levels: grid.GetLevels()}
	}
	length := p.AlarmRunLength
	if length == 0 {
		length = defaultAlarmRunLength
	}
	return &candorv1.CertificateKey{
		Model: "simulated", Stage: "simulated", StageVersion: "1", Alpha: p.Alpha, Grid: grid, MaxRows: uint32(max(batch, 1)),
		Delta: certificate.Shares(p.Delta, p.Certificates, 1, false), AlarmRunLength: length,
	}
}

// odds are a call's probabilities, all fixed before its confidence is seen.
type odds struct {
	// least is the least that any row can get; accepted and other are those of rows at or above the threshold in force, and
	// below.
	least, accepted, other float64
}

// odds of a call. acting: a threshold is in force. admission is the probability that a deferred row finds room at the desk.
func (p *Policy) odds(acting bool, admission float64) odds {
	deferred := p.Audit + (1-p.Audit)*admission
	switch {
	case !p.Enforce || p.Fallback:
		return odds{p.Audit, p.Audit, p.Audit}
	case acting:
		return odds{p.Audit, p.Audit, deferred}
	}
	// Everything is deferred, so that no row gets less.
	return odds{deferred, deferred, deferred}
}

func (p *Policy) check() error {
	switch {
	case !(p.Audit > 0 && p.Audit <= 1):
		return fmt.Errorf("the audit rate is %v; it is a share of rows in (0,1]", p.Audit)
	case p.Certificates < 0 || p.Certificates > 64:
		return errors.New("1 to 64 certificates share delta")
	case p.StaleAfter < 0:
		return errors.New("stale_after isn't negative")
	}
	return nil
}
