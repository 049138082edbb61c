package simulate

import (
	"math"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Result is what happened to a stream.
type Result struct {
	// Unsafe: at some time a threshold was licensed whose risk, as the reviewers judge it, is above alpha; first at UnsafeRow.
	Unsafe    bool `json:"unsafe"`
	UnsafeRow int  `json:"unsafe_row"`
	// Coverage after each checkpoint: the share of rows that the threshold then in force accepts.
	Coverage []float64 `json:"coverage,omitempty"`
	// Oracle is the largest coverage that keeps alpha, for one who knows the world.
	Oracle float64 `json:"oracle"`
	Totals Totals  `json:"totals"`
	Series []Point `json:"series,omitempty"`
	// Revoked are the rows at which the alarm took the certificate back; of the first certificate, where there are more.
	Revoked []int `json:"revoked,omitempty"`
	// State of the first certificate at the end, and EndUS, when that is; for [certificate.Plain].
	State *candorv1.CertificateState `json:"-"`
	EndUS int64                      `json:"-"`
}

// Totals of rows.
type Totals struct {
	Rows int `json:"rows"`
	// Accepted at or above a threshold in force (in observe: that would have been), and the wrong ones among them.
	Accepted       int `json:"accepted"`
	AcceptedErrors int `json:"accepted_errors"`
	// Deferred to people, and Shed, those of them for whom there was no room.
	Deferred int `json:"deferred"`
	Shed     int `json:"shed"`
	// Reviewed rows, and ReviewedDeferred, those of them that waited for an answer; the others are audits.
	Reviewed         int `json:"reviewed"`
	ReviewedDeferred int `json:"reviewed_deferred"`
	// Judged in time, and Expired, without a verdict.
	Judged  int `json:"judged"`
	Expired int `json:"expired"`
}

// Point of a series: what holds at a row, and what happened since the point before.
type Point struct {
	Row int     `json:"row"`
	Day float64 `json:"day"`
	// Threshold in force; nil: none. Status of the certificate, without its prefix.
	Threshold *float64 `json:"threshold"`
	Status    string   `json:"status"`
	// Coverage is the share of rows accepted since the point before, Risk the share of these that were wrong (nil: none was
	// accepted), and TrueRisk that of the threshold in force (nil: there is none).
	Coverage float64  `json:"coverage"`
	Risk     *float64 `json:"risk"`
	TrueRisk *float64 `json:"true_risk"`
	// Queue is the rows on the reviewers' desk, Reviewed those that got there so far.
	Queue    int `json:"queue"`
	Reviewed int `json:"reviewed"`
	// LogWealth is ln of the next level's wealth, or of the last when all are certified; LogBound is where it is certified.
	LogWealth float64 `json:"log_wealth"`
	LogBound  float64 `json:"log_bound"`
	// Alarm is the statistic that revokes at the run length.
	Alarm float64 `json:"alarm"`
}

// series decides when a point is due.
type series struct {
	every, next int
	last        Totals
}

func newSeries(cfg *Config) series {
	if cfg.Points < 1 {
		return series{next: math.MaxInt}
	}
	every := max((cfg.Rows+cfg.Points-1)/cfg.Points, 1)
	return series{every: every, next: every - 1}
}

func (s *series) due(row int) bool { return row >= s.next }

// point adds one to the series.
func (p *player) point(row int, nowUS int64) {
	p.series.next += p.series.every
	t, last := p.res.Totals, p.series.last
	p.series.last = t
	r := p.rules[0]
	state := r.stream().State
	pt := Point{
		Row: row, Day: float64(nowUS-startUS) / usPerDay, Queue: len(p.desk.queue), Reviewed: t.Reviewed, Alarm: certificate.Alarm(state),
		LogBound: -math.Log(state.GetDelta()),
	}
	status := certificate.Status(state, nowUS, staleAfter(&p.cfg.Policy))
	pt.Status = candorv1.CertificateStatus_name[int32(status)][len("CERTIFICATE_STATUS_"):]
	if rows := t.Rows - last.Rows; rows > 0 {
		pt.Coverage = float64(t.Accepted-last.Accepted) / float64(rows)
	}
	if accepted := t.Accepted - last.Accepted; accepted > 0 {
		risk := float64(t.AcceptedErrors-last.AcceptedErrors) / float64(accepted)
		pt.Risk = &risk
	}
	if tau, ok := r.threshold(); ok {
		risk := p.cfg.World.Risk(tau, row)
		pt.Threshold, pt.TrueRisk = &tau, &risk
	}
	if n := len(state.GetGrid()); n > 0 {
		pt.LogWealth = certificate.LogWealth(state, min(int(state.GetCertified()), n-1))
	}
	p.res.Series = append(p.res.Series, pt)
}

// staleAfter in microseconds; where there is no limit, longer than any stream.
func staleAfter(p *Policy) int64 {
	if p.StaleAfter == 0 {
		return math.MaxInt64
	}
	return p.StaleAfter.Microseconds()
}

// finish fills in what is known at the end.
func (p *player) finish() {
	for len(p.res.Coverage) < len(p.cfg.Checkpoints) {
		p.res.Coverage = append(p.res.Coverage, p.covered(p.cfg.Rows))
	}
	p.res.EndUS = p.nowUS(p.cfg.Rows)
	s := p.rules[0].stream()
	p.res.State = s.State
	for _, ended := range s.Ended {
		p.res.Revoked = append(p.res.Revoked, int(math.Round(float64(ended.GetEndedUs()-startUS)*p.cfg.PerDay/usPerDay)))
	}
}
