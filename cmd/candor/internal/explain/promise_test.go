package explain

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const certificateID = "0123456789abcdef.2"

// audited is an accepted row of a policy that promises, which the coin chose, with the item that came of it.
func audited() source {
	return source{
		made: madeAt, writer: "w1", sequence: 3,
		record: &candorv1.PredictionRecord{
			PredictionId: id[:], Consumer: "checkout", Model: "fraud", Mode: candorv1.Mode_MODE_ENFORCE, PolicyDigest: []byte{0xab, 0xcd},
			DurationUs: 2_000, ConfidenceMethod: candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB,
			Stages: []*candorv1.StageRecord{{
				Stage: "small", Kind: candorv1.StepKind_STEP_KIND_PRIMARY, Version: "1", DurationUs: 1500, Attempts: 1, Calibrator: "small-t@3",
			}},
			Rows: []*candorv1.RowRecord{{
				Route: accept, AppliedRoute: accept, Reasons: []candorv1.Reason{confident}, AnsweredBy: 1, Label: "ok",
				State:         candorv1.AnswerState_ANSWER_STATE_FINAL,
				ConfidencePpm: proto.Uint32(930000), ThresholdPpm: proto.Uint32(900000), RawConfidencePpm: proto.Uint32(990000),
				Answers:     []*candorv1.RowAnswer{said(0, "ok", 930000)},
				Certificate: certificateID, SamplingPpm: 50_000, Segment: "cards", Audited: true,
			}},
		},
		items: []*candorv1.ReviewItem{{
			Name: "reviewItems/r1", Queue: "desk", State: candorv1.ReviewState_REVIEW_STATE_RESOLVED, ReleaseState: candorv1.ReleaseState_RELEASE_STATE_HELD,
			Kind: candorv1.ReviewKind_REVIEW_KIND_AUDIT, CreateTime: timestamppb.New(madeAt), ExpireTime: timestamppb.New(madeAt),
			OnExpire: candorv1.ExpireAction_EXPIRE_ACTION_REJECT, ExpectedLoss: 1,
			Verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: "fraud"}, Author: "ana", CreateTime: timestamppb.New(madeAt)},
		}},
		certificates: map[string]*candorv1.Certificate{certificateID: {
			Name: "certificates/" + certificateID, Key: &candorv1.CertificateKey{Alpha: .05, Delta: .05}, Delta: .0076,
			Status: candorv1.CertificateStatus_CERTIFICATE_STATUS_CERTIFIED, Threshold: proto.Float64(.9), Audits: 40, AuditErrors: 2,
			Levels: []*candorv1.CertificateLevel{
				{Threshold: .95, Labels: 300, Errors: 1, Wealth: 400, Certified: true},
				{Threshold: .9, Labels: 512, Errors: 9, Wealth: 150, Certified: true},
				{Threshold: .8, Labels: 700, Errors: 40, Wealth: 1},
			},
		}},
	}
}

// What licensed the threshold, what the confidence was before calibration, and with which chance the row was chosen. The audit's
// verdict changes nothing of the answer, which had left.
func TestStoryOfAnAudit(t *testing.T) {
	var got strings.Builder
	if err := write(&got, tell(audited())); err != nil {
		t.Fatal(err)
	}
	const want = `
path
  └─ small version 1  primary  1.5 ms  "ok", confidence 0.93, calibrated by small-t@3

compared
  small      0.93 >= 0.90 -> ACCEPT; 0.99 before calibration by small-t@3

why
  CONFIDENT            the model was sure enough: its confidence reached the policy's threshold

result
  route      ACCEPT
  answer     "ok", final, by small

promise
  segment    cards
  license    certificate 0123456789abcdef.2
  now        certified, at most 0.05 wrong, but for a chance of 0.0076; accepts from 0.90; 512 verdicts, 9 wrong
  audits     40 of accepted rows, 2 wrong
  coin       to be judged with probability 0.05, and chosen

review
  item       reviewItems/r1
  kind       an audit: the coin chose the row, nobody waits for the verdict
  queue      desk, resolved
  created    2026-11-21T02:00:00Z, expected loss 1.00
  deadline   2026-11-21T02:00:00Z, then reject
  verdict    "fraud" by ana at 2026-11-21T02:00:00Z, 0 s after the prediction
`
	_, rows, _ := strings.Cut(got.String(), "record 3\n")
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Who may see neither the certificate nor who is audited is told what the record says, and that is the same for both.
func TestPromiseOfAConsumer(t *testing.T) {
	s := audited()
	s.certificates, s.items, s.record.Rows[0].Audited = nil, nil, false
	var got strings.Builder
	if err := write(&got, tell(s)); err != nil {
		t.Fatal(err)
	}
	_, promise, _ := strings.Cut(got.String(), "\npromise\n")
	const want = `  segment    cards
  license    certificate 0123456789abcdef.2
  coin       to be judged with probability 0.05
`
	if diff := cmp.Diff(want, promise); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestLicenseInWords(t *testing.T) {
	for _, tt := range []struct {
		name string
		c    *candorv1.Certificate
		want string
	}{
		{"burn-in", &candorv1.Certificate{Status: candorv1.CertificateStatus_CERTIFICATE_STATUS_BURN_IN, Key: &candorv1.CertificateKey{Alpha: .1}, Delta: .03},
			"burn_in, at most 0.10 wrong, but for a chance of 0.03; accepts nothing"},
		{"revoked", &candorv1.Certificate{
			Status: candorv1.CertificateStatus_CERTIFICATE_STATUS_REVOKED, Key: &candorv1.CertificateKey{Alpha: .1}, Delta: .03,
			EndedBy: "olga", EndedReason: "labels were wrong\x1b[2J", Levels: []*candorv1.CertificateLevel{{Labels: 1, Errors: 1}},
		}, `revoked, at most 0.10 wrong, but for a chance of 0.03; accepts nothing; 1 verdict, 1 wrong; ended by olga: labels were wrong\x1b[2J`},
	} {
		if got := licenseOf(tt.c).String(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if licenseOf(nil) != nil || promiseOf(&source{}, &candorv1.RowRecord{}) != nil {
		t.Error("nothing is promised, and told of")
	}
}

// A judge's word stands in the path and with the comparison; a tier between has no threshold in the record.
func TestCascadeWithAJudge(t *testing.T) {
	stage := func(name string, kind candorv1.StepKind, calibrator string) *candorv1.StageRecord {
		return &candorv1.StageRecord{Stage: name, Kind: kind, Version: "1", DurationUs: 1500, Attempts: 1, Calibrator: calibrator}
	}
	s := tell(source{made: madeAt, record: &candorv1.PredictionRecord{
		PredictionId: id[:],
		Stages: []*candorv1.StageRecord{
			stage("small", candorv1.StepKind_STEP_KIND_PRIMARY, ""), stage("judge", candorv1.StepKind_STEP_KIND_META, "j@1"),
			stage("middle", candorv1.StepKind_STEP_KIND_ENSEMBLE, ""), stage("large", candorv1.StepKind_STEP_KIND_ENSEMBLE, "l@2"),
		},
		Rows: []*candorv1.RowRecord{{
			Route: deferred, AppliedRoute: deferred, Reasons: []candorv1.Reason{lowConfidence, candorv1.Reason_REASON_UNCERTIFIED},
			ConfidencePpm: proto.Uint32(800000), PrimaryThresholdPpm: proto.Uint32(900000), RawConfidencePpm: proto.Uint32(850000),
			Certificate: certificateID, SamplingPpm: 1_000_000,
			Answers: []*candorv1.RowAnswer{said(0, "a", 500000), said(2, "a", 610000), said(3, "b", 800000)},
		}},
	}})
	var got strings.Builder
	if err := write(&got, s); err != nil {
		t.Fatal(err)
	}
	const want = `
path
  ├─ small version 1   primary   1.5 ms  "a", confidence 0.50
  ├─ judge version 1   meta      1.5 ms  says that the answer is right with probability 0.50, calibrated by j@1
  ├─ middle version 1  ensemble  1.5 ms  "a", confidence 0.61
  └─ large version 1   ensemble  1.5 ms  "b", confidence 0.80, calibrated by l@2

compared
  small      0.50 < 0.90 -> FALLBACK; the confidence is what judge says of the answer
  middle     0.61, not enough here -> FALLBACK
  large      0.80, and nothing names a threshold -> DEFER; 0.85 before calibration by l@2
`
	path, _, _ := strings.Cut(got.String()[strings.Index(got.String(), "\npath"):], "\nwhy")
	if diff := cmp.Diff(want, path); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
