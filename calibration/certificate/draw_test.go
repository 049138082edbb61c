package certificate

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestQuantiles(t *testing.T) {
	for _, c := range []struct {
		name        string
		confidences []float64
		weights     []float64
		steps       uint32
		start       float64
		want        []float64
	}{
		{"tenths", []float64{.1, .2, .3, .4, .5, .6, .7, .8, .9, 1}, nil, 3, .4, []float64{.7, .4, .1}},
		{"any order", []float64{.3, .1, .9, .5, .7}, nil, 2, .2, []float64{.9, .1}},
		{"all equal", []float64{.5, .5, .5, .5}, nil, 12, .4, []float64{.5}},
		{"two values", []float64{.9, .5, .5, .5}, nil, 4, .25, []float64{.9, .5}},
		{"one step", []float64{.1, .9, .5, .7}, nil, 1, .5, []float64{.7}},
		{"all in one step", []float64{.1, .9}, nil, 1, 1, []float64{.1}},
		// Of 1+1+8 rows the two deferred ones are a fifth, and the audited one stands for the rest.
		{"weighed", []float64{.9, .6, .5}, []float64{8, 1, 1}, 3, .8, []float64{.9, .6, .5}},
		{"a light top", []float64{.9, .6, .5}, []float64{1, 1, 8}, 2, .5, []float64{.5}},
		{"0 and 1", []float64{0, 1}, nil, 2, .5, []float64{1, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t, burning(uint32(len(c.confidences)), c.steps, c.start))
			for i, conf := range c.confidences {
				q := 1.0
				if c.weights != nil {
					q = 1 / c.weights[i]
				}
				number, counts, err := Draw(s, q, []Row{{Confidence: conf, Propensity: q}}, day)
				if err != nil || counts || number != uint64(i+1) {
					t.Fatalf("number %d counts %v: %v", number, counts, err)
				}
				if err := Check(s); err != nil {
					t.Fatal(err)
				}
			}
			if s.GetStatus() != candorv1.CertificateStatus_CERTIFICATE_STATUS_EARNING {
				t.Fatalf("status %v", s.GetStatus())
			}
			if diff := cmp.Diff(c.want, s.GetGrid()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			number, counts, err := Draw(s, 1, []Row{{Confidence: .5, Propensity: 1}}, day)
			if err != nil || !counts || number != s.GetFirstNumber() || number != uint64(len(c.confidences)+1) {
				t.Errorf("first unit that counts: %d, %v, %v", number, counts, err)
			}
		})
	}
}

// TestVerdictsBeforeTheGrid: the rows that made the grid are no evidence, and rows of another version make none.
func TestVerdictsBeforeTheGrid(t *testing.T) {
	s := open(t, burning(2, 2, .5))
	row := Row{Confidence: .5, Propensity: 1}
	if _, err := Consume(s, Unit{Number: 1, Least: 1, Rows: []Row{row}}, day); err == nil {
		t.Error("a verdict counts before the grid is frozen")
	}
	foreign := row
	foreign.Foreign = true
	for range 3 {
		if _, _, err := Draw(s, 1, []Row{foreign}, day); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.GetBurnIn()) != 0 || s.GetDrawn() != 3 {
		t.Errorf("burn-in %v, drawn %d", s.GetBurnIn(), s.GetDrawn())
	}
	for range 2 {
		if _, _, err := Draw(s, 1, []Row{row}, day); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Consume(s, Unit{Number: 5, Least: 1, Rows: []Row{row}}, day); err == nil {
		t.Error("the unit that froze the grid is evidence")
	}
}

func TestPassedRows(t *testing.T) {
	s := open(t, keyOf(.05, .05, 2, .5))
	if _, _, err := Draw(s, .1, []Row{{Confidence: .9, Propensity: .1}, {Confidence: .1, Propensity: .5}}, day); err != nil {
		t.Fatal(err)
	}
	if s.GetDrawn() != 2 || s.GetPassed() != 12 || s.GetOldestOpenUs() != day {
		t.Errorf("drawn %d, passed %v, oldest %d", s.GetDrawn(), s.GetPassed(), s.GetOldestOpenUs())
	}
}
