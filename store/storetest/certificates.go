package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
)

var certificateTests = []test{
	{"they are opened once and go on", testCertificatesGoOn},
	{"openings that contradict are refused", testOpeningsRefused},
	{"they are listed", testCertificatesListed},
	{"a person revokes one, once", testRevoke},
	{"what stands behind one begins anew with it", testUpstream},
	{"a tier before that is opened later", testUpstreamMoves},
	{"a first version is revoked, which a held-out file may have started", testUpstreamHeldOut},
	{"the coin's secret never changes", testCoinSecret},
}

// Key is a certificate's key with two levels, easily certified: about 15 right answers in a row do.
func Key(model, stage string) *candorv1.CertificateKey {
	return &candorv1.CertificateKey{
		Model: model, Stage: stage, StageVersion: "3", Confidence: candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB,
		Labels: []string{"a", "b"}, Grid: &candorv1.ThresholdGrid{Levels: []float64{0.9, 0.6}}, Alpha: 0.2, Delta: 0.5, MaxRows: 1,
		AlarmRunLength: 50,
	}
}

// openOne opens one certificate.
func openOne(t *testing.T, d Driver, key *candorv1.CertificateKey, upstream string) *candorv1.CertificateState {
	t.Helper()
	states, err := d.OpenCertificates(t.Context(), []certificate.Opening{{Key: key, Upstream: upstream}})
	if err != nil {
		t.Fatalf("OpenCertificates: %v", err)
	}
	return states[0]
}

// current reads the version of a key that is in force.
func current(t *testing.T, d Driver, key *candorv1.CertificateKey) *candorv1.CertificateState {
	t.Helper()
	states, err := d.Certificates(t.Context(), key.GetModel(), false)
	if err != nil {
		t.Fatalf("Certificates: %v", err)
	}
	for _, s := range states {
		if certificate.Digest(s.GetKey()) == certificate.Digest(key) {
			return s
		}
	}
	t.Fatalf("no certificate of stage %q is in force", key.GetStage())
	return nil
}

func sameState(t *testing.T, what string, want, got *candorv1.CertificateState) {
	t.Helper()
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func idsOf(states []*candorv1.CertificateState) (out []string) {
	for _, s := range states {
		out = append(out, certificate.ID(s))
	}
	return out
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func testCertificatesGoOn(t *testing.T, d Driver) {
	before, changed := d.Now().UnixMicro(), d.CertificatesChanged()
	key := Key("m", "small")
	first := openOne(t, d, key, "")
	want, err := certificate.Open(key, 1, nil, first.GetOpenedUs())
	if err != nil {
		t.Fatal(err)
	}
	sameState(t, "a new certificate", want, first)
	if first.GetOpenedUs() < before || first.GetOpenedUs() > d.Now().UnixMicro() {
		t.Errorf("opened at %d, by no store's clock", first.GetOpenedUs())
	}
	if !closed(changed) {
		t.Error("an opening wakes nobody")
	}
	feed(t, d, key, 30, 0.95, nil)
	earned := current(t, d, key)
	if _, ok := certificate.Threshold(earned); !ok {
		t.Fatal("30 right answers certify nothing")
	}
	changed = d.CertificatesChanged()
	sameState(t, "opened again", earned, openOne(t, d, key, ""))
	if closed(changed) {
		t.Error("an opening that changed nothing woke somebody")
	}
	d = d.Reopen(t)
	sameState(t, "after a restart", earned, current(t, d, key))
	sameState(t, "opened after a restart", earned, openOne(t, d, key, ""))
	// Another key's evidence is its own.
	other := Key("m", "small")
	other.Segment = "north"
	if s := openOne(t, d, other, ""); s.GetUnitsConsumed() != 0 || s.GetVersion() != 1 {
		t.Errorf("another key: version %d with %d units", s.GetVersion(), s.GetUnitsConsumed())
	}
	bad := Key("m", "small")
	bad.Alpha = 0
	if _, err := d.OpenCertificates(t.Context(), []certificate.Opening{{Key: Key("m", "third")}, {Key: bad}}); err == nil {
		t.Error("a key without alpha was opened")
	}
	if all, err := d.Certificates(t.Context(), "", true); err != nil || len(all) != 2 {
		t.Errorf("%d certificates (%v); want 2: what is refused opens nothing", len(all), err)
	}
}

func testOpeningsRefused(t *testing.T, d Driver) {
	a, b := Key("m", "a"), Key("m", "b")
	digestA, digestB := certificate.Digest(a), certificate.Digest(b)
	for name, openings := range map[string][]certificate.Opening{
		"a ring":           {{Key: a, Upstream: digestB}, {Key: b, Upstream: digestA}},
		"its own upstream": {{Key: a, Upstream: digestA}},
		"two upstreams":    {{Key: a}, {Key: b}, {Key: a, Upstream: digestB}},
		"no key":           {{}},
	} {
		if _, err := d.OpenCertificates(t.Context(), openings); err == nil {
			t.Errorf("%s was opened", name)
		}
	}
	states, err := d.OpenCertificates(t.Context(), []certificate.Opening{{Key: b, Upstream: digestA}, {Key: a}, {Key: a}})
	if want := []string{digestB + ".1", digestA + ".1", digestA + ".1"}; err != nil || diff(want, idsOf(states)) != "" {
		t.Errorf("opened %v (%v); want %v", idsOf(states), err, want)
	}
}

func testCertificatesListed(t *testing.T, d Driver) {
	a, b, c := Key("m", "a"), Key("m", "b"), Key("n", "a")
	for _, key := range []*candorv1.CertificateKey{a, b, c} {
		openOne(t, d, key, "")
	}
	idA, idB, idC := certificate.Digest(a), certificate.Digest(b), certificate.Digest(c)
	for _, version := range []string{".1", ".2"} {
		if _, err := d.RevokeCertificate(t.Context(), idA+version, people.By{Name: "ann", Reason: "a test"}, "r"); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		model string
		ended bool
		want  []string
	}{
		{"", false, []string{idA + ".3", idC + ".1", idB + ".1"}},
		{"m", false, []string{idA + ".3", idB + ".1"}},
		{"m", true, []string{idA + ".3", idB + ".1", idA + ".2", idA + ".1"}},
		{"", true, []string{idA + ".3", idC + ".1", idB + ".1", idA + ".2", idA + ".1"}},
		{"none", true, nil},
	} {
		states, err := d.Certificates(t.Context(), tc.model, tc.ended)
		if got := idsOf(states); err != nil || diff(tc.want, got) != "" {
			t.Errorf("model %q, ended %t: %v (%v); want %v", tc.model, tc.ended, got, err, tc.want)
		}
	}
	s, err := d.Certificate(t.Context(), idA+".2")
	if err != nil || certificate.ID(s) != idA+".2" || !certificate.Ended(s) {
		t.Errorf("read by its id: %v (%v)", s, err)
	}
	for _, id := range []string{"", "x", idA, idA + ".4", idA + ".0", "0123456789abcdef.1"} {
		_, err := d.Certificate(t.Context(), id)
		wantError(t, fmt.Sprintf("Certificate %q", id), err, certificate.ErrNotFound)
	}
}

func testRevoke(t *testing.T, d Driver) {
	key := Key("m", "small")
	id := certificate.ID(openOne(t, d, key, ""))
	feed(t, d, key, 30, 0.95, nil)
	open := drawRow(t, d, key, 0.95, nil)
	changed := d.CertificatesChanged()
	ended, err := d.RevokeCertificate(t.Context(), id, people.By{Name: "ann", Reason: "the reviewers were trained anew", Remote: "192.0.2.7"}, "req-1")
	if err != nil {
		t.Fatal(err)
	}
	if ended.GetStatus() != candorv1.CertificateStatus_CERTIFICATE_STATUS_REVOKED || ended.GetEndedBy() != "ann" ||
		ended.GetEndedReason() != "the reviewers were trained anew" || ended.GetUnitsConsumed() != 30 {
		t.Errorf("the ended one: %v", ended)
	}
	if !closed(changed) {
		t.Error("nobody was told")
	}
	next := current(t, d, key)
	if want, err := certificate.Next(ended, nil, next.GetOpenedUs()); err != nil || !proto.Equal(want, next) {
		t.Errorf("the next version: %v (%v)", next, err)
	}
	changed = d.CertificatesChanged()
	for range 2 {
		again, err := d.RevokeCertificate(t.Context(), id, people.By{Name: "bob", Reason: "whatever"}, "req-1")
		if err != nil {
			t.Fatal(err)
		}
		sameState(t, "the same request again", ended, again)
		d = d.Reopen(t)
	}
	if closed(changed) {
		t.Error("a request that was answered before woke somebody")
	}
	_, err = d.RevokeCertificate(t.Context(), id, people.By{Name: "ann", Reason: "again"}, "req-2")
	wantError(t, "another request for an ended one", err, certificate.ErrEnded)
	// Its rows are nobody's evidence now, whoever judges them.
	judge(t, d, open, "a")
	sameState(t, "the next one after a verdict on the ended one's row", next, current(t, d, key))
	got, err := d.Certificate(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	sameState(t, "the ended one after a verdict on its row", ended, got)
	for _, id := range []string{"", "x", certificate.Digest(key) + ".7"} {
		_, err := d.RevokeCertificate(t.Context(), id, people.By{Name: "ann", Reason: "why"}, "req-3")
		wantError(t, fmt.Sprintf("revoking %q", id), err, certificate.ErrNotFound)
	}
	var remotes []string
	for _, r := range d.Records(t) {
		if c := r.GetCertificate(); c != nil {
			remotes = append(remotes, strings.TrimPrefix(c.GetEvent().String(), "CERTIFICATE_EVENT_")+" "+c.GetBy()+" "+c.GetRemote())
		}
	}
	if want := []string{"OPENED gateway ", "CERTIFIED gateway ", "REVOKED ann 192.0.2.7", "OPENED gateway "}; !slices.Equal(remotes, want) {
		t.Errorf("recorded %q, want %q", remotes, want)
	}
	for _, missing := range [][3]string{{"", "why", "r"}, {"ann", "", "r"}, {"ann", "why", ""}} {
		if _, err := d.RevokeCertificate(t.Context(), certificate.ID(next), people.By{Name: missing[0], Reason: missing[1]}, missing[2]); err == nil ||
			errors.Is(err, certificate.ErrEnded) {
			t.Errorf("by %q, reason %q, request %q: %v; want a refusal", missing[0], missing[1], missing[2], err)
		}
	}
}

func testCoinSecret(t *testing.T, d Driver) {
	secret, err := d.CoinSecret(t.Context())
	if err != nil || len(secret) < 32 || bytes.Equal(secret, make([]byte, len(secret))) {
		t.Fatalf("%d bytes, %x (%v)", len(secret), secret, err)
	}
	want := bytes.Clone(secret)
	clear(secret) // it is ours
	for range 2 {
		if again, err := d.CoinSecret(t.Context()); err != nil || !bytes.Equal(again, want) {
			t.Errorf("asked again: %x (%v); want %x", again, err, want)
		}
		d = d.Reopen(t)
	}
}
