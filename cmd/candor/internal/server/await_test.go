package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/store/postgres"
)

// late is a store that isn't up yet, as the command line is told of it; foreign one that is another gateway's.
func late(n int) error {
	open := &postgres.OpenError{Database: "postgres://db/candor", Err: fmt.Errorf("%w: %w", postgres.ErrUnreachable, context.DeadlineExceeded), Remedy: "start the server"}
	return &cli.Error{What: fmt.Sprint("attempt ", n), Remedy: open.Remedy, Err: open}
}

var foreign = &cli.Error{What: "a store", Remedy: "correct it", Err: &postgres.OpenError{Err: postgres.ErrForeign}}

func vigilOf(most time.Duration) (*vigil, *lines) {
	log := &lines{}
	return &vigil{store: "postgres://db/candor", most: most, log: slog.New(slog.NewTextHandler(log, nil)), began: time.Now()}, log
}

func never(int) error { panic("nothing is to be undone") }

func TestAwait(t *testing.T) {
	for _, tc := range []struct {
		name  string
		most  time.Duration
		fails []error // of the attempts in turn; then they succeed
		took  time.Duration
		said  int
		err   string
	}{
		{"it is there", time.Minute, nil, 0, 0, ""},
		{"it comes", time.Minute, []error{late(1), late(2), late(3)}, 7 * firstPause, 3, ""},
		{"the same is said once", time.Minute, []error{late(1), late(1), late(1)}, 7 * firstPause, 1, ""},
		{"another gateway's", time.Minute, []error{foreign}, 0, 0, "a store; correct it"},
		{"another gateway's in the end", time.Minute, []error{late(1), foreign}, firstPause, 1, "a store; correct it"},
		{"no patience", 0, []error{late(1)}, 0, 0, "attempt 1; start the server"},
		{"too late", 3 * firstPause / 2, []error{late(1), late(2), late(3)}, 3 * firstPause / 2, 2, "attempt 3; waited 0s for it, as store.wait says; start the server"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, log := vigilOf(tc.most)
				n := 0
				got, err := await(t.Context(), v, func(context.Context) (int, error) {
					if n++; n <= len(tc.fails) {
						return 0, tc.fails[n-1]
					}
					return n, nil
				}, never)
				if tc.err == "" && (err != nil || got != len(tc.fails)+1) || tc.err != "" && (err == nil || err.Error() != tc.err) {
					t.Errorf("%d, %v; want %q", got, err, tc.err)
				}
				if took := time.Since(v.began); took != tc.took || log.count("waiting for the store") != tc.said {
					t.Errorf("took %v, want %v; told %s", took, tc.took, log.text.String())
				}
				if there := log.count("the store answers"); (there == 1) != (tc.err == "" && tc.said > 0) {
					t.Errorf("told %s", log.text.String())
				}
			})
		})
	}
}

// However long it takes, the log says again what is waited for; a hang is said, too.
func TestAwaitSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, log := vigilOf(time.Hour)
		_, err := await(t.Context(), v, func(context.Context) (int, error) {
			if time.Since(v.began) < time.Minute {
				return 0, late(1)
			}
			time.Sleep(time.Minute)
			return 1, nil
		}, never)
		text := log.text.String()
		if n := log.count("waiting for the store"); err != nil || n < 10 || n > 13 {
			t.Errorf("said %d times in two minutes, %v: %s", n, err, text)
		}
		for _, part := range []string{"store=postgres://db/candor", `why="attempt 1; start the server"`, `why="it has not answered"`, "waited=53s", "left=59m7s"} {
			if !strings.Contains(text, part) {
				t.Errorf("nothing says %s: %s", part, text)
			}
		}
	})
}

// The end of the process is not put off: neither by a pause, nor by an attempt, not even by one that hangs.
func TestAwaitEnds(t *testing.T) {
	for _, tc := range []struct {
		name   string
		do     func(context.Context) (int, error)
		took   time.Duration
		undone int64
	}{
		{"in a pause", func(context.Context) (int, error) { return 0, late(1) }, 0, 0},
		{"in an attempt", func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, fmt.Errorf("ask: %w", ctx.Err()) }, 0, 0},
		{"in one that hangs", func(context.Context) (int, error) { time.Sleep(time.Hour); return 0, late(1) }, lastGrace, 0},
		{"in one that comes to something", func(context.Context) (int, error) { time.Sleep(time.Hour); return 1, nil }, lastGrace, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v, _ := vigilOf(time.Hour)
				ctx, cancel := context.WithCancelCause(t.Context())
				const after = 40 * time.Minute
				time.AfterFunc(after, func() { cancel(errors.New("terminated")) })
				var undone atomic.Int64
				_, err := await(ctx, v, tc.do, func(int) error { undone.Add(1); return nil })
				if took := time.Since(v.began); !errors.Is(err, context.Canceled) || took != after+tc.took {
					t.Errorf("%v after %v", err, took)
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if undone.Load() != tc.undone {
					t.Errorf("undone %d times", undone.Load())
				}
			})
		})
	}
}
