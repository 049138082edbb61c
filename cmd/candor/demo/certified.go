package demo

import (
	"fmt"
	"strings"
	"time"

	"github.com/candor-gateway/candor/calibration"
	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// chance is how improbable the errors of accepted rows must be, if their risk were alpha, to be a broken promise. The promise
// itself may fail with probability delta, but not by so much: on these images the primary is wrong about once in sixteen.
const chance = 0.001

// certified is what has come of the promise so far.
type certified struct {
	alpha, delta float64
	// now is the certificate in force; nil: it hasn't been seen yet.
	now *candorv1.Certificate
	// accepted is how many rows were accepted, and how many of these answers were right.
	accepted share
	// before says that the certificate was earned by an earlier demo; otherwise row is how many rows had been answered when it
	// was certified, 0: it isn't.
	before bool
	row    int
}

// certifiedOf looks at a promise's certificate and at what was counted.
func certifiedOf(p *candorv1.Promise, st state, t *tally, began time.Time) certified {
	c := certified{alpha: p.GetAlpha(), delta: p.GetDelta(), now: st.certificate, accepted: t.figures().byRoute[candorv1.Route_ROUTE_ACCEPT]}
	if at := st.certificate.GetCertifyTime(); at != nil {
		if c.before = at.AsTime().Before(began); !c.before {
			c.row = t.answeredBy(at.AsTime())
		}
	}
	return c
}

// licensed says that something may be accepted.
func (c certified) licensed() bool { return c.now != nil && c.now.Threshold != nil }

// id is how commands name the certificate.
func (c certified) id() string { return strings.TrimPrefix(c.now.GetName(), "certificates/") }

// wrong is how many of the accepted rows were answered wrongly.
func (c certified) wrong() int { return c.accepted.of - c.accepted.right }

// measured is the error rate of the accepted rows, 0 without any.
func (c certified) measured() float64 {
	if c.accepted.of == 0 {
		return 0
	}
	return float64(c.wrong()) / float64(c.accepted.of)
}

// exceeds says that there are more errors than chance explains, if the risk were alpha.
func (c certified) exceeds() bool {
	return calibration.LowerBound(uint64(c.wrong()), uint64(c.accepted.of), chance) > c.alpha
}

// wealth is how far the next level is from its certificate.
func (c certified) wealth() string {
	for _, l := range c.now.GetLevels() {
		if !l.GetCertified() {
			return fmt.Sprintf("%s, %d wrong, at >= %s; wealth %.1f of %.0f", cli.Count(l.GetLabels(), "verdict"), l.GetErrors(),
				cli.Number(l.GetThreshold()), l.GetWealth(), 1/c.now.GetDelta())
		}
	}
	return "every level is certified"
}

// phase says what is certified.
func (c certified) phase() string {
	switch {
	case c.now == nil:
		return "-"
	case !c.licensed():
		return "nothing yet: " + c.wealth()
	case c.before:
		return fmt.Sprintf("by an earlier demo: accepted at confidence >= %s", cli.Number(c.now.GetThreshold()))
	default:
		return fmt.Sprintf("at row %d: accepted at confidence >= %s; %s", c.row, cli.Number(c.now.GetThreshold()),
			cli.Count(c.now.GetUnits(), "verdict"))
	}
}

// errors says how many accepted rows are wrong, beside what is promised.
func (c certified) errors() string {
	measured := "-"
	if c.accepted.of > 0 {
		measured = fmt.Sprintf("%.1f %% (%d of %d)", 100*c.measured(), c.wrong(), c.accepted.of)
	}
	return fmt.Sprintf("%s; promised <= %.3g %%, delta %.3g %%", measured, 100*c.alpha, 100*c.delta)
}

// promiseSummary is the promise's part of the summary.
type promiseSummary struct {
	Alpha          float64 `json:"alpha"`
	Delta          float64 `json:"delta"`
	CertifiedAtRow int     `json:"certified_at_row"`
	Verdicts       uint64  `json:"verdicts"`
	Threshold      float64 `json:"threshold"`
	Accepted       int     `json:"accepted"`
	AcceptedErrors int     `json:"accepted_errors"`
	MeasuredError  float64 `json:"measured_error"`
	Certificate    string  `json:"certificate"`
}

func (c certified) summary() promiseSummary {
	return promiseSummary{
		Alpha: c.alpha, Delta: c.delta, CertifiedAtRow: c.row, Verdicts: c.now.GetUnits(), Threshold: c.now.GetThreshold(),
		Accepted: c.accepted.of, AcceptedErrors: c.wrong(), MeasuredError: round(c.measured(), 4), Certificate: c.id(),
	}
}

// earned says when.
func (p promiseSummary) earned() string {
	if p.CertifiedAtRow == 0 {
		return "by an earlier demo"
	}
	return fmt.Sprintf("at row %d", p.CertifiedAtRow)
}

// checkPromise adds what the end shows of the error promise. What is certain must hold: nothing is accepted before there is a
// certificate, and no certificate comes of fewer verdicts than it takes without an error. The measured error must hold within
// chance. That there is a certificate at all depends on the order of the images and on the coins: TestEarnedInOnePass plays many.
func (s *stage) checkPromise(c certified) {
	p := &s.broken
	if failures, err := s.reviewers.failed(); failures > 0 {
		p.check(false, "%s of simulated reviewers failed; the last: %v", cli.Count(failures, "call"), err)
	}
	if c.now == nil {
		p.check(false, "there is no certificate to be earned")
		return
	}
	p.check(c.licensed(), "%s licenses nothing after %s", c.now.GetName(), cli.Count(c.now.GetUnits(), "verdict"))
	if at := c.now.GetCertifyTime(); at != nil && c.now.GetVersion() == 1 {
		early := s.player.tally.acceptedBy(at.AsTime())
		p.check(early == 0, "%s accepted before anything was certified", cli.Count(early, "row"))
		least := calibration.RowsWithoutError(c.alpha, c.now.GetDelta()) // whatever the bets
		p.check(c.now.GetUnits() >= least, "%d verdicts certified what takes %d", c.now.GetUnits(), least)
	}
	p.check(c.accepted.of > 0, "no row was accepted")
	p.check(!c.exceeds(), "error of accepted rows: %s", c.errors())
}
