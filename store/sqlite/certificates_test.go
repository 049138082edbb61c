package sqlite_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/audit"
	"github.com/candor-gateway/candor/calibration/certificate"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/people"
	"github.com/candor-gateway/candor/review"
	"github.com/candor-gateway/candor/store/sqlite"
	"github.com/candor-gateway/candor/store/storetest"
)

// logged reads the decision log's records of one writer.
func logged(t *testing.T, path string) (out []*candorv1.Record) {
	t.Helper()
	db := raw(t, path)
	defer db.Close()
	rows, err := db.Query(`SELECT data FROM log ORDER BY writer, seq`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var data []byte
		if err := rows.Scan(&data); err != nil {
			t.Fatal(err)
		}
		rec, err := audit.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rec)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func recordAudit(t *testing.T, d driver, certificateID string, change func(*review.Item)) review.Item {
	t.Helper()
	rec, items := storetest.Audit(d.Now(), certificateID, 1)
	if change != nil {
		change(&items[0])
	}
	if err := d.Record(t.Context(), rec, items); err != nil {
		t.Fatal(err)
	}
	return items[0]
}

func resolveAudit(t *testing.T, d driver, it review.Item, label string) {
	t.Helper()
	held, err := d.Next(t.Context(), review.Claim{ID: it.ID, Holder: "ann", Now: d.Now(), LeaseFor: hour})
	if err == nil {
		_, err = storetest.Finish(t.Context(), d, it.ID, attempt(it.ID, "ann", held.Epoch, label, d.Now()), released)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// What becomes of certificates is in the log, in order, with what they license and the state's digest; verdicts say what they were
// for.
func TestCertificatesAreLogged(t *testing.T) {
	path := initialised(t)
	d := open(t, path, sqlite.Options{Writer: "one"})
	first, second := storetest.Key("m", "first"), storetest.Key("m", "second")
	first.Grid = &candorv1.ThresholdGrid{BurnIn: proto.Uint32(3), Steps: proto.Uint32(1), StartCoverage: proto.Float64(1)}
	digest, behind := certificate.Digest(first), certificate.Digest(second)
	if _, err := d.OpenCertificates(t.Context(), []certificate.Opening{{Key: second, Upstream: digest}, {Key: first}}); err != nil {
		t.Fatal(err)
	}
	// resolveAudit judges rows until the version has ended or licenses something.
	judgeUntil := func(label string, accepted, done bool, version string) {
		t.Helper()
		for n := 0; ; n++ {
			s, err := d.Certificate(t.Context(), digest+version)
			if err != nil || n == 100 {
				t.Fatalf("after %d rows: %v (%v)", n, s, err)
			}
			if _, ok := certificate.Threshold(s); ok == done {
				return
			}
			resolveAudit(t, d, recordAudit(t, d, digest+version, func(it *review.Item) { it.Sequences[0].Accepted = accepted }), label)
		}
	}
	judgeUntil("a", false, true, ".1")
	judgeUntil("b", true, false, ".1")
	if _, err := d.RevokeCertificate(t.Context(), digest+".2", people.By{Name: "ann", Reason: "just because"}, "r"); err != nil {
		t.Fatal(err)
	}
	var got []string
	var last *candorv1.CertificateRecord
	kinds := map[candorv1.ReviewKind]int{}
	for _, rec := range logged(t, path) {
		if v := rec.GetVerdict(); v != nil {
			kinds[v.GetKind()]++
		}
		c := rec.GetCertificate()
		if c == nil {
			continue
		}
		if rec.GetTimeUs() == 0 || len(c.GetStateSha256()) != sha256.Size {
			t.Errorf("a record without a time or a digest: %v", rec)
		}
		name := strings.NewReplacer(digest, "first", behind, "second").Replace(c.GetCertificate())
		threshold := ""
		if c.Threshold != nil {
			threshold = fmt.Sprint(" at ", c.GetThreshold())
		}
		got = append(got, fmt.Sprint(name, " ", strings.TrimPrefix(c.GetEvent().String(), "CERTIFICATE_EVENT_"), " by ", c.GetBy(), threshold))
		last = c
	}
	want := []string{
		"first.1 OPENED by gateway", "second.1 OPENED by gateway",
		"first.1 FROZEN by gateway",
		"first.1 CERTIFIED by gateway at 0.95", "second.1 SUPERSEDED by policy", "second.2 OPENED by gateway",
		"first.1 REVOKED by alarm", "first.2 OPENED by gateway", "second.2 SUPERSEDED by policy", "second.3 OPENED by gateway",
		"first.2 REVOKED by ann", "first.3 OPENED by gateway",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the log says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if kinds[candorv1.ReviewKind_REVIEW_KIND_AUDIT] == 0 || len(kinds) != 1 {
		t.Errorf("verdicts by kind: %v; want audits alone", kinds)
	}
	s, err := d.Certificate(t.Context(), digest+".3")
	if err != nil {
		t.Fatal(err)
	}
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(s)
	if sum := sha256.Sum256(data); err != nil || !bytes.Equal(last.GetStateSha256(), sum[:]) {
		t.Errorf("the record's digest isn't that of the state (%v)", err)
	}
	if report, err := d.VerifyLog(t.Context()); err != nil || report.Fault() != nil {
		t.Errorf("the log: %v, %v", report.Fault(), err)
	}
}

func TestCertificatesReadOnly(t *testing.T) {
	path := initialised(t)
	d := open(t, path, sqlite.Options{})
	states, err := d.OpenCertificates(t.Context(), []certificate.Opening{{Key: killKey()}})
	if err != nil {
		t.Fatal(err)
	}
	id := certificate.ID(states[0])
	it := recordAudit(t, d, id, nil)
	ro, err := sqlite.OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close(t.Context())
	if _, err := ro.CoinSecret(t.Context()); !errors.Is(err, sqlite.ErrReadOnly) {
		t.Errorf("CoinSecret, before there is one: %v; want ErrReadOnly", err)
	}
	secret, err := d.CoinSecret(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ro.CoinSecret(t.Context()); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("CoinSecret: %x, %v", got, err)
	}
	if all, err := ro.Certificates(t.Context(), "m", true); err != nil || len(all) != 1 || all[0].GetDrawn() != 1 {
		t.Errorf("Certificates: %v, %v", all, err)
	}
	if s, err := ro.Certificate(t.Context(), id); err != nil || s.GetOldestOpenUs() == 0 {
		t.Errorf("Certificate: %v, %v", s, err)
	}
	if got, err := ro.Get(t.Context(), it.ID); err != nil || len(got.Sequences) != 1 || got.Sequences[0].Number != 1 {
		t.Errorf("Get: %+v, %v", got.Sequences, err)
	}
	if _, err := ro.OpenCertificates(t.Context(), []certificate.Opening{{Key: killKey()}}); !errors.Is(err, sqlite.ErrReadOnly) {
		t.Errorf("OpenCertificates: %v; want ErrReadOnly", err)
	}
	if _, err := ro.RevokeCertificate(t.Context(), id, people.By{Name: "ann", Reason: "why"}, "r"); !errors.Is(err, sqlite.ErrReadOnly) {
		t.Errorf("RevokeCertificate: %v; want ErrReadOnly", err)
	}
}

// The answer leaves, and somebody must hear of the defect all the same.
func TestUncountedIsTold(t *testing.T) {
	var log bytes.Buffer
	d := open(t, initialised(t), sqlite.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	states, err := d.OpenCertificates(t.Context(), []certificate.Opening{{Key: killKey()}})
	if err != nil {
		t.Fatal(err)
	}
	id := certificate.ID(states[0])
	for _, confidence := range []float64{2, math.NaN()} {
		log.Reset()
		it := recordAudit(t, d, id, func(it *review.Item) { it.Sequences[0].Confidence = confidence })
		if text := log.String(); !strings.Contains(text, "level=ERROR") || !strings.Contains(text, id) || !strings.Contains(text, it.PredictionID) {
			t.Errorf("confidence %v: the log says %q", confidence, text)
		}
	}
}

// What has been consumed or ended leaves no open units behind.
func TestUnitsGo(t *testing.T) {
	path := initialised(t)
	d := open(t, path, sqlite.Options{})
	states, err := d.OpenCertificates(t.Context(), []certificate.Opening{{Key: killKey()}})
	if err != nil {
		t.Fatal(err)
	}
	id := certificate.ID(states[0])
	units := func() (n int) {
		db := raw(t, path)
		defer db.Close()
		if err := db.QueryRow(`SELECT count(*) FROM certificate_units`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	items := []review.Item{recordAudit(t, d, id, nil), recordAudit(t, d, id, nil), recordAudit(t, d, id, nil)}
	resolveAudit(t, d, items[1], "a")
	if n := units(); n != 3 {
		t.Errorf("%d units are open, want 3: the first one holds up the second", n)
	}
	resolveAudit(t, d, items[0], "a")
	if n := units(); n != 1 {
		t.Errorf("%d units are open, want 1", n)
	}
	if _, err := d.RevokeCertificate(t.Context(), id, people.By{Name: "ann", Reason: "why"}, "r"); err != nil {
		t.Fatal(err)
	}
	if n := units(); n != 0 {
		t.Errorf("%d units are open, want none", n)
	}
}
