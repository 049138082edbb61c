package cli

import (
	"strconv"
	"strings"
	"time"
)

// Time writes a moment for people: RFC 3339 in UTC, to the second, as JSON and the gateway's messages have it. [Moment] reads it.
func Time(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// ExactTime is [Time] to the millisecond, where a second is too coarse.
func ExactTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// Moment reads the value of a flag: a time (RFC 3339), or a span before now (90m, 2h, 7d).
func Moment(flag, text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, nil
	}
	// Days have no place in Go's durations, because some have 23 hours; here 24 is what anybody means.
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.Add(-time.Duration(n) * 24 * time.Hour), nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return time.Time{}, Usage("write 90m, 2h, 7d or 2026-11-20T00:00:00Z", "%s: %q is neither a span nor a time", flag, text)
	}
	return now.Add(-d), nil
}
