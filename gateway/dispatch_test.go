package gateway

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/candor-gateway/candor/webhook"
)

// A defect that ends sending ends neither the process nor, for longer than a moment, the sending; a configuration that works replaces it
// at once.
func TestPanicOfADispatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		g := &Gateway{log: slog.New(slog.DiscardHandler), metrics: newMetrics(reg)}
		panics := func() float64 {
			families, err := reg.Gather()
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range families {
				if f.GetName() == "candor_panics_total" {
					return f.GetMetric()[0].GetCounter().GetValue()
				}
			}
			return -1
		}
		broken := &plan{replaced: make(chan struct{})} // it has no dispatcher
		g.current.Store(broken)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			g.dispatch(ctx)
		}()
		synctest.Wait()
		if panics() != 1 {
			t.Errorf("%v panics", panics())
		}
		time.Sleep(resendEvery)
		synctest.Wait()
		if panics() != 2 {
			t.Errorf("%v panics after a while", panics())
		}
		g.current.Store(&plan{replaced: make(chan struct{}), dispatcher: webhook.NewDispatcher(webhook.Options{})})
		close(broken.replaced)
		time.Sleep(10 * resendEvery)
		cancel()
		<-ended
		if panics() != 2 {
			t.Errorf("%v panics in the end", panics())
		}
	})
}
