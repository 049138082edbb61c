package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/cmd/candor/internal/stores"
)

const (
	// What waiting may mend is tried again after this, doubling up to the maximum.
	firstPause = 250 * time.Millisecond
	mostPause  = 5 * time.Second
	// sayEvery is how often the log says that the start still waits, for what and for how long.
	sayEvery = 10 * time.Second
	// lastGrace is how long an attempt may take to end when the process is to: one that hangs is left behind.
	lastGrace = time.Second
)

// vigil is what a start has with its store, in all that it needs of it.
type vigil struct {
	// store is what to call it, most how long it may take.
	store string
	most  time.Duration
	log   *slog.Logger
	began time.Time
	// said is what the log was told last, and when.
	said   string
	saidAt time.Time
}

// attempt is what came of one.
type attempt[T any] struct {
	got T
	err error
}

// await does what needs the store until it is done, fails with what waiting can't mend, or the patience is over; ctx ends it at once, with
// ctx's error. What was got by an attempt that nobody waited for any longer is undone.
func await[T any](ctx context.Context, p *vigil, do func(context.Context) (T, error), undo func(T) error) (got T, err error) {
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		if got, err = once(ctx, p, do, undo); err == nil {
			p.there()
			return got, nil
		}
		if ctx.Err() != nil {
			return got, ctx.Err()
		}
		waited := time.Since(p.began)
		switch {
		case !stores.Passing(err) || p.most == 0:
			return got, err
		case waited >= p.most:
			return got, gaveUp(err, waited)
		}
		p.say(err.Error())
		select {
		case <-time.After(min(pause, p.most-waited)):
		case <-ctx.Done():
			return got, ctx.Err()
		}
	}
}

// once makes one attempt. It runs beside us: whatever it hangs on, the log says so, and the end of ctx isn't put off by it.
func once[T any](ctx context.Context, p *vigil, do func(context.Context) (T, error), undo func(T) error) (T, error) {
	ended, left := make(chan attempt[T]), make(chan struct{})
	go func() {
		var a attempt[T]
		a.got, a.err = do(ctx)
		select {
		case ended <- a:
		case <-left:
			if a.err == nil {
				_ = undo(a.got) // the process is about to end
			}
		}
	}()
	ticker := time.NewTicker(sayEvery)
	defer ticker.Stop()
	stop := ctx.Done()
	var grace <-chan time.Time
	for {
		select {
		case a := <-ended:
			return a.got, a.err
		case <-ticker.C:
			p.say("it has not answered")
		case <-stop:
			stop, grace = nil, time.After(lastGrace)
		case <-grace:
			close(left)
			var none T
			return none, ctx.Err()
		}
	}
}

// say tells the log why the start waits, when that is news or has not been said for a while.
func (p *vigil) say(why string) {
	now := time.Now()
	if why == p.said && now.Sub(p.saidAt) < sayEvery {
		return
	}
	p.said, p.saidAt = why, now
	waited := now.Sub(p.began)
	p.log.Warn("waiting for the store; nothing is served yet", slog.String("store", p.store), slog.String("why", why),
		slog.Duration("waited", waited.Round(time.Second)), slog.Duration("left", max(0, p.most-waited).Round(time.Second)))
}

// there tells the log that it waits no longer, if it was told that it does.
func (p *vigil) there() {
	if p.said != "" {
		p.log.Info("the store answers", slog.String("store", p.store), slog.Duration("waited", time.Since(p.began).Round(time.Second)))
		p.said = ""
	}
}

// gaveUp is the error of the last attempt, with the remedy that it has.
func gaveUp(err error, waited time.Duration) error {
	const how = "waited %v for it, as store.wait says"
	var e *cli.Error
	if errors.As(err, &e) {
		told := *e
		told.What, told.Err = fmt.Sprintf("%s; "+how, e.What, waited.Round(time.Second)), err
		return &told
	}
	return fmt.Errorf("%w; "+how, err, waited.Round(time.Second))
}
