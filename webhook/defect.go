package webhook

import (
	"errors"
	"log/slog"
	"runtime/debug"
)

// errDefect is what came of an attempt that panicked.
var errDefect = errors.New("a defect of the gateway; its log has the details")

// guard does the work as far as it comes. In a goroutine of ours nobody above recovers, and a panic would end the
// process with everybody's calls.
func (c *courier) guard(what string, work func()) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("webhook: "+what+" panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		}
	}()
	work()
}
