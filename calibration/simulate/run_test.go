package simulate

import (
	"context"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func enforced() Config {
	return Config{Policy: Policy{Enforce: true, Alpha: .05, Delta: .05, Audit: .1}, Rows: 6000, Seed: 1, Points: 50, Checkpoints: []int{1000, 6000}}
}

func play(t *testing.T, cfg Config) *Result {
	t.Helper()
	r, err := Run(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRunRepeats(t *testing.T) {
	a, b := play(t, enforced()), play(t, enforced())
	if diff := cmp.Diff(a, b, cmpopts.IgnoreFields(Result{}, "State")); diff != "" {
		t.Errorf("the same seed, another stream:\n%s", diff)
	}
	other := enforced()
	other.Seed = 2
	if cmp.Equal(a.Totals, play(t, other).Totals) {
		t.Error("another seed, the same stream")
	}
}

func TestEnforce(t *testing.T) {
	r := play(t, enforced())
	x := r.Totals
	if x.Rows != 6000 || x.Accepted == 0 || x.Accepted+x.Deferred != x.Rows || x.Shed != 0 || x.ReviewedDeferred != x.Deferred || x.Expired != 0 {
		t.Errorf("%+v", x)
	}
	audits := float64(x.Reviewed - x.ReviewedDeferred)
	if want := .1 * float64(x.Accepted); math.Abs(audits-want) > 4*math.Sqrt(want) {
		t.Errorf("%v audits of %d accepted rows", audits, x.Accepted)
	}
	if len(r.Series) != 50 || r.Series[49].Status != "CERTIFIED" || r.Series[0].Threshold != nil || r.Coverage[1] <= 0 || r.Coverage[1] > r.Oracle {
		t.Errorf("%d points, coverage %v", len(r.Series), r.Coverage)
	}
	last := r.Series[49]
	if *last.TrueRisk > .05 || last.LogBound < 3 || last.Day < 5.9 {
		t.Errorf("%+v", last)
	}
}

// TestObserve: nobody waits for an answer; the audits are what is reviewed, whatever the certificate says.
func TestObserve(t *testing.T) {
	cfg := enforced()
	cfg.Policy.Enforce = false
	x := play(t, cfg).Totals
	if x.Deferred != 0 || x.ReviewedDeferred != 0 || x.Shed != 0 {
		t.Errorf("%+v", x)
	}
	// The rows of the burn-in are drawn, and not reviewed: their verdicts aren't wanted.
	if want := .1*6000 - 200; math.Abs(float64(x.Reviewed)-want) > 4*math.Sqrt(600*.9) {
		t.Errorf("%d reviewed", x.Reviewed)
	}
}

// TestCapacity: what the desk can't take is shed by chance, and the queue stays short.
func TestCapacity(t *testing.T) {
	cfg := enforced()
	cfg.Rows, cfg.Team = 20000, Team{Reviewers: 2, PerHour: 10}
	r := play(t, cfg)
	days := float64(cfg.Rows) / defaultPerDay
	if x := r.Totals; x.Shed == 0 || float64(x.Reviewed) > 480*days*1.02 || float64(x.Reviewed) < 480*days*.5 || x.Expired != 0 {
		t.Errorf("%+v", x)
	}
	most := 0
	for _, p := range r.Series {
		most = max(most, p.Queue)
	}
	if most > 200 {
		t.Errorf("%d rows on the desk", most)
	}
	if r.Unsafe {
		t.Error("unsafe")
	}
}

// TestNobodyAnswers: without verdicts nothing is certified; and when they stop, the certificate goes stale.
func TestNobodyAnswers(t *testing.T) {
	cfg := enforced()
	cfg.Team = Team{Delay: 1000 * time.Hour, Deadline: time.Minute}
	r := play(t, cfg)
	if x := r.Totals; x.Accepted != 0 || x.Expired == 0 {
		t.Errorf("%+v", x)
	}
	cfg = enforced()
	cfg.Policy.StaleAfter = time.Hour
	cfg.Team = Team{Delay: 2 * time.Hour}
	cfg.Rows = 20000
	stale := 0
	for _, p := range play(t, cfg).Series {
		if p.Status == "STALE" {
			stale++
		}
	}
	if stale == 0 {
		t.Error("verdicts take twice as long as is allowed, and the certificate is never stale")
	}
}

func TestRunRefuses(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"rows is 0":            func(c *Config) { c.Rows = 0 },
		"audit rate is 0":      func(c *Config) { c.Policy.Audit = 0 },
		"alpha is 2":           func(c *Config) { c.Policy.Alpha = 2 },
		"delta is NaN":         func(c *Config) { c.Policy.Delta = math.NaN() },
		"come in a day":        func(c *Config) { c.PerDay = -1 },
		"flip is":              func(c *Config) { c.World.Flip = .6 },
		"reviewers' error":     func(c *Config) { c.Team.Error = .5 },
		"at least one":         func(c *Config) { c.Team.PerHour = 3 },
		"slower":               func(c *Config) { c.Team.Slower = .5 },
		"calls of one row":     func(c *Config) { c.World.Batch, c.Mutant = 2, ArrivalOrder },
		"aren't ascending":     func(c *Config) { c.Checkpoints = []int{2, 1} },
		"certificates share":   func(c *Config) { c.Policy.Certificates = 65 },
		"played as they are":   func(c *Config) { c.World.Recorded, c.World.Flip = &Recording{}, .1 },
		"batch is":             func(c *Config) { c.World.Batch = 5000 },
		"rows are held":        func(c *Config) { c.World.Held = 2 },
		"deadline aren't":      func(c *Config) { c.Team.Deadline = -1 },
		"whatever the confide": func(c *Config) { c.World.Level = 1 },
	} {
		cfg := enforced()
		change(&cfg)
		if _, err := Run(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestProcessorsDontMatter: a table is the same on one processor and on several, and ends with its context.
func TestProcessorsDontMatter(t *testing.T) {
	s := Suite{Streams: 3, Rows: 2000, Alpha: .05, Delta: .05, Seed: 7}
	several, err := Promise(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	one, err := Promise(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(several.Cases, one.Cases, cmpopts.IgnoreUnexported(Case{})); diff != "" {
		t.Error(diff)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Promise(ctx, s); err == nil {
		t.Error("a table of a cancelled suite")
	}
}
