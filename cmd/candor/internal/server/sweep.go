package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/stores"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/defect"
)

// sweepEvery is how late a payload may be removed after its retention.
const sweepEvery = time.Hour

// startSweep removes expired payloads at once and then every hour. stop ends it and waits.
func startSweep(ctx context.Context, store stores.Store, retention func() *candorv1.Retention, log *slog.Logger, guard defect.Guard) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(sweepEvery)
		defer ticker.Stop()
		for {
			guard.Whole("removing payloads", func() { sweep(ctx, store, retention().GetPayloads().AsDuration(), log) })
			select {
			case <-ticker.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() error {
		cancel()
		<-done
		return nil
	}
}

func sweep(ctx context.Context, store stores.Store, age time.Duration, log *slog.Logger) {
	removed, err := store.Sweep(ctx, store.Now(), age)
	if err != nil && ctx.Err() == nil {
		log.WarnContext(ctx, "payloads could not be removed after their retention; trying again in an hour", slog.Any("error", err))
	}
	if removed > 0 {
		log.InfoContext(ctx, "payloads removed after their retention", slog.Int64("count", removed))
	}
}
