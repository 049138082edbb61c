package explain

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

var (
	madeAt = time.Date(2026, 11, 21, 2, 0, 0, 0, time.UTC)
	id     = uuid.MustParse("01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11")
)

// stages are those of a call that went all the way: a primary, two members, their ensemble, a remedial stage.
func stages() []*candorv1.StageRecord {
	stage := func(name string, kind candorv1.StepKind, parent string) *candorv1.StageRecord {
		return &candorv1.StageRecord{Stage: name, Kind: kind, Version: "1", Parent: parent, DurationUs: 1500, Attempts: 1}
	}
	return []*candorv1.StageRecord{
		stage("small", candorv1.StepKind_STEP_KIND_PRIMARY, ""),
		stage("left", candorv1.StepKind_STEP_KIND_MEMBER, "both"),
		stage("right", candorv1.StepKind_STEP_KIND_MEMBER, "both"),
		stage("both", candorv1.StepKind_STEP_KIND_ENSEMBLE, ""),
		stage("old", candorv1.StepKind_STEP_KIND_REMEDIAL, ""),
	}
}

func said(stage uint32, label string, ppm uint32) *candorv1.RowAnswer {
	return &candorv1.RowAnswer{Stage: stage, Label: label, ConfidencePpm: &ppm}
}

func failed(s *candorv1.StageRecord, why candorv1.Reason) {
	s.Failure, s.FailureSource, s.Detail = why, candorv1.FailureSource_FAILURE_SOURCE_INFERRED, "the reason"
}

const (
	accept   = candorv1.Route_ROUTE_ACCEPT
	fallback = candorv1.Route_ROUTE_FALLBACK
	deferred = candorv1.Route_ROUTE_DEFER
	reject   = candorv1.Route_ROUTE_REJECT

	confident     = candorv1.Reason_REASON_CONFIDENT
	lowConfidence = candorv1.Reason_REASON_LOW_CONFIDENCE
	quorumMissed  = candorv1.Reason_REASON_QUORUM_MISSED
	remedial      = candorv1.Reason_REASON_REMEDIAL
	condition     = candorv1.Reason_REASON_CONDITION
	limitTripped  = candorv1.Reason_REASON_LIMIT_TRIPPED
	noReview      = candorv1.Reason_REASON_NO_REVIEW
	breakerOpen   = candorv1.Reason_REASON_BREAKER_OPEN
	memberMissing = candorv1.Reason_REASON_MEMBER_MISSING
)

// What a row's record says is told as path and comparisons, for every way that a row can take.
func TestWays(t *testing.T) {
	for _, tt := range []struct {
		name     string
		stages   func([]*candorv1.StageRecord) []*candorv1.StageRecord
		row      *candorv1.RowRecord
		path     string
		compared string
	}{
		{
			name:   "a plain accept",
			stages: func(s []*candorv1.StageRecord) []*candorv1.StageRecord { return s[:1] },
			row: &candorv1.RowRecord{Route: accept, AppliedRoute: accept, Reasons: []candorv1.Reason{confident}, AnsweredBy: 1, Label: "a",
				ConfidencePpm: proto.Uint32(950000), ThresholdPpm: proto.Uint32(900000)},
			path: "small=a 0.95", compared: "small 0.95 >= 0.90 -> ACCEPT",
		},
		{
			name: "a plain accept beside rows of its batch that went to the fallback",
			row: &candorv1.RowRecord{Route: accept, AppliedRoute: accept, Reasons: []candorv1.Reason{confident}, AnsweredBy: 1, Label: "a",
				ConfidencePpm: proto.Uint32(950000), ThresholdPpm: proto.Uint32(900000)},
			path: "small=a 0.95", compared: "small 0.95 >= 0.90 -> ACCEPT",
		},
		{
			name:   "answered by the ensemble",
			stages: func(s []*candorv1.StageRecord) []*candorv1.StageRecord { return s[:4] },
			row: &candorv1.RowRecord{Route: fallback, AppliedRoute: fallback, Reasons: []candorv1.Reason{lowConfidence}, AnsweredBy: 4, Label: "b",
				ConfidencePpm: proto.Uint32(810000), ThresholdPpm: proto.Uint32(620000), PrimaryThresholdPpm: proto.Uint32(900000),
				Answers: []*candorv1.RowAnswer{said(0, "a", 500000), said(1, "b", 900000), said(2, "b", 720000), said(3, "b", 810000)}},
			path:     "small=a 0.50, left=b 0.90, right=b 0.72, both=b 0.81",
			compared: "small 0.50 < 0.90 -> FALLBACK, both 0.81 >= 0.62 -> FALLBACK",
		},
		{
			name:   "a member is missing",
			stages: func(s []*candorv1.StageRecord) []*candorv1.StageRecord { failed(s[2], breakerOpen); return s[:4] },
			row: &candorv1.RowRecord{Route: fallback, AppliedRoute: fallback, Reasons: []candorv1.Reason{lowConfidence, memberMissing}, AnsweredBy: 4, Label: "b",
				ConfidencePpm: proto.Uint32(900000), ThresholdPpm: proto.Uint32(620000), PrimaryThresholdPpm: proto.Uint32(900000),
				Answers: []*candorv1.RowAnswer{said(0, "a", 500000), said(1, "b", 900000), said(3, "b", 900000)}},
			path:     "small=a 0.50, left=b 0.90, right:BREAKER_OPEN, both=b 0.90",
			compared: "small 0.50 < 0.90 -> FALLBACK, both 0.90 >= 0.62 -> FALLBACK",
		},
		{
			name: "answered by the remedial stage",
			stages: func(s []*candorv1.StageRecord) []*candorv1.StageRecord {
				failed(s[1], breakerOpen)
				failed(s[3], quorumMissed)
				return s
			},
			row: &candorv1.RowRecord{Route: fallback, AppliedRoute: fallback, Reasons: []candorv1.Reason{lowConfidence, quorumMissed, remedial}, AnsweredBy: 5, Label: "c",
				ConfidencePpm: proto.Uint32(700000), ThresholdPpm: proto.Uint32(620000), PrimaryThresholdPpm: proto.Uint32(900000),
				Answers: []*candorv1.RowAnswer{said(0, "a", 500000), said(2, "b", 720000), said(4, "c", 700000)}},
			path:     "small=a 0.50, left:BREAKER_OPEN, right=b 0.72, both:QUORUM_MISSED, old=c 0.70",
			compared: "small 0.50 < 0.90 -> FALLBACK, old 0.70 >= 0.62 -> FALLBACK",
		},
		{
			name: "answered by a declared constant",
			stages: func(s []*candorv1.StageRecord) []*candorv1.StageRecord {
				failed(s[1], breakerOpen)
				failed(s[2], breakerOpen)
				failed(s[3], quorumMissed)
				s[4].Stage, s[4].Kind = "both/constant", candorv1.StepKind_STEP_KIND_CONSTANT
				return s
			},
			row: &candorv1.RowRecord{Route: fallback, AppliedRoute: fallback, Reasons: []candorv1.Reason{lowConfidence, quorumMissed, remedial}, AnsweredBy: 5, Label: "z",
				PrimaryThresholdPpm: proto.Uint32(900000),
				Answers:             []*candorv1.RowAnswer{said(0, "a", 500000), {Stage: 4, Label: "z"}}},
			path:     "small=a 0.50, left:BREAKER_OPEN, right:BREAKER_OPEN, both:QUORUM_MISSED, both/constant=z",
			compared: "small 0.50 < 0.90 -> FALLBACK, both/constant declared without a confidence -> FALLBACK",
		},
		{
			name: "the primary failed, nobody is sure, a person is asked",
			stages: func(s []*candorv1.StageRecord) []*candorv1.StageRecord {
				failed(s[0], breakerOpen)
				return s[:4]
			},
			row: &candorv1.RowRecord{Route: deferred, AppliedRoute: deferred, Reasons: []candorv1.Reason{breakerOpen, lowConfidence},
				ConfidencePpm: proto.Uint32(550000), ThresholdPpm: proto.Uint32(620000), PrimaryThresholdPpm: proto.Uint32(900000),
				Answers: []*candorv1.RowAnswer{said(1, "b", 500000), said(2, "c", 600000), said(3, "c", 550000)}},
			path:     "small:BREAKER_OPEN, left=b 0.50, right=c 0.60, both=c 0.55",
			compared: "small no answer to compare -> FALLBACK, both 0.55 < 0.62 -> DEFER",
		},
		{
			name:   "nobody to turn to",
			stages: func(s []*candorv1.StageRecord) []*candorv1.StageRecord { return s[:1] },
			row: &candorv1.RowRecord{Route: reject, AppliedRoute: reject, Reasons: []candorv1.Reason{lowConfidence, noReview},
				ConfidencePpm: proto.Uint32(300000), ThresholdPpm: proto.Uint32(900000), Answers: []*candorv1.RowAnswer{said(0, "a", 300000)}},
			path: "small=a 0.30", compared: "small 0.30 < 0.90 -> REJECT",
		},
		{
			name: "sure, and withheld by a limit",
			row: &candorv1.RowRecord{Route: deferred, AppliedRoute: deferred, Reasons: []candorv1.Reason{confident, limitTripped}, Limit: "declines",
				ConfidencePpm: proto.Uint32(990000), ThresholdPpm: proto.Uint32(900000), Answers: []*candorv1.RowAnswer{said(0, "a", 990000)}},
			path: "small=a 0.99", compared: "small 0.99 >= 0.90 -> ACCEPT",
		},
		{
			name:   "the fallback is sure, and withheld by a limit",
			stages: func(s []*candorv1.StageRecord) []*candorv1.StageRecord { return s[:4] },
			row: &candorv1.RowRecord{Route: deferred, AppliedRoute: deferred, Reasons: []candorv1.Reason{lowConfidence, limitTripped}, Limit: "declines",
				ConfidencePpm: proto.Uint32(810000), ThresholdPpm: proto.Uint32(620000), PrimaryThresholdPpm: proto.Uint32(900000),
				Answers: []*candorv1.RowAnswer{said(0, "a", 500000), said(1, "b", 900000), said(2, "b", 720000), said(3, "b", 810000)}},
			path:     "small=a 0.50, left=b 0.90, right=b 0.72, both=b 0.81",
			compared: "small 0.50 < 0.90 -> FALLBACK, both 0.81 >= 0.62 -> FALLBACK",
		},
		{
			name:   "sure, and deferred by a condition",
			stages: func(s []*candorv1.StageRecord) []*candorv1.StageRecord { return s[:1] },
			row: &candorv1.RowRecord{Route: deferred, AppliedRoute: deferred, Reasons: []candorv1.Reason{confident, condition}, Condition: "large",
				ConfidencePpm: proto.Uint32(990000), ThresholdPpm: proto.Uint32(900000), Answers: []*candorv1.RowAnswer{said(0, "a", 990000)}},
			path: "small=a 0.99", compared: "small 0.99 >= 0.90 -> ACCEPT",
		},
		{
			name:   "sure, and sent on by a condition to a fallback that is sure, which another condition defers",
			stages: func(s []*candorv1.StageRecord) []*candorv1.StageRecord { return s[:4] },
			row: &candorv1.RowRecord{Route: deferred, AppliedRoute: deferred, Reasons: []candorv1.Reason{confident, condition}, Condition: "bad",
				ConfidencePpm: proto.Uint32(810000), ThresholdPpm: proto.Uint32(620000), PrimaryThresholdPpm: proto.Uint32(900000),
				Answers: []*candorv1.RowAnswer{said(0, "a", 990000), said(1, "b", 900000), said(2, "b", 720000), said(3, "b", 810000)}},
			path:     "small=a 0.99, left=b 0.90, right=b 0.72, both=b 0.81",
			compared: "small 0.99 >= 0.90 -> ACCEPT, both 0.81 >= 0.62 -> FALLBACK",
		},
		{
			name:   "mode observe",
			stages: func(s []*candorv1.StageRecord) []*candorv1.StageRecord { return s[:1] },
			row: &candorv1.RowRecord{Route: fallback, AppliedRoute: accept, Reasons: []candorv1.Reason{lowConfidence}, AnsweredBy: 1, Label: "a",
				ConfidencePpm: proto.Uint32(300000), ThresholdPpm: proto.Uint32(900000), Answers: []*candorv1.RowAnswer{said(0, "a", 300000)}},
			path: "small=a 0.30", compared: "small 0.30 < 0.90 -> FALLBACK",
		},
		{
			name:   "no threshold",
			stages: func(s []*candorv1.StageRecord) []*candorv1.StageRecord { return s[:1] },
			row: &candorv1.RowRecord{Route: reject, AppliedRoute: reject, Reasons: []candorv1.Reason{candorv1.Reason_REASON_NO_CONFIDENCE_SIGNAL},
				ConfidencePpm: proto.Uint32(300000), Answers: []*candorv1.RowAnswer{said(0, "a", 300000)}},
			path: "small=a 0.30", compared: "small 0.30, and nothing names a threshold -> REJECT",
		},
		{
			name:   "a record without stages",
			stages: func([]*candorv1.StageRecord) []*candorv1.StageRecord { return nil },
			row:    &candorv1.RowRecord{Route: reject, AppliedRoute: reject, AnsweredBy: 7},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := stages()
			if tt.stages != nil {
				asked = tt.stages(asked)
			}
			s := tell(source{made: madeAt, record: &candorv1.PredictionRecord{PredictionId: id[:], Stages: asked, Rows: []*candorv1.RowRecord{tt.row}}})
			if diff := cmp.Diff(tt.path, pathText(s.Rows[0].Path)); diff != "" {
				t.Errorf("path: -want +got:\n%s", diff)
			}
			var compared []string
			for _, c := range s.Rows[0].Compared {
				compared = append(compared, c.Stage+" "+c.String())
			}
			if diff := cmp.Diff(tt.compared, strings.Join(compared, ", ")); diff != "" {
				t.Errorf("compared: -want +got:\n%s", diff)
			}
			if err := write(&strings.Builder{}, s); err != nil {
				t.Error(err)
			}
		})
	}
}

func pathText(path []Step) string {
	var out []string
	for _, s := range path {
		text := s.Stage
		switch {
		case s.Failure != "":
			text += ":" + s.Failure
		case s.Confidence != nil:
			text += fmt.Sprintf("=%s %.2f", s.Answer, *s.Confidence)
		case s.Answer != "":
			text += "=" + s.Answer
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// A reviewed prediction, told from beginning to end.
func TestStoryOfAReview(t *testing.T) {
	asked := stages()[:4]
	asked[0].ModelCreatedS = madeAt.Add(-31 * 24 * time.Hour).Unix()
	failed(asked[2], candorv1.Reason_REASON_DEADLINE)
	asked[2].Detail, asked[2].Attempts = "no answer within 50 ms\x1b[2J", 2
	s := tell(source{
		made: madeAt, writer: "w1", sequence: 17,
		record: &candorv1.PredictionRecord{
			PredictionId: id[:], Consumer: "checkout", Model: "fraud", Mode: candorv1.Mode_MODE_ENFORCE, PolicyDigest: []byte{0xab, 0xcd},
			Stages: asked, DurationUs: 52_300, ConfidenceMethod: candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB, RequestId: "order 7",
			TraceId: []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
			Rows: []*candorv1.RowRecord{{
				Route: deferred, AppliedRoute: deferred, Reasons: []candorv1.Reason{lowConfidence}, State: candorv1.AnswerState_ANSWER_STATE_PENDING,
				ConfidencePpm: proto.Uint32(550000), ThresholdPpm: proto.Uint32(620000), PrimaryThresholdPpm: proto.Uint32(900000), Action: "decline",
				Answers: []*candorv1.RowAnswer{said(0, "fraud", 610000), said(1, "fraud", 550000), said(3, "fraud", 550000)},
			}},
		},
		items: []*candorv1.ReviewItem{{
			Name: "reviewItems/r1", Queue: "cards", State: candorv1.ReviewState_REVIEW_STATE_RESOLVED, ReleaseState: candorv1.ReleaseState_RELEASE_STATE_RELEASED,
			CreateTime: timestamppb.New(madeAt), ExpireTime: timestamppb.New(madeAt.Add(time.Hour)), OnExpire: candorv1.ExpireAction_EXPIRE_ACTION_REJECT,
			Epoch: 2, ExpectedLoss: 0.45,
			Verdict: &candorv1.Verdict{
				Answer: &candorv1.Verdict_Label{Label: "ok"}, Author: "ana", CreateTime: timestamppb.New(madeAt.Add(4*time.Minute + 3*time.Second)),
				Reason: "known card", Confidence: proto.Float64(0.8),
			},
		}},
		outcomes: []outcome{{Row: 0, Answer: "ok"}},
	})
	var got strings.Builder
	if err := write(&got, s); err != nil {
		t.Fatal(err)
	}
	const want = `prediction 01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11
  model      fraud
  made       2026-11-21T02:00:00.000Z for consumer checkout, request id order 7
  policy     abcd, mode enforce, confidence max_prob
  took       52.3 ms in all
  trace      0102030405060708090a0b0c0d0e0f10
  log        writer w1, record 17

path
  ├─ small version 1     primary   1.5 ms     "fraud", confidence 0.61, model is 31 d old
  ├─ both version 1      ensemble  1.5 ms     "fraud", confidence 0.55
  │  ├─ left version 1   member    1.5 ms     "fraud", confidence 0.55
  │  └─ right version 1  member    1.5 ms     no answer: DEADLINE, no answer within 50 ms\x1b[2J (we inferred it), 2 attempts
  └─ ana                 human     4 min 3 s  "ok", confidence 0.80

compared
  small      0.61 < 0.90 -> FALLBACK
  both       0.55 < 0.62 -> DEFER

why
  LOW_CONFIDENCE       not sure enough: the confidence stayed below the policy's threshold

result
  route      DEFER
  answer     "ok", final, by ana
  action     decline

review
  item       reviewItems/r1
  queue      cards, resolved, released
  created    2026-11-21T02:00:00Z, expected loss 0.45
  claimed    2 times
  deadline   2026-11-21T03:00:00Z, then reject
  verdict    "ok" by ana at 2026-11-21T02:04:03Z, 4 min 3 s after the prediction
  sure       0.80
  reason     known card

outcome
  truth      "ok"
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A verdict that a limit holds has not left, whatever it says.
func TestHeldVerdict(t *testing.T) {
	s := tell(source{
		made:   madeAt,
		record: &candorv1.PredictionRecord{PredictionId: id[:], Stages: stages()[:1], Rows: []*candorv1.RowRecord{{Route: deferred, AppliedRoute: deferred}}},
		items: []*candorv1.ReviewItem{{
			Name: "reviewItems/r1", State: candorv1.ReviewState_REVIEW_STATE_RESOLVED, ReleaseState: candorv1.ReleaseState_RELEASE_STATE_HELD,
			Verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Value{Value: 12.5}, Author: "ana"},
		}},
	})
	if r := s.Rows[0]; r.State != "WITHHELD" || r.Answer != "" || result(&r) != `none: "12.5" by ana is held by an action limit` {
		t.Errorf("state %s, answer %q, told as %s", r.State, r.Answer, result(&r))
	}
}

// A batch has an overview, and in full what did not simply pass.
func TestBatch(t *testing.T) {
	rec := &candorv1.PredictionRecord{PredictionId: id[:], Stages: stages()[:1]}
	for i := range 32 {
		row := &candorv1.RowRecord{Route: accept, AppliedRoute: accept, Reasons: []candorv1.Reason{confident}, AnsweredBy: 1, Label: "a"}
		if i%3 == 0 {
			row = &candorv1.RowRecord{Route: reject, AppliedRoute: reject, Reasons: []candorv1.Reason{lowConfidence, noReview}}
		}
		rec.Rows = append(rec.Rows, row)
	}
	s := tell(source{record: rec, made: madeAt})
	var all, one strings.Builder
	if err := write(&all, s); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(all.String(), "\nrow "); n != maxRowsTold || !strings.Contains(all.String(), "\n3 rows more that did not simply pass: --row N tells one\n") {
		t.Errorf("%d rows are told in full:\n%s", n, all.String())
	}
	if err := write(&one, s.only(30)); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(one.String(), "route      REJECT") || strings.Contains(one.String(), "ROW") {
		t.Errorf("one row is told as:\n%s", one.String())
	}
}

func TestFieldsAreTold(t *testing.T) {
	item := "reviewItems/0199af00-0000-7000-8000-000000000000"
	row := func(row uint32, field string, route candorv1.Route) *candorv1.RowRecord {
		return &candorv1.RowRecord{Row: row, Field: field, Route: route, AppliedRoute: route, Label: field + "'s"}
	}
	rec := &candorv1.PredictionRecord{PredictionId: id[:], Stages: stages()[:1], Rows: []*candorv1.RowRecord{
		row(0, "vendor", accept), row(0, "total", accept), row(1, "vendor", accept), row(1, "total", candorv1.Route_ROUTE_DEFER),
	}}
	s := tell(source{
		record: rec, made: madeAt, items: []*candorv1.ReviewItem{{Name: item, Row: 1, Field: "total"}},
		outcomes: []outcome{{Row: 1, Field: "vendor", Answer: "acme"}},
	})
	if s.Rows[3].Review == nil || s.Rows[2].Review != nil || len(s.Rows[2].Outcomes) != 1 || len(s.Rows[3].Outcomes) != 0 || s.Rows[3].Row != 1 {
		t.Errorf("told %+v", s.Rows)
	}
	var all, one strings.Builder
	if err := errors.Join(write(&all, s), write(&one, s.only(0))); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(all.String(), "\nfields\n  ROW  FIELD") || !strings.Contains(all.String(), "\nrow 1, field total\n") || !strings.Contains(all.String(), item) {
		t.Errorf("fields are told as:\n%s", all.String())
	}
	if strings.Contains(one.String(), item) || strings.Count(one.String(), "ACCEPT") != 2 {
		t.Errorf("one row is told as:\n%s", one.String())
	}
}

func TestEveryReasonHasWords(t *testing.T) {
	for n, name := range candorv1.Reason_name {
		if meanings[candorv1.Reason(n)] == "" {
			t.Errorf("%s has no words", name)
		}
	}
	var words []string
	for _, w := range meanings {
		words = append(words, w)
	}
	slices.Sort(words)
	if len(slices.Compact(words)) != len(meanings) {
		t.Error("two reasons have the same words")
	}
}
