package certificate

import (
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestCheckFinds(t *testing.T) {
	whole := earning(t, 240)
	for want, damage := range map[string]func(*candorv1.CertificateState){
		"alpha is 0":               func(s *candorv1.CertificateState) { s.Key = nil },
		"version":                  func(s *candorv1.CertificateState) { s.Version = 0 },
		"delta is":                 func(s *candorv1.CertificateState) { s.Delta = .05 },
		"status is":                func(s *candorv1.CertificateState) { s.Status = 0 },
		"with 0 certified levels":  func(s *candorv1.CertificateState) { s.Certified, s.Reached = 0, 0 },
		"certified is":             func(s *candorv1.CertificateState) { s.Certified = 1 },
		"reached":                  func(s *candorv1.CertificateState) { s.Reached |= 4 },
		"log_wealth has 9 numbers": func(s *candorv1.CertificateState) { s.LogWealth = s.LogWealth[:9] },
		"isn't finite":             func(s *candorv1.CertificateState) { s.LogWealth[3] = math.NaN() },
		"labels has":               func(s *candorv1.CertificateState) { s.Errors = nil },
		"errors are":               func(s *candorv1.CertificateState) { s.Errors[0] = 1000 },
		"grid has":                 func(s *candorv1.CertificateState) { s.Grid[1] = .95 },
		"log_alarm has":            func(s *candorv1.CertificateState) { s.LogAlarm = nil },
		"out of order":             func(s *candorv1.CertificateState) { s.NextNumber = 3 },
		"units_consumed":           func(s *candorv1.CertificateState) { s.UnitsConsumed = 3 },
		"audit_errors":             func(s *candorv1.CertificateState) { s.AuditErrors = 1e6 },
		"recent_missing":           func(s *candorv1.CertificateState) { s.Recent, s.RecentMissing = 3, 8 },
		"passed":                   func(s *candorv1.CertificateState) { s.Passed = 3 },
		"upstream_threshold":       func(s *candorv1.CertificateState) { s.UpstreamThreshold = proto.Float64(2) },
		"burn_in is there":         func(s *candorv1.CertificateState) { s.BurnIn = []float64{1} },
		"grid is empty": func(s *candorv1.CertificateState) {
			s.Grid, s.Status = nil, candorv1.CertificateStatus_CERTIFICATE_STATUS_BURN_IN
		},
		"is CERTIFICATE_STATUS_BURN_IN":  func(s *candorv1.CertificateState) { s.Status = candorv1.CertificateStatus_CERTIFICATE_STATUS_BURN_IN },
		"is CERTIFICATE_STATUS_EARNING":  func(s *candorv1.CertificateState) { s.Status = candorv1.CertificateStatus_CERTIFICATE_STATUS_EARNING },
		"is CERTIFICATE_STATUS_STALE":    func(s *candorv1.CertificateState) { s.Status = candorv1.CertificateStatus_CERTIFICATE_STATUS_STALE },
		"log_alarm has a number":         func(s *candorv1.CertificateState) { s.LogAlarm[0] = math.Inf(-1) },
		"level 1 of the grid is 0.9":     func(s *candorv1.CertificateState) { s.Key.Grid.Levels = []float64{.9, .9} },
		"units_consumed is 240; from 2 ": func(s *candorv1.CertificateState) { s.FirstNumber = 2 },
	} {
		s := proto.CloneOf(whole)
		if err := Check(s); err != nil {
			t.Fatal(err)
		}
		damage(s)
		if err := Check(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// FuzzState: whatever a store holds, Check answers, and what it lets pass is used without a panic and stays consistent.
func FuzzState(f *testing.F) {
	seed := func(s *candorv1.CertificateState) {
		data, err := proto.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, 0.9, 0.5, 0.1, 0.0, uint8(0))
		f.Add(data, 0.2, 0.1, 0.1, 1.0, uint8(3))
	}
	s, err := Open(keyOf(.05, .05, 2, .9, .5), 1, nil, day)
	if err != nil {
		f.Fatal(err)
	}
	seed(s)
	if s, err = Open(burning(50, 5, .4), 3, proto.Float64(.5), day); err != nil {
		f.Fatal(err)
	}
	seed(s)
	f.Fuzz(func(t *testing.T, data []byte, confidence, propensity, least, loss float64, flags uint8) {
		s := &candorv1.CertificateState{}
		if proto.Unmarshal(data, s) != nil || Check(s) != nil {
			return
		}
		row := Row{
			Confidence: confidence, Propensity: propensity, Loss: loss,
			Accepted: flags&1 != 0, Missing: flags&2 != 0, Foreign: flags&4 != 0,
		}
		use := func() {
			tau, ok := Threshold(s)
			if ok != (tau <= 1) {
				t.Errorf("threshold %v, %v", tau, ok)
			}
			for _, line := range Plain(s, s.GetOpenedUs()+day, day, nil) {
				if strings.Contains(line, "NaN") {
					t.Error(line)
				}
			}
			Resource(s, s.GetOpenedUs()+day, day, 0)
			AuditsToDetect(s.GetKey(), confidence)
		}
		use()
		for range 3 {
			number, counts, err := Draw(s, least, []Row{row}, day)
			if err != nil {
				break
			}
			if counts && number == s.GetNextConsumed() {
				if _, err := Consume(s, Unit{Number: number, Least: least, Rows: []Row{row}}, day); err != nil {
					t.Fatalf("drawn, and not to be consumed: %v", err)
				}
			}
			if err := Check(s); err != nil && !atTheEnd(s) {
				t.Fatal(err)
			}
			use()
		}
		End(s, candorv1.CertificateStatus_CERTIFICATE_STATUS_REVOKED, "me", "because", day)
		use()
		if _, err := Next(s, nil, day); err != nil && s.GetVersion() != math.MaxUint32 {
			t.Fatal(err)
		}
	})
}

// atTheEnd says that counters are where adding loses: only a damaged store gets there.
func atTheEnd(s *candorv1.CertificateState) bool {
	const far = 1 << 53
	for _, logs := range [][]float64{s.GetLogWealth(), s.GetLogAlarm()} {
		for _, v := range logs {
			if math.Abs(v) > far {
				return true
			}
		}
	}
	for _, counts := range [][]uint64{s.GetLabels(), s.GetErrors(), {s.GetNextNumber(), s.GetDrawn(), s.GetAudits(), s.GetAuditErrors()}} {
		for _, v := range counts {
			if v == 0 || v > far {
				return true
			}
		}
	}
	return s.GetPassed() > far
}
