package demo

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/candor-gateway/candor/examples/digits"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// One row in a hundred is wrong, under a certificate of 120 verdicts.
func earnedCertificate() (*stage, *candorv1.Certificate) {
	tau := 0.9
	s := &stage{reviewers: &reviewers{}, player: &player{tally: newTally(digits.Set{{Label: 1}}, []string{"1"})}}
	return s, &candorv1.Certificate{
		Name: "certificates/0123456789abcdef.1", Version: 1, Delta: 0.06, Threshold: &tau, Units: 120,
		CertifyTime: timestamppb.New(time.Now().Add(-time.Hour)),
	}
}

func TestPromiseChecks(t *testing.T) {
	for _, tc := range []struct {
		name   string
		breach func(*stage, *certified)
		want   string
	}{
		{"kept", func(*stage, *certified) {}, ""},
		{"nothing certified", func(_ *stage, c *certified) { c.now.Threshold = nil }, "licenses nothing after 120 verdicts"},
		{"no certificate", func(_ *stage, c *certified) { c.now = nil }, "no certificate"},
		{"too few verdicts", func(_ *stage, c *certified) { c.now.Units = 20 }, "20 verdicts certified what takes"},
		{"accepted on trust", func(s *stage, c *certified) {
			s.player.tally.add([]answer{{route: candorv1.Route_ROUTE_ACCEPT, released: true, label: "1"}})
			c.now.CertifyTime = timestamppb.New(time.Now().Add(time.Hour))
		}, "1 row accepted before"},
		{"nothing accepted", func(_ *stage, c *certified) { c.accepted = share{} }, "no row was accepted"},
		{"far too many errors", func(_ *stage, c *certified) { c.accepted.right = 900 }, "10.0 % (100 of 1000); promised <= 5 %"},
		{"too many by chance", func(_ *stage, c *certified) { c.accepted.right = 945 }, ""},
		{"reviewers fail", func(s *stage, _ *certified) { s.reviewers.fail(errText("boom")) }, "boom"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, ct := earnedCertificate()
			c := certified{alpha: 0.05, delta: 0.1, now: ct, accepted: share{990, 1000}, row: 300}
			tc.breach(s, &c)
			s.checkPromise(c)
			err := s.verdict()
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("verdict %v, want %q", err, tc.want)
			}
		})
	}
}

type errText string

func (e errText) Error() string { return string(e) }

// The row is counted from the answers, and an earlier demo's certificate has none.
func TestCertifiedOf(t *testing.T) {
	s, ct := earnedCertificate()
	tl, began := s.player.tally, time.Now()
	for range 3 {
		tl.add([]answer{{route: candorv1.Route_ROUTE_FALLBACK, released: true, label: "1"}})
	}
	certifiedAt := time.Now()
	tl.add([]answer{{route: candorv1.Route_ROUTE_ACCEPT, released: true, label: "1"}})
	tl.add([]answer{{route: candorv1.Route_ROUTE_ACCEPT, released: true, label: "7"}})
	p := &candorv1.Promise{Alpha: 0.05, Delta: 0.1}

	if c := certifiedOf(p, state{certificate: ct}, tl, began); !c.before || c.row != 0 || !strings.Contains(c.phase(), "by an earlier demo") {
		t.Errorf("an earlier demo's: %+v, %s", c, c.phase())
	}
	ct.CertifyTime = timestamppb.New(certifiedAt)
	c := certifiedOf(p, state{certificate: ct}, tl, began)
	if c.before || c.row != 3 || c.wrong() != 1 || c.accepted.of != 2 || c.measured() != 0.5 {
		t.Errorf("%+v, want row 3 and one of two wrong", c)
	}
	if want := "at row 3: accepted at confidence >= 0.90; 120 verdicts"; c.phase() != want {
		t.Errorf("phase %q, want %q", c.phase(), want)
	}
	ct.Threshold, ct.Levels = nil, []*candorv1.CertificateLevel{{Threshold: 0.9, Labels: 12, Errors: 1, Wealth: 1.4}}
	if got, want := c.phase(), "nothing yet: 12 verdicts, 1 wrong, at >= 0.90; wealth 1.4 of 17"; got != want {
		t.Errorf("phase %q, want %q", got, want)
	}
	if c := certifiedOf(p, state{}, tl, began); c.licensed() || c.phase() != "-" {
		t.Errorf("without a certificate: %+v", c)
	}
}
