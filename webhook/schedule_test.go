package webhook

import (
	"testing"
	"time"
)

func TestSchedule(t *testing.T) {
	var least time.Duration
	for n := 1; ; n++ {
		if _, ok := delay(n, 0); !ok {
			if n != 10 {
				t.Errorf("%d attempts", n)
			}
			break
		}
		least += schedule[n-1]
		for range 100 {
			if d, _ := delay(n, 0); d < schedule[n-1] || d > schedule[n-1]+schedule[n-1]/10 {
				t.Errorf("after attempt %d: %v, want about %v", n, d, schedule[n-1])
			}
		}
		if d, _ := delay(n, 48*time.Hour); d < maxRetryAfter || d > maxRetryAfter+maxRetryAfter/10 {
			t.Errorf("a receiver gets %v", d)
		}
	}
	if least != 75*time.Hour+35*time.Minute+5*time.Second {
		t.Errorf("all attempts take %v", least)
	}
	if d, _ := delay(1, time.Hour); d != time.Hour {
		t.Errorf("asked for an hour, waits %v", d)
	}
	if d, _ := delay(9, time.Second); d < 24*time.Hour {
		t.Errorf("asked for a second, waits %v", d)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "120": 2 * time.Minute, "-1": 0, "1.5": 0, "soon": 0, "99999999999999999999": 0,
		"Fri, 20 Nov 2026 12:01:00 GMT": time.Minute, "Fri, 20 Nov 2026 11:00:00 GMT": 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "120", "Fri, 20 Nov 2026 12:01:00 GMT", "99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := retryAfter(s, time.Unix(0, 0))
		if d < 0 {
			t.Errorf("%q: %v", s, d)
		}
		if wait, ok := delay(1, d); !ok || wait < schedule[0] || wait > maxRetryAfter {
			t.Errorf("%q: the next attempt is in %v", s, wait)
		}
	})
}
