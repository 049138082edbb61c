package demo

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/candor-gateway/candor/calibration/certificate"
	"github.com/candor-gateway/candor/config"
	"github.com/candor-gateway/candor/examples/digits"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// judged is what the primary says to an image.
type judged struct {
	confidence float64
	right      bool
}

// Does the demo depend on luck? An image enters the certificate once, and half of them are not chosen: it has to be earned by
// what is left of one pass. Here the certificate of candor.yaml is played, without servers, with many orders and many coins.
// Neither may a threshold be licensed of which more than alpha is wrong, among all held-out images, more often than delta.
func TestEarnedInOnePass(t *testing.T) {
	cfg, faults := config.Parse("candor.yaml", digits.Configuration())
	if len(faults.Errors()) > 0 {
		t.Fatal(faults)
	}
	images, err := heldOut()
	if err != nil {
		t.Fatal(err)
	}
	m, err := digits.LoadModel(cfg.GetBackends()[cfg.GetModels()[modelName].GetPrimary()].GetModel())
	if err != nil {
		t.Fatal(err)
	}
	var rows []judged
	for _, img := range images {
		p, err := m.Probabilities(img.Pixels)
		if err != nil {
			t.Fatal(err)
		}
		top := digits.Top(p)
		rows = append(rows, judged{p[top], top == img.Label})
	}
	promise := cfg.GetModels()[modelName].GetPolicy().GetAccept().GetPromise()
	const games = 2000
	var at []int
	unsafe := 0
	for game := range games {
		row, threshold := earn(t, promise, rows, rand.New(rand.NewPCG(uint64(game), defaultSeed)))
		if row == 0 {
			t.Fatalf("game %d: nothing was certified in one pass", game)
		}
		at = append(at, row)
		if risk(rows, threshold) > promise.GetAlpha() {
			unsafe++
		}
	}
	slices.Sort(at)
	t.Logf("%d games: certified at row %d at the earliest, %d in the middle, %d at the latest; %d unsafe thresholds", games, at[0], at[games/2],
		at[games-1], unsafe)
	if float64(unsafe) > promise.GetDelta()*games {
		t.Errorf("%d of %d games licensed an unsafe threshold; delta is %v", unsafe, games, promise.GetDelta())
	}
}

// earn plays every image once and answers the row before which something was certified, 0: none, and the last threshold.
func earn(t *testing.T, p *candorv1.Promise, rows []judged, rng *rand.Rand) (row int, threshold float64) {
	t.Helper()
	s, err := certificate.NewStream(&candorv1.CertificateKey{
		Alpha: p.GetAlpha(), Delta: p.GetDelta(), Grid: p.GetGrid(), MaxRows: p.GetMaxRows(), AlarmRunLength: p.GetAlarmRunLength(),
	}, 1)
	if err != nil {
		t.Fatal(err)
	}
	rate := p.GetAudit().GetRate()
	for n, i := range rng.Perm(len(rows)) {
		tau, ok := certificate.Threshold(s.State)
		if ok {
			threshold = tau
			if row == 0 {
				row = n
			}
		}
		if rng.Float64() >= rate {
			continue
		}
		tickets, err := s.Draw(rate, []certificate.Row{{Confidence: rows[i].confidence, Propensity: rate, Accepted: ok && rows[i].confidence >= tau}}, 1)
		if err != nil {
			t.Fatal(err)
		}
		loss := 1.0
		if rows[i].right {
			loss = 0
		}
		if _, err := s.Settle(tickets[0], loss, false, 1); err != nil {
			t.Fatal(err)
		}
	}
	return row, threshold
}

// risk is the error rate of the images at or above a threshold.
func risk(rows []judged, threshold float64) float64 {
	wrong, of := 0, 0
	for _, r := range rows {
		if r.confidence >= threshold {
			of++
			if !r.right {
				wrong++
			}
		}
	}
	return float64(wrong) / float64(of)
}
