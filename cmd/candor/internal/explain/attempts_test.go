package explain

import (
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestAttemptsText(t *testing.T) {
	retried := &candorv1.StageRecord{Attempts: 2, Tried: []*candorv1.Attempt{
		{DurationUs: 1200, Failure: candorv1.Reason_REASON_BACKEND_FAILURE, FailureSource: candorv1.FailureSource_FAILURE_SOURCE_BACKEND},
		{StartUs: 9000, DurationUs: 2500, WaitedUs: 40},
	}}
	hedged := &candorv1.StageRecord{Attempts: 2, Tried: []*candorv1.Attempt{{DurationUs: 53000, Lost: true}, {StartUs: 50000, DurationUs: 3000, Hedge: true}}}
	for want, st := range map[string]*candorv1.StageRecord{
		"2 attempts: first failed in 1.2 ms (BACKEND_FAILURE); retry after 9.0 ms answered in 2.5 ms": retried,
		"2 attempts: first given up at 53.0 ms; hedge after 50.0 ms answered in 3.0 ms":               hedged,
		"3 attempts": {Attempts: 3},
	} {
		if got := attemptsText(Step{Attempts: st.GetAttempts(), Tried: attemptsOf(st)}); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if a := attemptsOf(retried); a[0].SaidBy != "BACKEND" || a[1].WaitedMillis != 0.04 || a[1].Hedge {
		t.Errorf("%+v", a)
	}
}
