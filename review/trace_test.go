package review

import (
	"testing"
	"time"
)

// Two gateways, and two versions of one, have to come to the same ids.
func TestReviewTraceparent(t *testing.T) {
	it := Item{ID: "01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11", Traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", FinalTime: time.Unix(1, 0)}
	const want = "00-fdc5808fc2d01df2d8eec552e26ea618-04dbba7bf0e222ab-01"
	if got := it.ReviewTraceparent(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	open, untraced := it, it
	open.FinalTime, untraced.Traceparent = time.Time{}, ""
	if got := open.ReviewTraceparent() + untraced.ReviewTraceparent(); got != "" {
		t.Errorf("a trace that isn't there is named: %s", got)
	}
}
