package gateway

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// What the log says of clocks names the limit, how often, and what to do.
func TestClocksOfLimitsAreLogged(t *testing.T) {
	var log bytes.Buffer
	g := &Gateway{log: slog.New(slog.NewTextHandler(&log, nil))}
	g.onVoided("declines", 7)
	g.onWalls(time.Hour)
	for i, line := range strings.Split(strings.TrimSpace(log.String()), "\n") {
		for _, want := range [][]string{{"level=WARN", "limit=declines", "times=7", "NTP"}, {"level=WARN", "behind=1h0m0s", "NTP"}}[i] {
			if !strings.Contains(line, want) {
				t.Errorf("%q isn't in %s", want, line)
			}
		}
	}
}
