package certificate

import (
	"math"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// TestAlarmValues: R by hand for α = 0.1: rates 0.2, 0.4 and, as ten times is no rate, 0.55; stakes 1/9, 1/3, 1/2.
func TestAlarmValues(t *testing.T) {
	s := open(t, keyOf(.1, .05, 1, .5))
	wrong := Row{Confidence: .9, Propensity: .5, Accepted: true, Loss: 1}
	right := wrong
	right.Loss = 0
	is := func(when string, want float64) {
		t.Helper()
		if got := Alarm(s); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
	}
	// An error at q = least gains stake·(1-α)/α = stake·9; a right answer costs the stake.
	take(t, s, .5, day, wrong)
	is("after an error", (2.0+4.0+5.5)/3)
	take(t, s, .5, day, right)
	is("after a right one", (3.0*8/9+5.0*2/3+6.5/2)/3)
	// It comes to rest where R = (R+1)·(1-stake), so that good times earn no credit against bad ones.
	for range 400 {
		take(t, s, .5, day, right)
	}
	is("after many right ones", (8.0+2+1)/3)
	// Looked at for certain while the least is 0.5: an error says half as much.
	take(t, s, .5, day, Row{Confidence: .9, Propensity: 1, Accepted: true, Loss: 1})
	is("after a held error", (9*1.5+3*2.5+2*3.25)/3)
	if s.GetAudits() != 403 || s.GetAuditErrors() != 2 {
		t.Errorf("audits %d, errors %d", s.GetAudits(), s.GetAuditErrors())
	}
}

func TestAlarmRevokes(t *testing.T) {
	s := open(t, keyOf(.05, .05, 1, .5))
	wrong := Row{Confidence: .9, Propensity: .1, Accepted: true, Loss: 1}
	n := 0
	for ; !Ended(s); n++ {
		if c := take(t, s, .1, day, wrong); c.Fired != Ended(s) || c.Certified {
			t.Fatalf("change %+v, status %v", c, s.GetStatus())
		}
	}
	// ½·(0.95/0.05)+1 = 10.5 a time for the boldest bet: a third of 10.5 + 10.5² + ... is past 1000 after four.
	if want := 4; n != want {
		t.Errorf("revoked after %d errors, want %d", n, want)
	}
	if s.GetStatus() != candorv1.CertificateStatus_CERTIFICATE_STATUS_REVOKED || s.GetEndedBy() != "alarm" || s.GetEndedUs() != day {
		t.Errorf("%v by %q", s.GetStatus(), s.GetEndedBy())
	}
	if _, ok := Threshold(s); ok {
		t.Error("it still licenses something")
	}
	if _, _, err := Draw(s, .1, []Row{wrong}, day); err == nil {
		t.Error("it still draws")
	}
	if _, err := Consume(s, Unit{Number: uint64(n + 1), Least: .1, Rows: []Row{wrong}}, day); err == nil {
		t.Error("it still takes evidence")
	}
}

// TestMissingNeverAlarms: time-outs make a certificate stale; they don't revoke it.
func TestMissingNeverAlarms(t *testing.T) {
	s := open(t, keyOf(.5, .9, 1, .5))
	for !Ended(s) && s.GetCertified() == 0 {
		take(t, s, 1, day, Row{Confidence: .9, Propensity: 1})
	}
	gone := Row{Confidence: .9, Propensity: 1, Accepted: true, Missing: true}
	for i := range 200 {
		take(t, s, 1, day, gone)
		if Ended(s) || Alarm(s) != 0 || s.GetAudits() != 0 {
			t.Fatalf("alarm %v, audits %d", Alarm(s), s.GetAudits())
		}
		if got, want := Stale(s, day, 2*day), i+1 >= leastRecent; got != want {
			t.Fatalf("stale %v after %d missing verdicts", got, i+1)
		}
	}
	// Half of the last 64 judged: no longer most of them missing.
	for i := range 32 {
		if !Stale(s, day, 2*day) {
			t.Fatalf("fresh after %d verdicts", i)
		}
		take(t, s, 1, day, Row{Confidence: .9, Propensity: 1, Accepted: true})
	}
	if Stale(s, day, 2*day) {
		t.Error("stale though half of the audits are judged")
	}
}

func TestAuditsToDetect(t *testing.T) {
	key := keyOf(.05, .05, 1, .5)
	// The bet that is made for the doubled rate gains 0.1·ln(1+(0.05/0.95)·19) + 0.9·ln(1-0.05/0.95) a time; R, step by step.
	gain, r, steps := math.Exp(.1*math.Log(2)+.9*math.Log(1-.05/.95)), 0.0, 0.0
	for ; r < 3000; steps++ {
		r = (r + 1) * gain
	}
	if got := AuditsToDetect(key, .1); got > steps || got < steps-1 {
		t.Errorf("%v, want the last of %v steps", got, steps)
	}
	for _, rate := range []float64{0, .01, .05} {
		if got := AuditsToDetect(key, rate); !math.IsInf(got, 1) {
			t.Errorf("a rate of %v is found after %v", rate, got)
		}
	}
	last := math.Inf(1)
	for _, rate := range []float64{.08, .1, .2, .5, 1, 2} {
		got := AuditsToDetect(key, rate)
		if !(got > 0 && got <= last) {
			t.Errorf("a rate of %v is found after %v, and a lower one after %v", rate, got, last)
		}
		last = got
	}
}
