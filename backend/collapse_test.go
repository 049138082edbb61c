package backend

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/internal/wire"
)

func TestCollapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCollapse(collapseSettings{below: 0.6, share: 0.5, times: 3, minRows: 100, window: 10 * time.Second})
		feed := func(lasts time.Duration, unsure int) (failed int) {
			for range int(lasts / (100 * time.Millisecond)) {
				if c.note(time.Now(), Verdict{Scored: 10, Unsure: unsure}) {
					failed++
				}
				time.Sleep(100 * time.Millisecond)
			}
			return failed
		}
		if n := feed(30*time.Second, 9); n > 0 {
			t.Errorf("%d failures of a model that was always unsure", n)
		}
		c = newCollapse(c.set)
		if n := feed(time.Minute, 1); n > 0 {
			t.Errorf("%d failures of a model that is sure", n)
		}
		if n := feed(10*time.Second, 4); n > 0 {
			t.Errorf("%d failures, and most rows are sure", n)
		}
		if n := feed(20*time.Second, 9); n < 100 {
			t.Errorf("%d failures of 200 unsure answers", n)
		}
		if c.note(time.Now(), Verdict{Scored: 10}) {
			t.Error("a good answer counts as a failure")
		}
		if n := feed(20*time.Second, 1); n > 0 {
			t.Errorf("%d failures after it was mended", n)
		}
		if newCollapse(collapseSettings{}).note(time.Now(), Verdict{Scored: 1, Unsure: 1}) {
			t.Error("a failure where nothing is watched")
		}
	})
}

func TestCollapseOpensTheBreaker(t *testing.T) {
	server := oiptest.Start(t, digitsModel())
	cfg := digitsConfig(server.Addr())
	cfg.Timeout = durationpb.New(time.Second) // a busy machine keeps it
	cfg.Breaker.Window, cfg.Breaker.OpenFor = durationpb.New(2*time.Second), durationpb.New(time.Hour)
	cfg.Breaker.Collapse = &candorv1.CollapseConfig{Below: 0.6, MinRows: proto.Uint32(5)}
	b := dial(t, cfg, Options{})
	unsure := 0
	eventually(t, "the breaker open", func() bool {
		// Slices pass by the clock: sure rows first, until they are the reference.
		if b.collapse.rows >= 5 {
			unsure = 1
		}
		_, err := b.Infer(t.Context(), Terms{}, wire.NewFrame(digitsRequest(t, 1)), func(*wire.Response) Verdict { return Verdict{Scored: 1, Unsure: unsure} })
		return err != nil && failureOf(t, err).Reason == candorv1.Reason_REASON_BREAKER_OPEN
	})
	if s := b.Status(); unsure == 0 || s.UnsureFailures == 0 || s.Failures != 0 {
		t.Errorf("status %+v", s)
	}
}

// However short the window is, rows are counted.
func TestCollapseOfAShortWindow(t *testing.T) {
	for _, window := range []time.Duration{1, collapseSlices - 1, collapseSlices} {
		c := newCollapse(collapseSettings{below: 0.5, share: 0.5, times: 3, minRows: 1, window: window})
		for i := range 100 {
			c.note(c.begin.Add(time.Duration(i)), Verdict{Scored: 1, Unsure: 1})
		}
	}
}
