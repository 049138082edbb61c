package server

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/candor-gateway/candor/cmd/candor/internal/stores"
	"github.com/candor-gateway/candor/gateway"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/defect"
)

// A defect in a reload refuses it, as any other fault does: what is in force stays in force, and it is tried again.
func TestPanicInAReload(t *testing.T) {
	s := newSubject(t, plainConfig)
	write(t, s.file(), s.text)
	log, panics := slog.New(slog.NewTextHandler(s.log, nil)), 0
	if _, _, err := Init(t.Context(), s.file()); err != nil {
		t.Fatal(err)
	}
	cfg, err := load(s.file(), log)
	if err != nil {
		t.Fatal(err)
	}
	store, err := stores.Open(t.Context(), cfg, defect.Guard{Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close(context.Background()) //nolint:errcheck // nothing is stored
	f, err := newFront(t.Context(), Options{Config: s.file(), Log: log}, cfg, store, nil, gateway.PanicCounter(prometheus.NewRegistry()))
	if err != nil {
		t.Fatal(err)
	}
	defer f.close() //nolint:errcheck // nothing is traced
	r := &reloader{
		file: s.file(), gateway: f.Gateway, log: log, guard: defect.Guard{Log: log, Count: func() { panics++ }},
		metrics: newReloadMetrics(prometheus.NewRegistry()), // and no pages, which is what panics
	}
	if again := r.reload(t.Context(), false); !again || panics != 1 || r.refusal == "" || r.config() != nil {
		t.Errorf("again: %t, %d panics, refused %q", again, panics, r.refusal)
	}
	if s.log.count("reloading panicked") != 1 || s.log.count("refused") == 0 {
		t.Errorf("told: %s", s.log.text.String())
	}
}

// brokenSweep is a store whose sweep panics at first.
type brokenSweep struct {
	stores.Store
	asked atomic.Int64
}

func (s *brokenSweep) Now() time.Time { return time.Now() }

func (s *brokenSweep) Sweep(context.Context, time.Time, time.Duration) (int64, error) {
	if s.asked.Add(1) == 1 {
		panic("a defect of the sweep")
	}
	return 0, nil
}

func TestPanicInASweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, panics := new(brokenSweep), 0
		log := slog.New(slog.DiscardHandler)
		stop := startSweep(t.Context(), store, func() *candorv1.Retention { return nil }, log, defect.Guard{Log: log, Count: func() { panics++ }})
		time.Sleep(sweepEvery + time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		if store.asked.Load() != 2 || panics != 1 {
			t.Errorf("%d sweeps, %d panics", store.asked.Load(), panics)
		}
	})
}
