// Package defect is what becomes of a panic in a goroutine that the process started itself. Nobody above recovers there, and a panic
// would end the process, with everybody's calls.
//
// Use Guard.Whole for one turn of work, Guard.Lasting for work that goes on for as long as the process, Group for work that somebody
// waits for. Work after whose panic nobody knows what holds is given to none of them: its panic is to end the process.
package defect

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// Pause is how long Lasting waits after a panic.
const Pause = 500 * time.Millisecond

// Guard says who is told of panics. The zero value tells slog's default log. It is safe for concurrent use, and copied freely.
type Guard struct {
	// Log gets each panic with its stack; nil: slog's default.
	Log *slog.Logger
	// Count is called once for each panic, by any goroutine; nil: nobody counts.
	Count func()
}

// Whole does the work, and says whether it came to its own end: false, it panicked. work is what the log calls it.
func (g Guard) Whole(work string, f func()) (ok bool) {
	defer func() {
		if p := recover(); p != nil {
			g.Tell(work, p)
		}
	}()
	f()
	return true
}

// Lasting does the work until it returns. After a panic it begins anew, a Pause later, unless ctx has ended.
func (g Guard) Lasting(ctx context.Context, work string, f func()) {
	for !g.Whole(work, f) {
		timer := time.NewTimer(Pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// Tell counts a panic and logs it. It is called by the deferred function that has recovered it, so that the stack is the panic's.
func (g Guard) Tell(work string, panicked any) {
	if g.Count != nil {
		g.Count()
	}
	log := g.Log
	if log == nil {
		log = slog.Default()
	}
	// The log itself may be what panics. There is nobody left to tell of that.
	defer func() { _ = recover() }()
	log.Error(work+" panicked", slog.Any("panic", panicked), slog.String("stack", string(debug.Stack())))
}

// Group runs functions beside one another for somebody who waits for all of them. The zero value is ready.
type Group struct {
	running sync.WaitGroup
	mu      sync.Mutex
	first   any
}

// carried is a panic on its way to another goroutine.
type carried struct {
	value any
	stack []byte
}

// Carried is a panic, which was just recovered, for another goroutine to panic with: whoever guards that one learns where it was.
func Carried(panicked any) any { return &carried{panicked, debug.Stack()} }

func (c *carried) String() string {
	return fmt.Sprintf("%v\n\nin a goroutine of its own:\n%s", c.value, c.stack)
}

// LogValue is String: the handlers of slog that write JSON would find nothing in it.
func (c *carried) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Go runs f in a goroutine of its own.
func (g *Group) Go(f func()) {
	g.running.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				g.mu.Lock()
				defer g.mu.Unlock()
				if g.first == nil {
					g.first = Carried(p)
				}
			}
		}()
		f()
	})
}

// Wait waits for all of them. It panics where one did, so that the guard above the caller deals with that as with a panic of the caller's
// own.
func (g *Group) Wait() {
	g.running.Wait()
	if g.first != nil {
		panic(g.first)
	}
}
