package certificate

import (
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// earning makes a state of n right rows, one an hour, that were all looked at.
func earning(t *testing.T, n int) *candorv1.CertificateState {
	s := open(t, keyOf(.05, .05, 1, .9, .5))
	for i := range n {
		take(t, s, .1, day+int64(i+1)*day/24, Row{Confidence: .95, Propensity: .1, Accepted: s.GetCertified() > 0})
	}
	return s
}

func wants(t *testing.T, lines []string, parts ...string) {
	t.Helper()
	text := strings.Join(lines, "\n")
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is missing in:\n%s", part, text)
		}
	}
}

func TestPlain(t *testing.T) {
	burn := open(t, burning(200, 12, .4))
	wants(t, Plain(burn, day, day, nil), "Nothing is promised yet", "0 of 200 confidences", "no row was drawn", "isn't known yet")

	wants(t, Plain(earning(t, 10), 2*day, day, nil), "Nothing is promised yet", "too few verdicts") // too little to extrapolate
	wants(t, Plain(earning(t, 48), 3*day, day, nil), "Next: 0.9", "At the growth so far it is certified in about 3.16 days",
		"Evidence at 0.9: 48 judged rows, 0 of them wrong", "48 rows drawn for review of about 480 that passed (10 %), 24 a day")

	s := earning(t, 240)
	now := 11 * day
	wants(t, Plain(s, now, 20*day, proto.Float64(.01)), "Rows with a confidence of 0.5 or more may be accepted", "at least 1 - 3.04 %",
		"more than 5 % of", "Measured e: 1 %; at the bound of 5 % the risk itself is 4.08 %", "doubled to 10 %", "judged accepts", "days at the")
	if _, _, err := Draw(s, .1, []Row{{Confidence: .95, Propensity: .1}}, now); err != nil {
		t.Fatal(err)
	}
	wants(t, Plain(s, now+2*day, day, proto.Float64(.6)), "The evidence is stale", "doesn't say anything about the risk")
	End(s, candorv1.CertificateStatus_CERTIFICATE_STATUS_REVOKED, "ada", "we saw it drift", now)
	wants(t, Plain(s, now+20*day, day, nil), "Nothing is promised any more: we saw it drift", "24 a day")
}

// TestDaysToCertify: with equal steps the estimate is when it happens; for a mixture of bets it is a little late.
func TestDaysToCertify(t *testing.T) {
	if _, ok := DaysToCertify(earning(t, leastUnits-1), 3*day); ok {
		t.Error("an estimate from too little")
	}
	wrong := open(t, keyOf(.05, .05, 1, .5))
	for range 40 {
		take(t, wrong, .1, 2*day, Row{Confidence: .9, Propensity: .1, Loss: 1})
	}
	if _, ok := DaysToCertify(wrong, 3*day); ok {
		t.Error("an estimate without growth")
	}
	s := earning(t, 48)
	days, ok := DaysToCertify(s, s.GetConsumedUs())
	if !ok {
		t.Fatal("no estimate")
	}
	hours := 0
	for ; s.GetCertified() == 0; hours++ {
		take(t, s, .1, s.GetConsumedUs()+day/24, Row{Confidence: .95, Propensity: .1})
	}
	if got := days * 24; got < float64(hours)-1 || got > 1.5*float64(hours) {
		t.Errorf("said %v hours, took %d", got, hours)
	}
	for s.GetCertified() < 2 {
		take(t, s, .1, s.GetConsumedUs()+day/24, Row{Confidence: .95, Propensity: .1})
	}
	if _, ok := DaysToCertify(s, s.GetConsumedUs()); ok {
		t.Error("an estimate with nothing left to certify")
	}
}

func TestRisks(t *testing.T) {
	for _, r := range []float64{0, .01, .05, .5} {
		for _, e := range []float64{0, .02, .3} {
			if got := TrueRisk(MeasuredRisk(r, e), e); math.Abs(got-r) > 1e-12 {
				t.Errorf("risk %v by reviewers of error %v comes back as %v", r, e, got)
			}
		}
	}
	if got := MeasuredRisk(.05, .02); math.Abs(got-.068) > 1e-15 {
		t.Errorf("0.05·0.98 + 0.95·0.02 = %v", got)
	}
	if TrueRisk(.01, .05) != 0 {
		t.Error("a negative risk")
	}
}

func TestStaleness(t *testing.T) {
	s := earning(t, 10)
	if _, _, err := Draw(s, .1, []Row{{Confidence: .9, Propensity: .1}}, 3*day); err != nil {
		t.Fatal(err)
	}
	if Stale(s, 90*day, day) {
		t.Error("stale before anything is licensed")
	}
	s = earning(t, 240)
	if Stale(s, 90*day, day) {
		t.Error("stale though nothing is open")
	}
	if _, _, err := Draw(s, .1, []Row{{Confidence: .9, Propensity: .1}}, 20*day); err != nil {
		t.Fatal(err)
	}
	for now, want := range map[int64]bool{20 * day: false, 21 * day: false, 21*day + 1: true} {
		if Stale(s, now, day) != want {
			t.Errorf("at %d: stale is %v", now, !want)
		}
	}
	if got := Status(s, 30*day, day); got != candorv1.CertificateStatus_CERTIFICATE_STATUS_STALE {
		t.Errorf("status %v", got)
	}
	if tau, ok := Threshold(s); !ok || tau != .5 {
		t.Error("staleness took the threshold: what it does is the policy's on_stale")
	}
}

func TestResource(t *testing.T) {
	s := earning(t, 240)
	c := Resource(s, 12*day, day, 7)
	if c.GetName() != "certificates/"+ID(s) || c.GetThreshold() != .5 || c.GetUnits() != 240 || c.GetUnitsOpen() != 7 || len(c.GetLevels()) != 2 ||
		!c.GetLevels()[1].GetCertified() || c.GetEndTime() != nil || c.GetOpenTime().AsTime().UnixMicro() != day || len(c.GetPromise()) == 0 {
		t.Errorf("%v", c)
	}
	c = Resource(open(t, burning(50, 2, .5)), day, day, 0)
	if c.Threshold != nil || c.GetStatus() != candorv1.CertificateStatus_CERTIFICATE_STATUS_BURN_IN || len(c.GetLevels()) != 0 {
		t.Errorf("%v", c)
	}
	// JSON has no infinity: a wealth that is past all numbers is shown as the largest.
	for i := range s.GetLogWealth() {
		s.LogWealth[i] = 1e6
	}
	if got := Resource(s, day, day, 0).GetLevels()[0].GetWealth(); got != math.MaxFloat64 {
		t.Errorf("wealth %v", got)
	}
}

// Spans and paces are said in the unit that people would use.
func TestSpans(t *testing.T) {
	for want, got := range map[string]string{
		"3 days": inDays(3), "36 hours": inDays(1.5), "90 minutes": inDays(1.5 / 24), "30 seconds": inDays(.5 / (24 * 60)),
		"24 a day": pace(48, 2), "10 a minute": pace(100, 10./(24*60)),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
