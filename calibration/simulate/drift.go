package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/candor-gateway/candor/calibration/certificate"
)

// DriftSuite measures the alarm.
type DriftSuite struct {
	// Streams of each case.
	Streams      int
	Alpha, Delta float64
	// RunLength at which the alarm fires; 0: the configuration's default.
	RunLength float64
	Seed      uint64
	// Progress as in [Suite].
	Progress func(done, all int)
}

// DriftCase is a change, and how it was found.
type DriftCase struct {
	Audit float64 `json:"audit"`
	// Flip is the probability with which answers are turned over from the drift on.
	Flip float64 `json:"flip"`
	// Streams that were certified when the drift came, and Revoked of them until the stream's end.
	Streams int `json:"streams"`
	Revoked int `json:"revoked"`
	// Risk of what was accepted after the drift, on average.
	Risk float64 `json:"risk"`
	// Judged accepts from the drift to the revocation, and what AuditsToDetect says for Risk: +Inf, in JSON null, where it says never.
	AuditsMedian float64 `json:"audits_median"`
	AuditsMost   float64 `json:"audits_90"`
	AuditsSaid   float64 `json:"audits_said"`
	// Rows accepted in between, and the errors among them, which callers saw.
	AcceptedMedian float64 `json:"accepted_median"`
	AcceptedMost   float64 `json:"accepted_90"`
	ErrorsMedian   float64 `json:"errors_median"`
	ErrorsMost     float64 `json:"errors_90"`
}

// MarshalJSON writes the case with null for what JSON has no number for.
func (c DriftCase) MarshalJSON() ([]byte, error) {
	type plain DriftCase
	if !math.IsInf(c.AuditsSaid, 0) {
		return json.Marshal(plain(c))
	}
	return json.Marshal(struct {
		plain
		AuditsSaid *float64 `json:"audits_said"`
	}{plain: plain(c)})
}

// RunLength is how long the alarm keeps still when nothing is wrong, with a risk of exactly alpha. The audit rate doesn't matter
// to it: the same for all rows, it is neither here nor there in the alarm's bets.
type RunLength struct {
	Runs int `json:"runs"`
	// Mean judged accepts until it fired, within Low to High at 95 %; promised is at least Bound.
	Mean  float64 `json:"mean"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Bound float64 `json:"bound"`
}

// Kept says that the case doesn't contradict the bound.
func (c RunLength) Kept() bool { return c.High >= c.Bound }

// DriftTable is the outcome of a suite.
type DriftTable struct {
	Cases     []DriftCase `json:"cases"`
	RunLength RunLength   `json:"run_length"`
}

const (
	// driftRow leaves time to be certified, and driftRows to be found out.
	driftRow  = 10_000
	driftRows = 60_000
	// mostAudits ends a run without a false alarm; its length then counts as this, which is less than it would have been.
	mostAudits = 200_000
)

// flips of the suite.
var flips = [...]float64{.05, .1, .2, .4}

// Drift plays streams in which answers turn worse at a known row, in enforce without a fallback and with verdicts at once, and
// runs of accepted rows whose risk is exactly alpha.
func Drift(ctx context.Context, s DriftSuite) (*DriftTable, error) {
	if s.Streams < 1 || s.Streams > 1_000_000 {
		return nil, errors.New("streams is 1 to 1000000")
	}
	t := &DriftTable{}
	for _, audit := range audits {
		for _, flip := range flips {
			t.Cases = append(t.Cases, DriftCase{Audit: audit, Flip: flip})
		}
	}
	drifts, lengths := make([]drifted, len(t.Cases)*s.Streams), make([]float64, s.Streams)
	err := many(ctx, len(drifts)+len(lengths), s.Progress, func(p *player, i int) (err error) {
		seed := s.Seed + uint64(i%s.Streams)
		if i < len(drifts) {
			drifts[i], err = p.drift(s.config(t.Cases[i/s.Streams], seed))
			return err
		}
		lengths[i-len(drifts)], err = s.runLength(seed)
		return err
	})
	if err != nil {
		return nil, err
	}
	key := (&Policy{Alpha: s.Alpha, Delta: s.Delta, AlarmRunLength: s.RunLength}).key(1)
	for i := range t.Cases {
		c := &t.Cases[i]
		c.sum(drifts[i*s.Streams : (i+1)*s.Streams])
		c.AuditsSaid = math.Ceil(certificate.AuditsToDetect(key, c.Risk))
	}
	t.RunLength.Bound = key.GetAlarmRunLength()
	t.RunLength.sum(lengths)
	return t, nil
}

func (s *DriftSuite) config(c DriftCase, seed uint64) Config {
	return Config{
		World:  World{DriftRow: driftRow, DriftFlip: c.Flip},
		Policy: Policy{Enforce: true, Alpha: s.Alpha, Delta: s.Delta, Audit: c.Audit, AlarmRunLength: s.RunLength},
		Rows:   driftRow + driftRows, Seed: seed,
	}
}

// drifted is what became of one stream.
type drifted struct {
	certified, revoked       bool
	risk                     float64
	audits, accepted, errors float64
}

// drift plays a stream until its drift is found.
func (p *player) drift(cfg Config) (d drifted, err error) {
	if err = p.begin(cfg); err != nil {
		return d, err
	}
	s := p.rules[0].stream()
	for row := 0; row < driftRow; row++ {
		if err = p.call(row); err != nil {
			return d, err
		}
	}
	tau, ok := p.rules[0].threshold()
	if !ok {
		return d, nil
	}
	d.certified, d.risk = true, p.cfg.World.Risk(tau, driftRow)
	state, ended, before, audits := s.State, len(s.Ended), p.res.Totals, s.State.GetAudits()
	for row := driftRow; row < p.cfg.Rows && len(s.Ended) == ended; row++ {
		if err = p.call(row); err != nil {
			return d, err
		}
	}
	d.revoked = len(s.Ended) > ended
	d.audits = float64(state.GetAudits() - audits)
	d.accepted = float64(p.res.Totals.Accepted - before.Accepted)
	d.errors = float64(p.res.Totals.AcceptedErrors - before.AcceptedErrors)
	return d, nil
}

// runLength is how many judged accepts it takes until a false alarm.
func (s *DriftSuite) runLength(seed uint64) (float64, error) {
	policy := Policy{Alpha: s.Alpha, Delta: s.Delta, AlarmRunLength: s.RunLength}
	key := policy.key(1)
	key.Grid.Levels = []float64{.5}
	state, err := certificate.Open(key, 1, nil, startUS)
	if err != nil {
		return 0, err
	}
	rng := rand.New(rand.NewPCG(seed, 0x2545f4914f6cdd1d))
	const audit = 0.1
	rows := []certificate.Row{{Confidence: 1, Propensity: audit, Accepted: true}}
	for n := 1; n <= mostAudits; n++ {
		rows[0].Loss = 0
		if rng.Float64() < s.Alpha {
			rows[0].Loss = 1
		}
		number, _, err := certificate.Draw(state, audit, rows, startUS)
		if err != nil {
			return 0, err
		}
		change, err := certificate.Consume(state, certificate.Unit{Number: number, Least: audit, Rows: rows}, startUS)
		if err != nil {
			return 0, err
		}
		if change.Fired {
			return float64(n), nil
		}
	}
	return mostAudits, nil
}

func (c *DriftCase) sum(streams []drifted) {
	var audits, accepted, wrong []float64
	for _, d := range streams {
		if !d.certified {
			continue
		}
		c.Streams++
		c.Risk += d.risk
		if d.revoked {
			c.Revoked++
		}
		// One that wasn't found counts with what it took until the stream's end, which is less than it would have been.
		audits, accepted, wrong = append(audits, d.audits), append(accepted, d.accepted), append(wrong, d.errors)
	}
	if c.Streams == 0 {
		return
	}
	c.Risk /= float64(c.Streams)
	c.AuditsMedian, c.AuditsMost = quantile(audits, .5), quantile(audits, .9)
	c.AcceptedMedian, c.AcceptedMost = quantile(accepted, .5), quantile(accepted, .9)
	c.ErrorsMedian, c.ErrorsMost = quantile(wrong, .5), quantile(wrong, .9)
}

func (c *RunLength) sum(lengths []float64) {
	c.Runs = len(lengths)
	n := float64(c.Runs)
	for _, l := range lengths {
		c.Mean += l / n
	}
	square := 0.0
	for _, l := range lengths {
		square += (l - c.Mean) * (l - c.Mean)
	}
	// 97.5 % of the normal distribution are below 1.96.
	margin := 1.96 * math.Sqrt(square/max(n-1, 1)/n)
	c.Low, c.High = c.Mean-margin, c.Mean+margin
}

// quantile is the smallest value that the share p of all doesn't exceed; sorts them.
func quantile(values []float64, p float64) float64 {
	slices.Sort(values)
	return values[max(int(math.Ceil(p*float64(len(values))))-1, 0)]
}
