package gateway

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// A plain accept's record is kept within its bound by what its attempts were, then by the client's id. What limits ask and say costs neither.
func TestFit(t *testing.T) {
	word := &candorv1.LimitWord{Limit: strings.Repeat("l", 63), Says: candorv1.LimitSays_LIMIT_SAYS_LATCHED, DryRun: true, Count: 100, MaxCount: 100}
	input := &candorv1.LimitInput{Source: "parameter:merchant", Key: []byte(strings.Repeat("k", 128))}
	for _, test := range []struct {
		name      string
		consumer  int // the length of its name
		words     int
		tried, id bool // are left, whole
	}{
		{"small", 10, 0, true, true},
		{"limits say much", 10, 12, true, true},
		{"long names", 410, 12, false, true},
		{"longer names", 460, 12, false, false},
	} {
		row := &candorv1.RowRecord{Route: candorv1.Route_ROUTE_ACCEPT, LimitInputs: []*candorv1.LimitInput{input, input, input, input}}
		for range test.words {
			row.Limits = append(row.Limits, word)
		}
		attempt := &candorv1.Attempt{StartUs: 1e6, DurationUs: 4e6, WaitedUs: 4e6, Failure: candorv1.Reason_REASON_DEADLINE}
		stage := &candorv1.StageRecord{Tried: []*candorv1.Attempt{attempt, attempt}}
		p := &candorv1.PredictionRecord{
			Consumer: strings.Repeat("c", test.consumer), RequestId: strings.Repeat("r", maxRequestID),
			Rows: []*candorv1.RowRecord{row}, Stages: []*candorv1.StageRecord{stage},
		}
		rec := &candorv1.Record{Entry: &candorv1.Record_Prediction{Prediction: p}}
		fit(rec, p)
		if (len(stage.Tried) > 0) != test.tried || (len(p.RequestId) == maxRequestID) != test.id {
			t.Errorf("%s: %d attempts are left, and %d bytes of the client's id", test.name, len(stage.Tried), len(p.RequestId))
		}
		if len(row.Limits) != test.words || len(row.LimitInputs) != 4 {
			t.Errorf("%s: %d words of limits and %d inputs are left", test.name, len(row.Limits), len(row.LimitInputs))
		}
		row.Limits, row.LimitInputs = nil, nil
		if n := proto.Size(rec); n > maxPlainAccept {
			t.Errorf("%s: the record takes %d bytes", test.name, n)
		}
	}
}
