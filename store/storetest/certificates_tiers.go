package storetest

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

// wantVersion checks which version of a key is in force and under which upstream threshold, that it has no evidence, and that the
// version before was superseded.
func wantVersion(t *testing.T, d Driver, key *candorv1.CertificateKey, version uint32, upstream *float64) {
	t.Helper()
	now := current(t, d, key)
	if now.GetVersion() != version || now.GetUnitsConsumed() != 0 || diff(upstream, now.UpstreamThreshold) != "" {
		t.Errorf("%s is at version %d with %d units, upstream %v; want %d, 0, %v", key.GetStage(), now.GetVersion(),
			now.GetUnitsConsumed(), now.UpstreamThreshold, version, upstream)
		return
	}
	ended, err := d.Certificate(t.Context(), certificate.ID(&candorv1.CertificateState{Key: key, Version: version - 1}))
	if err != nil || ended.GetStatus() != candorv1.CertificateStatus_CERTIFICATE_STATUS_SUPERSEDED || ended.GetEndedBy() != "policy" ||
		ended.GetEndedReason() == "" || ended.GetEndedUs() != now.GetOpenedUs() {
		t.Errorf("%s, the version before: %v (%v)", key.GetStage(), ended, err)
	}
}

func testUpstream(t *testing.T, d Driver) {
	first, second, third := Key("m", "first"), Key("m", "second"), Key("m", "third")
	second.Tier, third.Tier = 1, 2
	other := Key("m", "other")
	states, err := d.OpenCertificates(t.Context(), []certificate.Opening{
		{Key: third, Upstream: certificate.Digest(second)}, {Key: second, Upstream: certificate.Digest(first)}, {Key: first}, {Key: other},
	})
	if err != nil {
		t.Fatal(err)
	}
	if states[0].UpstreamThreshold != nil || states[1].UpstreamThreshold != nil {
		t.Errorf("nothing is licensed before them: %v, %v", states[0].UpstreamThreshold, states[1].UpstreamThreshold)
	}
	feed(t, d, third, 1, 0.95, nil)
	feed(t, d, other, 1, 0.95, nil)
	open := drawRow(t, d, second, 0.95, nil)

	// The first level, then the second: both change which rows go on.
	changed := d.CertificatesChanged()
	holdBack(t, d, first)
	feedUntil(t, d, first, 0.95, 0.9)
	wantVersion(t, d, second, 2, proto.Float64(0.9))
	wantVersion(t, d, third, 2, nil)
	if !closed(changed) {
		t.Error("nobody was told")
	}
	feed(t, d, second, 1, 0.95, nil)
	judge(t, d, open, "b") // of the version before
	if s := current(t, d, second); s.GetUnitsConsumed() != 1 || s.GetErrors()[0] != 0 {
		t.Errorf("evidence of an ended version counts: %v", s)
	}
	feedUntil(t, d, first, 0.7, 0.6)
	wantVersion(t, d, second, 3, proto.Float64(0.6))
	wantVersion(t, d, third, 3, nil)

	// More evidence that changes no threshold, and opening what is open, leave them alone.
	feed(t, d, second, 2, 0.95, nil)
	feed(t, d, first, 3, 0.95, nil)
	if _, err := d.OpenCertificates(t.Context(), []certificate.Opening{
		{Key: third, Upstream: certificate.Digest(second)}, {Key: second, Upstream: certificate.Digest(first)},
	}); err != nil {
		t.Fatal(err)
	}
	if s := current(t, d, second); s.GetVersion() != 3 || s.GetUnitsConsumed() != 2 {
		t.Errorf("the second tier: version %d, %d units", s.GetVersion(), s.GetUnitsConsumed())
	}

	// The alarm takes all of it back.
	for n := 0; current(t, d, first).GetVersion() == 1; n++ {
		if n == 100 {
			t.Fatal("100 wrong accepts and no alarm")
		}
		judge(t, d, drawRow(t, d, first, 0.95, accepted), "b")
	}
	fired, err := d.Certificate(t.Context(), certificate.Digest(first)+".1")
	if err != nil || fired.GetStatus() != candorv1.CertificateStatus_CERTIFICATE_STATUS_REVOKED || fired.GetEndedBy() != "alarm" {
		t.Errorf("fired: %v (%v)", fired, err)
	}
	wantVersion(t, d, second, 4, nil)
	wantVersion(t, d, third, 4, nil)

	// What licenses nothing can be revoked without a change to anybody.
	if _, err := d.RevokeCertificate(t.Context(), certificate.Digest(first)+".2", people.By{Name: "ann", Reason: "why"}, "r"); err != nil {
		t.Fatal(err)
	}
	if s := current(t, d, second); s.GetVersion() != 4 {
		t.Errorf("the second tier: version %d, want 4", s.GetVersion())
	}
	if s := current(t, d, other); s.GetVersion() != 1 || s.GetUnitsConsumed() != 1 {
		t.Errorf("one that stands behind none: version %d, %d units", s.GetVersion(), s.GetUnitsConsumed())
	}
}

// A first version may stand behind a held-out file, of which no store knows: what it licensed ends with it, and other rows come.
func testUpstreamHeldOut(t *testing.T, d Driver) {
	first, second := Key("m", "first"), Key("m", "second")
	openOne(t, d, first, "")
	openOne(t, d, second, certificate.Digest(first))
	if _, err := d.RevokeCertificate(t.Context(), certificate.Digest(first)+".1", people.By{Name: "ann", Reason: "why"}, "r"); err != nil {
		t.Fatal(err)
	}
	wantVersion(t, d, second, 2, nil)
}

func testUpstreamMoves(t *testing.T, d Driver) {
	first, second, third := Key("m", "first"), Key("m", "second"), Key("m", "third")
	openOne(t, d, second, certificate.Digest(first)) // of which nothing is known yet
	openOne(t, d, third, certificate.Digest(second))
	openOne(t, d, first, "")
	holdBack(t, d, first)
	feedUntil(t, d, first, 0.95, 0.9)
	wantVersion(t, d, second, 2, proto.Float64(0.9))
	feed(t, d, second, 3, 0.95, nil)
	// Now nothing stands before it: other rows reach it, and the one behind it.
	if s := openOne(t, d, second, ""); s.GetVersion() != 3 {
		t.Errorf("moved: version %d, want 3", s.GetVersion())
	}
	wantVersion(t, d, second, 3, nil)
	wantVersion(t, d, third, 3, nil)
	if s := openOne(t, d, second, certificate.Digest(first)); s.GetUpstreamThreshold() != 0.9 {
		t.Errorf("moved back: upstream %v, want 0.9, which is licensed", s.UpstreamThreshold)
	}
	wantVersion(t, d, third, 4, nil)
}
