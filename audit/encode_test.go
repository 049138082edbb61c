package audit

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestEncodeRoundTrip(t *testing.T) {
	rec := plainAccept()
	data, err := Encode(rec)
	if err != nil {
		t.Fatal(err)
	}
	back, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(rec, back) {
		t.Errorf("decoded %v, want %v", back, rec)
	}
	again, err := Encode(back)
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("a second encoding differs: %v", err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, want string
		rec        *candorv1.Record
	}{
		{"nil", "record.entry", nil},
		{"no entry", "record.entry", &candorv1.Record{TimeUs: 1}},
		{"a short id", "prediction_id", &candorv1.Record{Entry: &candorv1.Record_Prediction{
			Prediction: &candorv1.PredictionRecord{PredictionId: []byte("x")},
		}}},
		{"text that isn't UTF-8", "encode", &candorv1.Record{Entry: &candorv1.Record_Prediction{
			Prediction: &candorv1.PredictionRecord{PredictionId: make([]byte, 16), Model: "\xff"},
		}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Encode(tc.rec)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v; want an error that names %s", err, tc.want)
			}
		})
	}
	if _, err := Decode([]byte{0xff}); err == nil {
		t.Error("Decode accepted garbage")
	}
}

// maxPlainAccept is the bound that reliability.md states for a plain accept of one row, in bytes.
const maxPlainAccept = 512

func TestPlainAcceptIsSmall(t *testing.T) {
	data, err := Encode(plainAccept())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("a plain accept of one row takes %d bytes", len(data))
	if len(data) > maxPlainAccept {
		t.Errorf("a plain accept takes %d bytes; at most %d are allowed", len(data), maxPlainAccept)
	}
}

// plainAccept has every field set that an accepted row's record can have, with names as long as real ones.
func plainAccept() *candorv1.Record {
	id := bytes.Repeat([]byte{0xab}, 16)
	return &candorv1.Record{
		TimeUs: 1_790_000_000_000_000,
		Entry: &candorv1.Record_Prediction{Prediction: &candorv1.PredictionRecord{
			PredictionId: id, Consumer: "payments-authorisation-service.eu-west-1", Model: "card-fraud-gradient-boosted",
			Mode: candorv1.Mode_MODE_ENFORCE, PolicyDigest: id[:8], TraceId: id, DurationUs: 123_456,
			ConfidenceMethod: candorv1.ConfidenceMethod_CONFIDENCE_METHOD_MAX_PROB,
			RequestId:        strings.Repeat("r", 64),
			Stages: []*candorv1.StageRecord{{
				Stage: "card-fraud-gradient-boosted-primary", Kind: candorv1.StepKind(1), Version: "2026-08-31.1742-a1b2c3d4",
				DurationUs: 98_765, Attempts: 2, Rows: 1, ModelCreatedS: 1_790_000_000,
			}},
			Rows: []*candorv1.RowRecord{{
				Route: candorv1.Route_ROUTE_ACCEPT, AppliedRoute: candorv1.Route_ROUTE_ACCEPT,
				Reasons:       []candorv1.Reason{candorv1.Reason_REASON_CONFIDENT},
				ConfidencePpm: proto.Uint32(999_999), ThresholdPpm: proto.Uint32(950_000),
				Label: "legitimate-with-review-waived", Value: proto.Float64(0.123456), Action: "approve-transaction", AnsweredBy: 1,
				State: candorv1.AnswerState_ANSWER_STATE_FINAL, UncertaintyPpm: 1_000_000,
				UncertaintyKind: candorv1.UncertaintyKind(1),
			}},
		}},
	}
}
