package simulate

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/candor-gateway/candor/calibration/certificate"
)

// Config of a stream.
type Config struct {
	World  World
	Policy Policy
	Team   Team
	// Rows to play; with recorded rows no more than there are. PerDay of them come in a day, evenly; 0: 1000.
	Rows   int
	PerDay float64
	Seed   uint64
	// Points that the series has, at most; 0: no series.
	Points int
	// Checkpoints are rows, ascending, after which the coverage is noted.
	Checkpoints []int
	// Mutant in place of the product's rule.
	Mutant Mutant
}

// noThreshold is above all confidences.
const noThreshold = 2

// startUS is when the first row comes: not 0, which stands for never.
const startUS = usPerDay

const (
	usPerDay      = 24 * 60 * 60 * 1_000_000
	defaultPerDay = 1000
	// maxRows of a stream keeps a mistyped number from running for days.
	maxRows = 1_000_000_000
)

// Run plays one stream. Errors name the field and what it may be; a stream that was begun doesn't fail.
func Run(cfg Config) (*Result, error) { return new(player).run(cfg) }

// check completes a configuration.
func (cfg *Config) check() error {
	for _, check := range []func() error{cfg.World.check, cfg.Policy.check, cfg.Team.check} {
		if err := check(); err != nil {
			return err
		}
	}
	if cfg.World.Recorded != nil {
		cfg.Rows = min(max(cfg.Rows, 0), cfg.World.Recorded.Rows())
		if cfg.Rows == 0 {
			cfg.Rows = cfg.World.Recorded.Rows()
		}
	}
	if cfg.PerDay == 0 {
		cfg.PerDay = defaultPerDay
	}
	cfg.World.Batch = max(cfg.World.Batch, 1)
	cfg.Policy.Certificates = max(cfg.Policy.Certificates, 1)
	switch {
	case cfg.Rows < 1 || cfg.Rows > maxRows:
		return fmt.Errorf("rows is %d; it is 1 to %d", cfg.Rows, maxRows)
	case !(cfg.PerDay > 0 && cfg.PerDay <= 1e9):
		return fmt.Errorf("%v rows come in a day; it is more than 0 and at most 1e9", cfg.PerDay)
	case cfg.World.Batch > 1 && (cfg.Mutant == ArrivalOrder || cfg.Mutant == SilentDrops || cfg.Mutant == OwnPropensity):
		return errors.New("this mutant knows calls of one row only")
	case !slices.IsSorted(cfg.Checkpoints):
		return errors.New("checkpoints aren't ascending")
	}
	return nil
}

// player plays streams one after the other, with the same buffers. Not safe for concurrent use.
type player struct {
	cfg   Config
	rng   *rand.Rand
	rules []rule
	desk  desk
	// chosen rows of the call, and whether somebody waits for their verdict.
	chosen  []certificate.Row
	waits   []bool
	tickets []ticket
	flow    flow
	res     *Result
	series  series
	// last threshold of each rule; noThreshold while there is none.
	last []float64
}

func (p *player) run(cfg Config) (*Result, error) {
	if err := p.begin(cfg); err != nil {
		return nil, err
	}
	for row := 0; row < p.cfg.Rows; row += p.cfg.World.Batch {
		if err := p.call(row); err != nil {
			return nil, err
		}
	}
	p.finish()
	return p.res, nil
}

// begin readies the player for a stream.
func (p *player) begin(cfg Config) error {
	if err := cfg.check(); err != nil {
		return err
	}
	p.cfg, p.res = cfg, &Result{Oracle: cfg.World.Oracle(cfg.Policy.Alpha, cfg.Team.Error), Coverage: make([]float64, 0, len(cfg.Checkpoints))}
	p.rng = rand.New(rand.NewPCG(cfg.Seed, 0x9e3779b97f4a7c15))
	p.rules = p.rules[:0]
	key := cfg.Policy.key(cfg.World.Batch)
	for range cfg.Policy.Certificates {
		r, err := newRule(cfg.Mutant, key, cfg.Policy.Delta, startUS)
		if err != nil {
			return err
		}
		p.rules = append(p.rules, r)
	}
	p.desk.reset(&p.cfg.Team)
	p.flow = newFlow(&p.cfg)
	p.series = newSeries(&p.cfg)
	p.last = slices.Repeat([]float64{noThreshold}, len(p.rules))
	return nil
}

// nowUS of a row.
func (p *player) nowUS(row int) int64 { return startUS + int64(float64(row)*(usPerDay/p.cfg.PerDay)) }

// call plays the call that begins at a row.
func (p *player) call(row int) error {
	now := p.nowUS(row)
	if err := p.deliver(now); err != nil {
		return err
	}
	for len(p.res.Coverage) < len(p.cfg.Checkpoints) && row >= p.cfg.Checkpoints[len(p.res.Coverage)] {
		p.res.Coverage = append(p.res.Coverage, p.covered(row))
	}
	at := 0
	if len(p.rules) > 1 {
		at = p.rng.IntN(len(p.rules))
	}
	r := p.rules[at]
	tau, ok := r.threshold()
	p.watch(at, tau, ok, row)
	acting := ok
	if ok && p.cfg.Policy.StaleAfter > 0 {
		acting = !certificate.Stale(r.stream().State, now, p.cfg.Policy.StaleAfter.Microseconds())
	}
	odds := p.cfg.Policy.odds(acting, p.flow.admission(acting))
	confidence, wrong := p.cfg.World.row(p.rng, row)
	batch := min(p.cfg.World.Batch, p.cfg.Rows-row)
	p.decide(batch, odds, confidence, wrong, ok && confidence >= tau, acting && confidence >= tau)
	if p.series.due(row) {
		p.point(row, now)
	}
	if len(p.chosen) == 0 {
		return nil
	}
	var err error
	p.tickets, err = r.draw(odds.least, p.chosen, p.tickets[:0], now)
	if err != nil {
		return err
	}
	return p.send(at, wrong, now)
}

// decide routes the rows of a call, counts them, and throws their coins. licensed: at or above the threshold; accepted: and it
// is in force.
func (p *player) decide(batch int, odds odds, confidence float64, wrong, licensed, accepted bool) {
	p.chosen, p.waits = p.chosen[:0], p.waits[:0]
	q, deferred := odds.other, p.cfg.Policy.Enforce && !p.cfg.Policy.Fallback && !accepted
	held := p.cfg.World.Held > 0 && confidence >= p.cfg.World.Held && !deferred
	switch {
	case held:
		q = 1
	case accepted:
		q = odds.accepted
	}
	p.flow.saw(!accepted, batch)
	t := &p.res.Totals
	t.Rows += batch
	if accepted {
		t.Accepted += batch
		if wrong {
			t.AcceptedErrors += batch
		}
	}
	for range batch {
		chosen := q >= 1 || p.rng.Float64() < q
		switch {
		case chosen:
			p.chosen = append(p.chosen, certificate.Row{Confidence: confidence, Propensity: q, Accepted: licensed})
			p.waits = append(p.waits, deferred || held)
		case deferred:
			t.Shed++
		}
		if deferred {
			t.Deferred++
		}
	}
}

// send gives the chosen rows to the team: those whose verdict is wanted, and those that wait for their answer.
func (p *player) send(at int, wrong bool, now int64) error {
	for i, t := range p.tickets {
		wanted := t != ticket{}
		if !wanted && !p.waits[i] {
			continue
		}
		p.res.Totals.Reviewed++
		if p.waits[i] {
			p.res.Totals.ReviewedDeferred++
		}
		e := p.desk.finish(p.rng, wrong, now)
		e.ticket, e.rule = t, at
		if e.atUS > now {
			p.desk.queue.push(e)
			continue
		}
		if err := p.settle(e); err != nil {
			return err
		}
	}
	return nil
}

// deliver hands over what the team has finished.
func (p *player) deliver(now int64) error {
	for len(p.desk.queue) > 0 && p.desk.queue[0].atUS <= now {
		if err := p.settle(p.desk.queue.pop()); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) settle(e event) error {
	if e.missing {
		p.res.Totals.Expired++
	} else {
		p.res.Totals.Judged++
	}
	if e.ticket == (ticket{}) {
		return nil
	}
	return p.rules[e.rule].settle(e.ticket, e.loss, e.missing, e.atUS)
}

// watch notes when a threshold is licensed that breaks the promise: whose risk, as the reviewers judge it, is above alpha. After
// a drift that isn't asked: the promise holds while rows resemble those that earned it.
func (p *player) watch(at int, tau float64, ok bool, row int) {
	if !ok {
		tau = noThreshold
	}
	if tau == p.last[at] {
		return
	}
	p.last[at] = tau
	drifted := p.cfg.World.DriftRow > 0 && row >= p.cfg.World.DriftRow
	if !ok || drifted || p.res.Unsafe {
		return
	}
	if risk := certificate.MeasuredRisk(p.cfg.World.Risk(tau, row), p.cfg.Team.Error); risk > p.cfg.Policy.Alpha+1e-12 {
		p.res.Unsafe, p.res.UnsafeRow = true, row
	}
}

// covered is the share of rows that the thresholds in force accept now, on average over the certificates.
func (p *player) covered(row int) float64 {
	sum := 0.0
	for _, r := range p.rules {
		if tau, ok := r.threshold(); ok {
			sum += p.cfg.World.Coverage(tau)
		}
	}
	return sum / float64(len(p.rules))
}
