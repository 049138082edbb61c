package people

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/candor-gateway/candor/internal/defect"
)

// brittle is a store whose sessions panic when they are first asked for, and are over then.
type brittle struct {
	Store
	asked int
}

func (s *brittle) Session(context.Context, Sum) (Session, error) {
	if s.asked++; s.asked == 1 {
		panic("a defect of the store")
	}
	return Session{}, ErrNotFound
}

// A defect in asking whether a session has ended leaves a long request as a store that doesn't answer does: it is asked again.
func TestPanicInAWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		panics := 0
		g := &Gate{store: &brittle{}, guard: defect.Guard{Log: slog.New(slog.DiscardHandler), Count: func() { panics++ }}}
		began := time.Now()
		ctx, stop := g.watch(t.Context(), Sum{})
		defer stop()
		<-ctx.Done()
		if time.Since(began) != 2*recheckEvery || panics != 1 {
			t.Errorf("the request was ended after %v, with %d panics", time.Since(began), panics)
		}
	})
}
