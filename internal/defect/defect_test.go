package defect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/candor-gateway/candor/internal/defect"
)

// guard is one whose log and count can be read.
func guard() (g defect.Guard, log *bytes.Buffer, count *atomic.Int64) {
	log, count = new(bytes.Buffer), new(atomic.Int64)
	return defect.Guard{Log: slog.New(slog.NewTextHandler(log, nil)), Count: func() { count.Add(1) }}, log, count
}

func TestWhole(t *testing.T) {
	g, log, count := guard()
	if !g.Whole("good work", func() {}) || count.Load() != 0 || log.Len() > 0 {
		t.Errorf("work that ends well: %d counted, log %s", count.Load(), log)
	}
	if g.Whole("bad work", func() { panic("no such luck") }) {
		t.Error("work that panicked counts as whole")
	}
	if text := log.String(); count.Load() != 1 || !strings.Contains(text, "bad work panicked") || !strings.Contains(text, "no such luck") || !strings.Contains(text, "defect_test.go") {
		t.Errorf("%d counted, log %s; want what panicked, with which value, and where", count.Load(), text)
	}
}

// Work begins anew after a pause, as often as it panics, and no more when it has ended by itself.
func TestLastingBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _, count := guard()
		began, runs := time.Now(), 0
		g.Lasting(t.Context(), "work", func() {
			if runs++; runs < 4 {
				panic("again")
			}
		})
		if runs != 4 || count.Load() != 3 || time.Since(began) != 3*defect.Pause {
			t.Errorf("%d runs, %d panics, in %v; want 4 and 3, a pause after each", runs, count.Load(), time.Since(began))
		}
	})
}

// The end of the process doesn't wait for work that only panics.
func TestLastingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _, _ := guard()
		ctx, cancel := context.WithTimeout(t.Context(), defect.Pause/2)
		defer cancel()
		began := time.Now()
		g.Lasting(ctx, "work", func() { panic("always") })
		if time.Since(began) != defect.Pause/2 {
			t.Errorf("it ended %v after the beginning", time.Since(began))
		}
	})
}

// broken is a log with a defect of its own.
type broken struct{ slog.Handler }

func (broken) Handle(context.Context, slog.Record) error { panic("the log panics") }

func TestBrokenLog(t *testing.T) {
	g, _, count := guard()
	g.Log = slog.New(broken{g.Log.Handler()})
	if g.Whole("work", func() { panic("first") }) || count.Load() != 1 {
		t.Errorf("%d counted", count.Load())
	}
}

// A group's panic reaches the one who waits, with the stack of where it was, and not before the others have ended.
func TestGroup(t *testing.T) {
	var ended atomic.Int64
	var all defect.Group
	for i := range 4 {
		all.Go(func() {
			defer ended.Add(1)
			if i == 2 {
				panic("number two")
			}
		})
	}
	func() {
		defer func() {
			text := fmt.Sprint(recover())
			if ended.Load() != 4 || !strings.Contains(text, "number two") || !strings.Contains(text, "defect_test.go") {
				t.Errorf("%d had ended; %s", ended.Load(), text)
			}
		}()
		all.Wait()
	}()
	var log bytes.Buffer
	defect.Guard{Log: slog.New(slog.NewJSONHandler(&log, nil))}.Whole("those who wait", func() {
		var one defect.Group
		one.Go(func() { panic(errors.New("no such luck")) })
		one.Wait()
	})
	var line struct{ Panic string }
	if err := json.Unmarshal(log.Bytes(), &line); err != nil || !strings.Contains(line.Panic, "no such luck") || !strings.Contains(line.Panic, "TestGroup") {
		t.Errorf("%v: the log has %s; want the value, and the stack of where it was", err, log.String())
	}
	var good defect.Group
	good.Go(func() { ended.Add(1) })
	if good.Wait(); ended.Load() != 5 {
		t.Errorf("%d ended", ended.Load())
	}
}
