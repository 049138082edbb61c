package gateway_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/candor-gateway/candor/calibration/certificate"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// promised are edits that put a promise in the place of the thresholds. Without a fallback every row that isn't accepted is
// judged; with levels no burn-in is needed. 30 right verdicts in a row certify, and every accepted row is audited.
func promised(more string) []string {
	return []string{
		"accept: {threshold: {probability: 0.9}}",
		"accept: {promise: {alpha: 0.2, delta: 0.2, audit: {rate: 1}, grid: {levels: [0.9, 0.6]}, alarm_run_length: 20" + more + "}}",
		"      fallback: {ensemble: both, threshold: {probability: 0.8}}\n", "",
	}
}

// judge sends one row that the primary is sure of, different each time, and has a reviewer say verdict of it. It answers what the
// caller got.
func (w *world) judge(n int, verdict string) answer {
	w.t.Helper()
	a := w.infer(as(clientToken), request([][4]float32{{.95, .5, .5, float32(n)}}, "candor_route"))
	if a.err != nil {
		w.t.Fatal(a.err)
	}
	w.resolve(reviewerToken, "", verdict)
	return a
}

// earn has verdicts given until a row is accepted, and answers how many it took.
func (w *world) earn(from int) (verdicts int) {
	w.t.Helper()
	for n := range 200 {
		if w.judge(from+n, "bad").param("candor_route") == "ACCEPT" {
			return n
		}
	}
	w.t.Fatal("200 right verdicts have earned nothing")
	return 0
}

func (w *world) certificates(ended bool) []*candorv1.Certificate {
	w.t.Helper()
	resp, err := candorv1.NewCertificateServiceClient(w.conn).ListCertificates(as(operatorToken), &candorv1.ListCertificatesRequest{IncludeEnded: ended})
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.GetCertificates()
}

// Nothing is accepted on trust: a promise starts with every row deferred, and ends there again when accepted rows turn out wrong.
func TestAPromiseIsEarnedAndRevoked(t *testing.T) {
	w := start(t, promised("")...)
	first := w.infer(as(clientToken), request([][4]float32{{.99, .5, .5, -1}}, "candor_route"))
	if first.param("candor_route") != "DEFER" || first.param("candor_reasons") != "UNCERTIFIED" || first.param("candor_sampling_ppm") != "1000000" {
		t.Fatalf("the first row: %v", first.resp.GetParameters())
	}
	if p := first.predictions[0].GetDecision(); p.Threshold != nil || p.GetLicense().GetStatus() != candorv1.CertificateStatus_CERTIFICATE_STATUS_EARNING {
		t.Fatalf("the first decision: %v", p)
	}
	w.resolve(reviewerToken, "", "bad")

	if n := w.earn(0); n < 15 || n > 60 {
		t.Errorf("%d verdicts without an error certified (0.2, 0.2); about 30 are needed", n)
	}
	ct := w.certificates(false)
	if len(ct) != 1 || ct[0].GetThreshold() > .9 || ct[0].GetStatus() != candorv1.CertificateStatus_CERTIFICATE_STATUS_CERTIFIED || len(ct[0].GetPromise()) == 0 {
		t.Fatalf("certificates: %v", ct)
	}

	// Accepted, and audited behind the caller's back.
	a := w.infer(as(clientToken), request([][4]float32{{.95, .5, .5, 1000}}, "candor_route", "candor_threshold", "candor_certificate"))
	d := a.predictions[0].GetDecision()
	if d.GetRoute() != candorv1.Route_ROUTE_ACCEPT || d.GetReviewItem() != "" || a.param("candor_review_item") != "" || d.GetSamplingProbability() != 1 {
		t.Errorf("an accepted row: %v", d)
	}
	if got := "certificates/" + a.texts(t, "candor_certificate")[0]; got != ct[0].GetName() || d.GetLicense().GetCertificate() != got || d.GetLicense().GetLabels() == 0 {
		t.Errorf("certificate %q, decision %v, want %s", got, d, ct[0].GetName())
	}
	id, explain := d.GetDecisionId()[:36], candorv1.NewExplainServiceClient(w.conn)
	told, err := explain.ExplainPrediction(as(clientToken), &candorv1.ExplainPredictionRequest{PredictionId: id})
	if err != nil || len(told.GetReviewItems()) > 0 || told.GetRecord().GetRows()[0].GetAudited() || told.GetRecord().GetRows()[0].ReviewItem != nil ||
		w.prediction(id).GetDecision().GetReviewItem() != "" {
		t.Errorf("the caller learns of the audit: %v %v", told, err)
	}
	_, err = explain.ExplainPrediction(as(reviewerToken), &candorv1.ExplainPredictionRequest{PredictionId: id})
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	item := w.claim(reviewerToken, "")
	if item.GetKind() != 0 || len(item.GetReasons()) > 0 || len(item.GetAnswers()) > 0 || item.GetSamplingProbability() != 0 {
		t.Errorf("the reviewer sees what it is: %v", item)
	}
	resolved, err := w.reviews().ResolveReviewItem(as(reviewerToken), &candorv1.ResolveReviewItemRequest{
		Name: item.GetName(), Epoch: item.GetEpoch(), Verdict: label("good"), RequestId: "audit",
	})
	if err != nil || resolved.GetItem().GetKind() != candorv1.ReviewKind_REVIEW_KIND_AUDIT {
		t.Fatalf("after the verdict: %v %v", resolved, err)
	}
	if told := w.explain(id); len(told.GetReviewItems()) != 1 || !told.GetRecord().GetRows()[0].GetAudited() {
		t.Errorf("an operator doesn't learn of the audit: %v", told)
	}
	if p := w.prediction(id); p.GetState() != candorv1.AnswerState_ANSWER_STATE_FINAL || p.GetAnsweredBy() != "primary" {
		t.Errorf("an audit changed the caller's answer: %v", p)
	}

	// Accepted rows turn out wrong: the alarm takes the certificate back.
	for n := range 60 {
		if w.judge(2000+n, "good").param("candor_route") == "DEFER" {
			break
		}
	}
	all := w.certificates(true)
	i := slices.IndexFunc(all, func(c *candorv1.Certificate) bool {
		return c.GetStatus() == candorv1.CertificateStatus_CERTIFICATE_STATUS_REVOKED
	})
	if i < 0 || all[i].GetEndedBy() != "alarm" || all[i].Threshold != nil {
		t.Fatalf("nothing was revoked: %v", all)
	}
	if now := w.certificates(false); len(now) != 1 || now[0].GetVersion() != 2 || now[0].GetDelta() >= ct[0].GetDelta() {
		t.Errorf("in force: %v, want version 2 with a smaller share of delta", now)
	}
	if a := w.judge(3000, "bad"); a.param("candor_reasons") != "UNCERTIFIED" {
		t.Errorf("after the alarm: %v", a.resp.GetParameters())
	}
}

// Evidence outlives a restart, and a person can take it back.
func TestACertificateOutlivesARestartAndIsRevokedByAPerson(t *testing.T) {
	w := start(t, promised("")...)
	w.earn(0)
	before := w.certificates(false)[0]
	w.restart()
	if a := w.judge(500, "bad"); a.param("candor_route") != "ACCEPT" {
		t.Fatalf("after a restart: %v", a.resp.GetParameters())
	}
	client := candorv1.NewCertificateServiceClient(w.conn)
	in := &candorv1.RevokeCertificateRequest{Name: before.GetName(), Reason: "the labels were wrong", RequestId: "r1"}
	_, err := client.RevokeCertificate(as(reviewerToken), in)
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	for range 2 { // a retry changes nothing
		resp, err := client.RevokeCertificate(as(operatorToken), in)
		if err != nil || resp.GetCertificate().GetEndedBy() != "olga" {
			t.Fatalf("%v %v", resp, err)
		}
	}
	if a := w.judge(501, "bad"); a.param("candor_route") != "DEFER" {
		t.Errorf("after the revocation: %v", a.resp.GetParameters())
	}
	_, err = client.RevokeCertificate(as(operatorToken), &candorv1.RevokeCertificateRequest{Name: before.GetName(), Reason: "again", RequestId: "r2"})
	wantError(t, err, codes.FailedPrecondition, "CERTIFICATE_ENDED")
	_, err = client.GetCertificate(as(operatorToken), &candorv1.GetCertificateRequest{Name: "certificates/0123456789abcdef.1"})
	wantError(t, err, codes.NotFound, "CERTIFICATE_NOT_FOUND")
}

// In mode observe answers pass, rows are judged at one rate, and the evidence is earned all the same.
func TestObserveEarnsEvidence(t *testing.T) {
	w := start(t, append(promised(""), "mode: enforce", "mode: observe")...)
	for n := range 80 {
		a := w.judge(n, "bad")
		if d := a.predictions[0].GetDecision(); d.GetAppliedRoute() != candorv1.Route_ROUTE_ACCEPT {
			t.Fatalf("observed, and not passed: %v", d)
		}
	}
	if ct := w.certificates(false)[0]; ct.Threshold == nil {
		t.Errorf("80 right verdicts in observe earned nothing: %v", ct)
	}
}

// The same input is evidence once, and tosses its coin once.
func TestAnInputIsEvidenceOnce(t *testing.T) {
	w := start(t, promised("")...)
	for range 5 {
		w.judge(7, "bad")
	}
	if ct := w.certificates(false)[0]; ct.GetUnits() != 1 {
		t.Errorf("%d units of five times the same row", ct.GetUnits())
	}
	w.earn(100)
	if a := w.infer(as(clientToken), request([][4]float32{{.95, .5, .5, 9000}})); a.param("candor_route") != "ACCEPT" {
		t.Fatal(a.resp.GetParameters())
	}
	w.resolve(reviewerToken, "", "bad")
	for range 3 {
		w.infer(as(clientToken), request([][4]float32{{.95, .5, .5, 9000}}))
	}
	_, err := w.reviews().ClaimReviewItem(as(reviewerToken), &candorv1.ClaimReviewItemRequest{})
	wantError(t, err, codes.NotFound, "QUEUE_EMPTY")
}

// Two models may have one primary. Each has certificates of its own, so that a row which both accept is audited for both: else the alarm of
// the second would have nothing to watch.
func TestAModelsAuditsAreItsOwn(t *testing.T) {
	edits := promised(", segments: [{name: paid, when: \"consumer == 'payments'\"}]")
	w := start(t, append(edits, "actions: [{name: decline, when: {label_in: [bad]}}]", "", "models:\n  fraud:", "models:\n  twin:\n    primary: primary\n    policy:\n"+
		"      mode: observe\n      accept: {promise: {alpha: 0.2, delta: 0.2, audit: {rate: 1}, grid: {levels: [0.9, 0.6]}}}\n      review: {queue: desk}\n"+
		"      answers: [{output: probabilities, fill: scores}, {output: label, fill: label, neutral_text: \"?\"}]\n  fraud:", "mode: enforce", "mode: observe")...)
	open := func() (units map[string]uint64) {
		units = map[string]uint64{}
		for _, c := range w.certificates(false) {
			units[c.GetKey().GetModel()+"/"+c.GetKey().GetSegment()] = c.GetUnitsOpen()
		}
		return units
	}
	twin := request([][4]float32{{.95, .5, .5, 7}})
	twin.ModelName = "twin"
	for _, ctx := range []context.Context{as(clientToken), t.Context()} {
		w.infer(ctx, request([][4]float32{{.95, .5, .5, 7}}))
		w.infer(ctx, request([][4]float32{{.95, .5, .5, 7}}))
	}
	w.infer(as(clientToken), twin)
	if got := open(); got["fraud/paid"] != 1 || got["fraud/rest"] != 1 || got["twin/"] != 1 {
		t.Errorf("open units %v, want one of each", got)
	}
}

// A certificate is about calls of max_rows rows at most. Were a larger one's answers accepted by it, and counted as fewer rows, they could be
// wrong far more often than promised.
func TestALargerCallHasNoLicense(t *testing.T) {
	w := start(t, promised(", max_rows: 2")...)
	call := func(from, rows int) answer {
		t.Helper()
		var in [][4]float32
		for i := range rows {
			in = append(in, [4]float32{.95, .5, .5, float32(from + i)})
		}
		a := w.infer(as(clientToken), request(in, "candor_route", "candor_sampling_probability"))
		if a.err != nil {
			t.Fatal(a.err)
		}
		return a
	}
	before := call(0, 3)
	for i, q := range before.floats(t, "candor_sampling_probability") {
		if route := before.texts(t, "candor_route")[i]; route != "DEFER" || q != 0 {
			t.Errorf("row %d: %s with %v, want DEFER, and no evidence", i, route, q)
		}
		w.resolve(reviewerToken, "", "good")
	}
	w.earn(100)
	ct := w.certificates(false)[0]
	if ct.GetLevels()[0].GetErrors() != 0 || ct.GetUnits() != ct.GetLevels()[0].GetLabels() {
		t.Errorf("three verdicts on a call of three count: %v", ct)
	}
	for i, p := range call(1000, 3).predictions {
		if d := p.GetDecision(); d.GetRoute() != candorv1.Route_ROUTE_DEFER || !hasReason(d, candorv1.Reason_REASON_UNCERTIFIED) {
			t.Errorf("row %d of three: %v", i, d)
		}
	}
	if routes := call(2000, 2).texts(t, "candor_route"); routes[0] != "ACCEPT" || routes[1] != "ACCEPT" {
		t.Errorf("a call of two: %v", routes)
	}
}

// A batch is one unit, whatever its rows.
func TestABatchIsOneUnit(t *testing.T) {
	w := start(t, promised(", max_rows: 4")...)
	w.infer(as(clientToken), request([][4]float32{{.95, 0, 0, 1}, {.96, 0, 0, 2}, {.6, 0, 0, 3}}, "candor_route"))
	for range 2 {
		w.resolve(reviewerToken, "", "bad")
	}
	if ct := w.certificates(false)[0]; ct.GetUnits() != 0 || ct.GetUnitsOpen() != 1 {
		t.Errorf("two verdicts of three: %d units, %d open", ct.GetUnits(), ct.GetUnitsOpen())
	}
	w.resolve(reviewerToken, "", "bad")
	ct := w.certificates(false)[0]
	if ct.GetUnits() != 1 || ct.GetLevels()[0].GetLabels() != 2 || ct.GetLevels()[1].GetLabels() != 3 {
		t.Errorf("three verdicts of one batch: %v", ct)
	}
}

// When the tier before certifies, other rows reach the fallback: it begins anew.
func TestATierBeginsAnewWithWhatIsBeforeIt(t *testing.T) {
	w := start(t, append(promised(""),
		"      review: {queue: desk", "      fallback: {ensemble: both}\n      review: {queue: desk")...)
	tier := func(ended bool) *candorv1.Certificate {
		for _, c := range w.certificates(ended) {
			if c.GetKey().GetTier() == 1 && (ended == (c.GetEndTime() != nil)) {
				return c
			}
		}
		return nil
	}
	if got := tier(false); got == nil || got.GetKey().GetDelta() != .1 || got.UpstreamThreshold != nil {
		t.Fatalf("the tier's certificate: %v, want half of delta", got)
	}
	w.earn(0)
	got := tier(false)
	if got.GetVersion() < 2 || got.UpstreamThreshold == nil {
		t.Errorf("the primary is certified, and the tier has %v", got)
	}
	if old := tier(true); old == nil || old.GetStatus() != candorv1.CertificateStatus_CERTIFICATE_STATUS_SUPERSEDED {
		t.Errorf("the tier's first version: %v", old)
	}
	// A row below the primary's threshold reaches the ensemble, which licenses nothing yet: it is judged, and is evidence of the
	// ensemble.
	a := w.infer(as(clientToken), request([][4]float32{{.55, .97, .5, 77}}, "candor_route"))
	if a.param("candor_route") != "DEFER" || a.param("candor_reasons") != "LOW_CONFIDENCE,UNCERTIFIED" {
		t.Fatalf("%v", a.resp.GetParameters())
	}
	w.resolve(reviewerToken, a.param("candor_review_item"), "bad")
	if got := tier(false); got.GetUnits() != 1 {
		t.Errorf("the tier's evidence: %v", got)
	}
}

// What chose the rows that a certificate is about is part of what it measures: evidence on some rows licenses nothing for others.
func TestOtherRowsAreOtherEvidence(t *testing.T) {
	const first, second = `segments: [{name: own, when: "consumer == 'payments'"}]`, `segments: [{name: own, when: "model == 'fraud'"}]`
	w := start(t, promised(", "+first)...)
	w.earn(0)
	w.reload(first, second)
	if a := w.judge(1000, "bad"); a.param("candor_reasons") != "UNCERTIFIED" {
		t.Errorf("a segment of the same name with other rows: %v", a.resp.GetParameters())
	}
}

// So is what a tier before accepts by a threshold of its own, and what an ensemble's members are.
func TestATiersEvidenceIsOfTheRowsThatReachIt(t *testing.T) {
	w := start(t, append(promised(""),
		"      review: {queue: desk", "      fallback: {ensemble: both, threshold: {probability: 0.8}}\n      then: [{ensemble: late}]\n      review: {queue: desk",
		"models:\n  fraud:", "  late: {version: \"1\", members: [{backend: old}], quorum: 1, combiner: mean}\nmodels:\n  fraud:")...)
	names := func() (out []string) {
		for _, c := range w.certificates(false) {
			if c.GetKey().GetTier() == 2 {
				out = append(out, c.GetName())
			}
		}
		return out
	}
	before := names()
	w.reload("threshold: {probability: 0.8}", "threshold: {probability: 0.7}")
	if after := names(); len(before) != 1 || len(after) != 2 {
		t.Errorf("the last tier's certificates: %v, and behind another threshold %v", before, after)
	}
}

type keeper = gateway.Certificates

// unreadable is a store of certificates that is lost.
type unreadable struct{ keeper }

func (unreadable) OpenCertificates(context.Context, []certificate.Opening) ([]*candorv1.CertificateState, error) {
	return nil, errors.New("the disk is gone")
}

// Certificates that can't be read license nothing, and callers are told why.
func TestLostCertificatesLicenseNothing(t *testing.T) {
	w := startWith(t, options{deps: func(d *gateway.Deps) { d.Certificates = unreadable{d.Certificates} }}, promised("")...)
	a := w.infer(as(clientToken), request([][4]float32{{.99, .5, .5, 1}}, "candor_route"))
	if a.param("candor_route") != "DEFER" || a.param("candor_reasons") != "CERTIFICATE_UNAVAILABLE" {
		t.Errorf("%v", a.resp.GetParameters())
	}
}

// A model that is trained every day keeps the certificate of the version before, whose alarm goes on, while it earns its own.
func TestANewVersionKeepsThePreviousCertificate(t *testing.T) {
	w := start(t, promised(", on_new_version: keep_previous")...)
	w.earn(0)
	before := w.certificates(false)[0]
	w.stop()
	newer := w.server(0, "4")
	w.yaml = strings.NewReplacer(w.primary.Addr(), newer.Addr(), `model: m, version: "3"`, `model: m, version: "4"`).Replace(w.yaml)
	w.run()

	a := w.judge(5000, "bad")
	if a.param("candor_route") != "ACCEPT" || a.param("candor_certificate") != strings.TrimPrefix(before.GetName(), "certificates/") {
		t.Fatalf("the new version's first row: %v", a.resp.GetParameters())
	}
	of := map[string]*candorv1.Certificate{}
	for _, c := range w.certificates(false) {
		of[c.GetKey().GetStageVersion()] = c
	}
	if of["4"].GetUnits() != 1 || of["4"].Threshold != nil || of["3"].GetAudits() != before.GetAudits()+1 || of["3"].GetLevels()[0].GetLabels() != before.GetLevels()[0].GetLabels() {
		t.Errorf("after one verdict on version 4: %v", of)
	}
	for n := range 60 {
		if w.judge(6000+n, "good").param("candor_route") == "DEFER" {
			return
		}
	}
	t.Error("the previous version's alarm never took its certificate back")
}

// A row that the primary failed on is the tier's to answer, and so the tier's evidence.
func TestAFailedPrimarysRowIsTheTiersEvidence(t *testing.T) {
	w := start(t, append(promised(""),
		"      review: {queue: desk", "      fallback: {ensemble: both}\n      review: {queue: desk")...)
	a := w.infer(as(clientToken), request([][4]float32{{float32(math.NaN()), .97, .97, 1}}, "candor_route"))
	if a.param("candor_route") != "DEFER" || a.param("candor_reasons") != "CONTRACT_FAILURE,UNCERTIFIED" || a.param("candor_sampling_ppm") != "1000000" {
		t.Fatalf("%v %v", a.err, a.resp.GetParameters())
	}
	w.resolve(reviewerToken, "", "bad")
	for _, c := range w.certificates(false) {
		if want := uint64(c.GetKey().GetTier()); c.GetUnits() != want {
			t.Errorf("tier %d has %d units, want %d", c.GetKey().GetTier(), c.GetUnits(), want)
		}
	}
}
