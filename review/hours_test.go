package review_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

// hours makes hours of shifts such as "mon,tue 09:00-17:00"; "09:00-17:00" is every day.
func hours(t *testing.T, zone string, shifts ...string) *review.Hours {
	t.Helper()
	h, err := review.NewHours(hoursOf(zone, shifts...))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func hoursOf(zone string, shifts ...string) *candorv1.Hours {
	cfg := &candorv1.Hours{TimeZone: zone}
	for _, text := range shifts {
		s := &candorv1.Shift{}
		if days, rest, ok := strings.Cut(text, " "); ok {
			s.Days, text = strings.Split(days, ","), rest
		}
		s.From, s.Until, _ = strings.Cut(text, "-")
		cfg.Shifts = append(cfg.Shifts, s)
	}
	return cfg
}

const working = "mon,tue,wed,thu,fri 09:00-17:00"

func instant(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestOpenHours(t *testing.T) {
	for name, c := range map[string]struct {
		hours    *review.Hours
		from, to string
		want     time.Duration
	}{
		"always":                     {nil, "2026-03-02T00:00:00Z", "2026-03-04T00:00:00Z", 48 * time.Hour},
		"backwards":                  {nil, "2026-03-04T00:00:00Z", "2026-03-02T00:00:00Z", 0},
		"a week":                     {hours(t, "", working), "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z", 40 * time.Hour},
		"a weekend":                  {hours(t, "", working), "2026-03-06T17:00:00Z", "2026-03-09T09:00:00Z", 0},
		"in a zone":                  {hours(t, "Asia/Kolkata", working), "2026-03-02T03:00:00Z", "2026-03-02T04:00:00Z", 30 * time.Minute},
		"touching shifts":            {hours(t, "", "08:00-12:00", "12:00-16:00", "10:00-13:00"), "2026-03-02T00:00:00Z", "2026-03-03T00:00:00Z", 8 * time.Hour},
		"around the clock":           {hours(t, "", "00:00-24:00"), "2026-03-02T00:00:00Z", "2026-03-09T00:00:00Z", 7 * 24 * time.Hour},
		"spring forward, all day":    {hours(t, "Europe/Berlin", "00:00-24:00"), "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23 * time.Hour},
		"spring forward, a night":    {hours(t, "Europe/Berlin", "00:00-06:00"), "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 5 * time.Hour},
		"spring forward, skipped":    {hours(t, "Europe/Berlin", "02:00-03:00"), "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 0},
		"spring forward, half of it": {hours(t, "Europe/Berlin", "02:30-03:30"), "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 30 * time.Minute},
		"fall back, a night":         {hours(t, "America/New_York", "00:00-06:00"), "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", 7 * time.Hour},
		"fall back, the hour twice":  {hours(t, "America/New_York", "01:00-02:00"), "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", 2 * time.Hour},
		"fall back, touching":        {hours(t, "America/New_York", "00:00-01:30", "01:30-03:00"), "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z", 4 * time.Hour},
		"midnight skipped":           {hours(t, "Africa/Cairo", "00:00-02:00"), "2026-04-23T21:00:00Z", "2026-04-24T12:00:00Z", time.Hour},
		"half an hour of summer":     {hours(t, "Australia/Lord_Howe", "00:00-24:00"), "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z", 23*time.Hour + 30*time.Minute},
		"a date that never was":      {hours(t, "Pacific/Apia", "00:00-24:00"), "2011-12-29T10:00:00Z", "2011-12-31T10:00:00Z", 48 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.hours.OpenBetween(instant(t, c.from), instant(t, c.to)); got != c.want {
				t.Errorf("%v are open, want %v", got, c.want)
			}
		})
	}
}

func TestOpenNow(t *testing.T) {
	h := hours(t, "Europe/Berlin", working)
	for at, want := range map[string]bool{
		"2026-03-02T08:00:00Z": true, "2026-03-02T07:59:59Z": false, "2026-03-02T16:00:00Z": false, "2026-03-02T15:59:59Z": true,
		"2026-03-07T12:00:00Z": false, "2026-07-01T07:00:00Z": true,
	} {
		if got := h.Open(instant(t, at)); got != want {
			t.Errorf("open at %s: %v", at, got)
		}
	}
	if always := (*review.Hours)(nil); !always.Open(time.Now()) {
		t.Error("no hours are not always")
	}
}

// Hours that are tried in properties, and instants around days on which clocks are changed.
func drawn(t *testing.T, f func(t *testing.T, h *review.Hours, at func() time.Time)) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	for name, h := range map[string]*review.Hours{
		"always": nil, "office": hours(t, "Europe/Berlin", working), "nights": hours(t, "America/New_York", "22:00-24:00", "00:00-06:00"),
		"odd": hours(t, "Africa/Cairo", "00:00-00:30", "mon,sat 01:15-23:59"), "one day": hours(t, "Pacific/Apia", "sun 12:00-13:00"),
		"half": hours(t, "Australia/Lord_Howe", "01:00-02:00", "14:00-15:00"),
	} {
		t.Run(name, func(t *testing.T) {
			f(t, h, func() time.Time {
				days := []string{"2026-03-28T00:00:00Z", "2026-10-24T00:00:00Z", "2026-10-31T00:00:00Z", "2026-04-23T00:00:00Z", "2026-10-03T00:00:00Z"}
				return instant(t, days[rng.IntN(len(days))]).Add(time.Duration(rng.Int64N(int64(96 * time.Hour)))).Truncate(time.Second)
			})
		})
	}
}

// What is open in two spans that touch is what is open in both together.
func TestOpenTimeAdds(t *testing.T) {
	drawn(t, func(t *testing.T, h *review.Hours, at func() time.Time) {
		for range 500 {
			a, b, c := at(), at(), at()
			if b.Before(a) {
				a, b = b, a
			}
			if c.Before(a) {
				a, b, c = c, a, b
			} else if c.Before(b) {
				b, c = c, b
			}
			if sum, whole := h.OpenBetween(a, b)+h.OpenBetween(b, c), h.OpenBetween(a, c); sum != whole {
				t.Fatalf("%v–%v–%v: the parts are %v, the whole %v", a, b, c, sum, whole)
			}
		}
	})
}

// Add is the inverse: exactly so much is open until then, it is open just before, and adding twice is adding the sum.
func TestAddIsTheInverse(t *testing.T) {
	drawn(t, func(t *testing.T, h *review.Hours, at func() time.Time) {
		for i := range 500 {
			from, d := at(), time.Duration(i)*7*time.Minute+time.Second
			to := h.Add(from, d)
			if got := h.OpenBetween(from, to); got != d {
				t.Fatalf("%v + %v = %v, between which %v are open", from, d, to, got)
			}
			if !h.Open(to.Add(-time.Nanosecond)) {
				t.Fatalf("%v + %v = %v, before which nobody is there", from, d, to)
			}
			if twice := h.Add(h.Add(from, d), d); !twice.Equal(h.Add(from, 2*d)) {
				t.Fatalf("%v + %v twice is %v, not %v", from, d, twice, h.Add(from, 2*d))
			}
			if open := h.Add(from, 0); !h.Open(open) || h.OpenBetween(from, open) != 0 {
				t.Fatalf("the first open instant from %v on is %v", from, open)
			}
		}
	})
}

// Every instant is in one working day, whose days follow on one another.
func TestWorkingDays(t *testing.T) {
	drawn(t, func(t *testing.T, h *review.Hours, at func() time.Time) {
		for range 200 {
			now := at()
			from, until := h.Day(now)
			if now.Before(from) || !now.Before(until) {
				t.Fatalf("%v is not in its day, %v to %v", now, from, until)
			}
			if next, _ := h.Day(until); !next.Equal(until) {
				t.Fatalf("after the day until %v comes one from %v", until, next)
			}
		}
	})
	friday, monday := instant(t, "2026-03-06T16:00:00Z"), instant(t, "2026-03-09T16:00:00Z")
	if from, until := hours(t, "Europe/Berlin", working).Day(instant(t, "2026-03-07T12:00:00Z")); !from.Equal(friday) || !until.Equal(monday) {
		t.Errorf("a Saturday is in the day from %v until %v", from, until)
	}
}

// A time that never comes is one that is far away, soon found.
func TestNeverOpen(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	if got := hours(t, "", "mon 00:00-00:01").Add(now, 1000*time.Hour); got.Before(now.AddDate(4, 0, 0)) {
		t.Errorf("it comes at %v", got)
	}
}

func TestBadHours(t *testing.T) {
	for problem, cfg := range map[string]*candorv1.Hours{
		"time_zone: there is no zone":        hoursOf("Europe/Atlantis", "09:00-17:00"),
		`time_zone: there is no zone "Local`: hoursOf("Local", "09:00-17:00"),
		"shifts[0].until: is not after":      hoursOf("", "22:00-06:00"),
		"shifts[1].from: \"25:00\"":          hoursOf("", "09:00-17:00", "25:00-26:00"),
		"shifts[0].until: \"nine\"":          hoursOf("", "09:00-nine"),
	} {
		if _, err := review.NewHours(cfg); err == nil || !strings.Contains(err.Error(), problem) {
			t.Errorf("%v, want %s", err, problem)
		}
	}
}
