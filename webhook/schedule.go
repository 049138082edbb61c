package webhook

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// schedule is how long after a failed attempt the next one is made: ten attempts within 75 hours and 35 minutes. It is the
// example of the Standard Webhooks specification: close together at first, for a receiver that restarts, and then over a weekend.
var schedule = [...]time.Duration{
	5 * time.Second,
	5 * time.Minute,
	30 * time.Minute,
	2 * time.Hour,
	5 * time.Hour,
	10 * time.Hour,
	14 * time.Hour,
	20 * time.Hour,
	24 * time.Hour,
}

// MaxAttempts of a delivery.
const MaxAttempts = len(schedule) + 1

const (
	// jitter spreads what failed together, as a share of the delay, so that a receiver that comes back isn't met by all of it
	// at once.
	jitter = 0.1
	// maxRetryAfter bounds what a receiver may ask for: no longer than the schedule itself ever waits.
	maxRetryAfter = 24 * time.Hour
)

// delay is how long to wait after the nth attempt (from 1) has failed; ok is false when it was the last. A receiver may ask for
// more, never for less.
func delay(attempts int, retryAfter time.Duration) (d time.Duration, ok bool) {
	if attempts >= MaxAttempts {
		return 0, false
	}
	d = schedule[max(attempts, 1)-1]
	d += time.Duration(jitter * rand.Float64() * float64(d))
	return max(d, min(retryAfter, maxRetryAfter)), true
}

// retryAfter reads a Retry-After header (RFC 9110, section 10.2.3): seconds, or a date. What can't be read, or has passed, is 0.
func retryAfter(value string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(n) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}
