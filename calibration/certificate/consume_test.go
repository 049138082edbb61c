package certificate

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Factors computed by hand from 1 + m·least/(1-α)·Σ(1/q)·1{conf ≥ λ}·(α-loss)/max_rows, with α = 0.2 and m = 0.8.
func TestFactors(t *testing.T) {
	const m = 4 // the bet of 0.8
	for _, c := range []struct {
		name    string
		least   float64
		maxRows uint32
		rows    []Row
		upper   float64 // factor at level 0.9
		lower   float64 // factor at level 0.5
	}{
		// 1 + 0.8·0.1/0.8·(1/0.1)·0.2 = 1.2
		{"right, at the least propensity", .1, 1, []Row{{Confidence: .95, Propensity: .1}}, 1.2, 1.2},
		// 1 + 0.8·0.1/0.8·(1/0.1)·(0.2-1) = 0.2
		{"wrong, at the least propensity", .1, 1, []Row{{Confidence: .95, Propensity: .1, Loss: 1}}, .2, .2},
		// 1 + 0.8·0.1/0.8·1·0.2 = 1.02, below 0.9 only at the lower level
		{"right, deferred", .1, 1, []Row{{Confidence: .6, Propensity: 1}}, 1, 1.02},
		{"wrong, deferred", .1, 1, []Row{{Confidence: .6, Propensity: 1, Loss: 1}}, 1, .92},
		{"everything deferred", 1, 1, []Row{{Confidence: .6, Propensity: 1}}, 1, 1.2},
		{"without a verdict", .1, 1, []Row{{Confidence: .95, Propensity: .1, Missing: true}}, .2, .2},
		// 1 + 0.8·0.1/0.8·10·(0.2-0.5) = 0.7
		{"half wrong", .1, 1, []Row{{Confidence: .95, Propensity: .1, Loss: .5}}, .7, .7},
		{"at the level", .1, 1, []Row{{Confidence: .9, Propensity: .1}}, 1.2, 1.2},
		{"below all", .1, 1, []Row{{Confidence: .1, Propensity: .1, Loss: 1}}, 1, 1},
		{"of another version", .1, 1, []Row{{Confidence: .95, Propensity: .1, Loss: 1, Foreign: true}}, 1, 1},
		// 1 + 0.8·0.5/0.8·(2·0.2 + 1·(0.2-1))/4 = 1 - 0.5·0.4/4 = 0.95; the first row alone: 1 + 0.5·0.4/4 = 1.05
		{"a call", .5, 4, []Row{{Confidence: .9, Propensity: .5}, {Confidence: .7, Propensity: 1, Loss: 1}}, 1.05, .95},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, keyOf(.2, .05, c.maxRows, .9, .5))
			take(t, s, c.least, day, c.rows...)
			for j, want := range []float64{c.upper, c.lower} {
				if got := math.Exp(s.GetLogWealth()[j*len(bets)+m]); math.Abs(got-want) > 1e-12 {
					t.Errorf("level %d: factor %v, want %v", j, got, want)
				}
				mean := 0.0
				for _, bet := range bets {
					mean += (1 + bet/.8*(want-1)) / float64(len(bets))
				}
				if got := Wealth(s, j); math.Abs(got-mean) > 1e-12 {
					t.Errorf("level %d: wealth %v, want %v", j, got, mean)
				}
			}
		})
	}
}

func TestOrderIsKept(t *testing.T) {
	s := open(t, keyOf(.05, .05, 1, .5))
	row := []Row{{Confidence: .9, Propensity: 1}}
	for range 3 {
		if _, _, err := Draw(s, 1, row, day); err != nil {
			t.Fatal(err)
		}
	}
	for _, number := range []uint64{0, 2, 3, 4, math.MaxUint64} {
		before := s.GetLogWealth()[0]
		if _, err := Consume(s, Unit{Number: number, Least: 1, Rows: row}, day); err == nil || !strings.Contains(err.Error(), "strictly in the order") {
			t.Errorf("unit %d was taken: %v", number, err)
		}
		if s.GetNextConsumed() != 1 || s.GetLogWealth()[0] != before {
			t.Errorf("unit %d changed the state", number)
		}
	}
	for number := uint64(1); number <= 3; number++ {
		if _, err := Consume(s, Unit{Number: number, Least: 1, Rows: row}, day); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Consume(s, Unit{Number: 4, Least: 1, Rows: row}, day); err == nil {
		t.Error("a unit that was never drawn was taken")
	}
	if _, err := Consume(s, Unit{Number: 3, Least: 1, Rows: row}, day); err == nil {
		t.Error("a unit was taken twice")
	}
}

// TestPrefix: a level that has reached its bound licenses nothing while the one above it hasn't.
func TestPrefix(t *testing.T) {
	s := open(t, keyOf(.2, .5, 1, .9, .5))
	low := Row{Confidence: .6, Propensity: 1}
	for range 60 {
		if take(t, s, 1, day, low).Certified {
			t.Fatal("certified by rows below the first level")
		}
	}
	if s.GetReached() != 2 || s.GetStatus() != candorv1.CertificateStatus_CERTIFICATE_STATUS_EARNING {
		t.Fatalf("reached %b, status %v", s.GetReached(), s.GetStatus())
	}
	if tau, ok := Threshold(s); ok || !math.IsInf(tau, 1) {
		t.Fatalf("threshold %v, %v", tau, ok)
	}
	// The bound is kept for ever: now the lower level loses, and is licensed all the same once the upper one gets there.
	for range 2 {
		take(t, s, 1, day, Row{Confidence: .6, Propensity: 1, Loss: 1})
	}
	for range 60 {
		if take(t, s, 1, 2*day, Row{Confidence: .95, Propensity: 1}).Certified {
			break
		}
	}
	if tau, ok := Threshold(s); !ok || tau != .5 || s.GetCertifiedUs() != 2*day {
		t.Fatalf("threshold %v, %v", tau, ok)
	}
}

// TestFirstCertificate: with every row right at q = least, the wealth is a function of the number of rows; it passes 1/δ at the
// row where the formula does.
func TestFirstCertificate(t *testing.T) {
	const alpha, delta = .05, .05
	s := open(t, keyOf(alpha, delta, 1, .5))
	want := 0
	for n := 1; want == 0; n++ {
		mean := 0.0
		for _, m := range bets {
			mean += math.Pow(1+m*alpha/(1-alpha), float64(n)) / float64(len(bets))
		}
		if mean >= math.Pi*math.Pi/6/delta {
			want = n
		}
	}
	n := 1
	for ; !take(t, s, .1, day, Row{Confidence: .9, Propensity: .1}).Certified; n++ {
	}
	if n != want {
		t.Errorf("certified after %d rows, want %d", n, want)
	}
}

// TestWealthIsSound: whatever comes, wealth is a finite number that no unit takes more than its bet of.
func TestWealthIsSound(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		alpha := []float64{1e-300, 1e-9, .01, .5, .99, 1 - 1e-15, math.Nextafter(1, 0)}[rng.IntN(7)]
		maxRows := uint32(1 + rng.IntN(5))
		s := open(t, keyOf(alpha, .05, maxRows, .9, .5, 0))
		for range 100 {
			least := math.Pow(10, -3*rng.Float64())
			rows := make([]Row, 1+rng.IntN(int(maxRows)))
			for i := range rows {
				rows[i] = Row{
					Confidence: rng.Float64(), Propensity: least + (1-least)*rng.Float64()*float64(rng.IntN(2)), Accepted: rng.IntN(2) == 0,
					Loss: []float64{0, 1, rng.Float64()}[rng.IntN(3)], Missing: rng.IntN(9) == 0, Foreign: rng.IntN(9) == 0,
				}
			}
			before := append([]float64(nil), s.GetLogWealth()...)
			take(t, s, least, day, rows...) // which also checks that everything is finite
			for i, log := range s.GetLogWealth() {
				if floor := math.Log1p(-bets[i%len(bets)]); log-before[i] < floor-1e-9 {
					t.Fatalf("alpha %v: bet %v lost %v of its logarithm", alpha, bets[i%len(bets)], before[i]-log)
				}
			}
			if Ended(s) {
				break
			}
		}
	}
}

func TestConsumeRefuses(t *testing.T) {
	good := Unit{Number: 1, Least: .1, Rows: []Row{{Confidence: .5, Propensity: .5}}}
	for name, break_ := range map[string]func(*Unit){
		"no rows":                    func(u *Unit) { u.Rows = nil },
		"more rows than declared":    func(u *Unit) { u.Rows = append(u.Rows, u.Rows[0]) },
		"least 0":                    func(u *Unit) { u.Least = 0 },
		"least NaN":                  func(u *Unit) { u.Least = math.NaN() },
		"least above 1":              func(u *Unit) { u.Least = 1.5 },
		"propensity below the least": func(u *Unit) { u.Rows[0].Propensity = .05 },
		"propensity above 1":         func(u *Unit) { u.Rows[0].Propensity = 2 },
		"confidence NaN":             func(u *Unit) { u.Rows[0].Confidence = math.NaN() },
		"loss above 1":               func(u *Unit) { u.Rows[0].Loss = 1.1 },
		"loss NaN":                   func(u *Unit) { u.Rows[0].Loss = math.NaN() },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, keyOf(.05, .05, 1, .5))
			if _, _, err := Draw(s, good.Least, good.Rows, day); err != nil {
				t.Fatal(err)
			}
			u := Unit{Number: 1, Least: good.Least, Rows: append([]Row(nil), good.Rows...)}
			break_(&u)
			if _, err := Consume(s, u, day); err == nil || s.GetNextConsumed() != 1 {
				t.Fatalf("taken: %v", err)
			}
			if _, err := Consume(s, good, day); err != nil {
				t.Fatal(err)
			}
		})
	}
}
