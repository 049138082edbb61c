package review

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Hours are when a queue's people are at work. Nil is always. Read-only and safe for concurrent use.
//
// A time of day is the first instant of its date at which the clock shows it or something later. So one that a clock skips is the
// instant at which it skips, one that it shows twice is the first of both, and shifts that touch leave neither a gap nor an overlap on
// the days on which clocks are changed.
type Hours struct {
	zone *time.Location
	// week has the shifts of each time.Weekday in order, none touching the next.
	week [7][]shift
}

// shift is a part of a day, in minutes after midnight: [from, until).
type shift struct{ from, until int }

// horizon is how far Add and Day look for open hours: nobody plans further.
const horizon = 5 * 366

// weekdays are the names of config.proto, in the order of time.Weekday.
var weekdays = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// NewHours compiles the hours of a queue; nil stays nil. The zone comes from the system's database of zones, or from the program's.
// Errors: a zone that isn't known, a shift that doesn't end after it begins.
func NewHours(cfg *candorv1.Hours) (*Hours, error) {
	if cfg == nil {
		return nil, nil
	}
	zone := time.UTC
	if name := cfg.GetTimeZone(); name != "" {
		var err error
		if zone, err = time.LoadLocation(name); err != nil || name == "Local" {
			return nil, fmt.Errorf("time_zone: there is no zone %q; write one of the IANA database, such as Europe/Berlin", name)
		}
	}
	h := &Hours{zone: zone}
	for i, s := range cfg.GetShifts() {
		from, err := minutes(s.GetFrom())
		if err != nil {
			return nil, fmt.Errorf("shifts[%d].from: %w", i, err)
		}
		until, err := minutes(s.GetUntil())
		if err != nil {
			return nil, fmt.Errorf("shifts[%d].until: %w", i, err)
		}
		if until <= from {
			return nil, fmt.Errorf("shifts[%d].until: is not after from; write two shifts for one that goes over midnight", i)
		}
		for day, name := range weekdays {
			if len(s.GetDays()) == 0 || slices.Contains(s.GetDays(), name) {
				h.week[day] = append(h.week[day], shift{from, until})
			}
		}
	}
	for day := range h.week {
		h.week[day] = joined(h.week[day])
	}
	return h, nil
}

// minutes reads a time such as 09:30; 24:00 is the end of the day.
func minutes(text string) (int, error) {
	hour, minute, ok := strings.Cut(text, ":")
	h, err := strconv.Atoi(hour)
	m, err2 := strconv.Atoi(minute)
	if !ok || err != nil || err2 != nil || h < 0 || m < 0 || m > 59 || h*60+m > 24*60 {
		return 0, fmt.Errorf("%q is not a time of day; write one such as 09:30", text)
	}
	return h*60 + m, nil
}

// joined sorts shifts and makes one of those that touch.
func joined(shifts []shift) []shift {
	slices.SortFunc(shifts, func(a, b shift) int { return a.from - b.from })
	var out []shift
	for _, s := range shifts {
		if n := len(out); n > 0 && s.from <= out[n-1].until {
			out[n-1].until = max(out[n-1].until, s.until)
			continue
		}
		out = append(out, s)
	}
	return out
}

// span is [from, until).
type span struct{ from, until time.Time }

// date is a day of the calendar in the hours' zone.
type date struct {
	year  int
	month time.Month
	day   int
}

func (h *Hours) dateOf(t time.Time) date {
	year, month, day := t.In(h.zone).Date()
	return date{year, month, day}
}

// plus is the date some days later.
func (d date) plus(days int) date {
	year, month, day := time.Date(d.year, d.month, d.day+days, 12, 0, 0, 0, time.UTC).Date()
	return date{year, month, day}
}

func (d date) weekday() time.Weekday {
	return time.Date(d.year, d.month, d.day, 12, 0, 0, 0, time.UTC).Weekday()
}

// open answers the open spans of a date, in order; one that the clock skips as a whole is left out.
func (h *Hours) open(d date) []span {
	shifts := h.week[d.weekday()]
	out := make([]span, 0, len(shifts))
	for _, s := range shifts {
		if o := (span{h.at(d, s.from), h.at(d, s.until)}); o.from.Before(o.until) {
			out = append(out, o)
		}
	}
	return out
}

// at is the first instant of the date at which the clock shows the minute or a later one.
func (h *Hours) at(d date, minute int) time.Time {
	t := time.Date(d.year, d.month, d.day, 0, minute, 0, 0, h.zone)
	want := time.Date(d.year, d.month, d.day, 0, minute, 0, 0, time.UTC)
	begun, ends := t.ZoneBounds()
	_, now := t.Zone()
	switch shown := t.Add(time.Duration(now) * time.Second).UTC(); {
	case shown.After(want) && !begun.IsZero():
		return begun // The clock skipped it.
	case shown.Before(want) && !ends.IsZero():
		return ends
	}
	if !begun.IsZero() {
		// The clock may have shown it before it was put back.
		_, before := begun.Add(-time.Nanosecond).Zone()
		if first := want.Add(-time.Duration(before) * time.Second); first.Before(begun) {
			return first.In(h.zone)
		}
	}
	return t
}

// Open says that somebody is at work.
func (h *Hours) Open(now time.Time) bool {
	if h == nil {
		return true
	}
	return slices.ContainsFunc(h.open(h.dateOf(now)), func(o span) bool { return !now.Before(o.from) && now.Before(o.until) })
}

// OpenBetween is how much of [from, to) is open; 0 where to is not after from.
func (h *Hours) OpenBetween(from, to time.Time) time.Duration {
	if !from.Before(to) {
		return 0
	}
	if h == nil {
		return to.Sub(from)
	}
	var sum time.Duration
	for d := h.dateOf(from); ; d = d.plus(1) {
		if !h.at(d, 0).Before(to) {
			return sum
		}
		for _, o := range h.open(d) {
			begin, end := later(o.from, from), earlier(o.until, to)
			if begin.Before(end) {
				sum += end.Sub(begin)
			}
		}
	}
}

// Add is the first instant at which the open time since t is at least d; with d of 0 or less, the first open one from t on. It is in
// t's location. Where five years don't bring that much it is t after five years.
func (h *Hours) Add(t time.Time, d time.Duration) time.Time {
	d = max(d, 0)
	if h == nil {
		return t.Add(d)
	}
	first := h.dateOf(t)
	for i := range horizon {
		for _, o := range h.open(first.plus(i)) {
			begin := later(o.from, t)
			if !begin.Before(o.until) {
				continue
			}
			if room := o.until.Sub(begin); d <= room {
				return begin.Add(d).In(t.Location())
			} else {
				d -= room
			}
		}
	}
	return t.AddDate(0, 0, horizon)
}

// Day is the working day that t belongs to: from the end of one day's last shift to that of the next. Work that comes while nobody is
// there is the next day's. Of people who are always there a day is one of the calendar, in UTC.
func (h *Hours) Day(t time.Time) (from, until time.Time) {
	if h == nil {
		y, m, d := t.UTC().Date()
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC), time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC)
	}
	today := h.dateOf(t)
	until, from = t.AddDate(0, 0, horizon), t.AddDate(0, 0, -horizon)
	for i := range horizon {
		if end, ok := h.closing(today.plus(i)); ok && end.After(t) {
			until = end
			break
		}
	}
	for i := range horizon {
		if end, ok := h.closing(today.plus(-i)); ok && !end.After(t) {
			from = end
			break
		}
	}
	return from.In(t.Location()), until.In(t.Location())
}

// closing is the end of a date's last shift; false: it has none.
func (h *Hours) closing(d date) (time.Time, bool) {
	open := h.open(d)
	if len(open) == 0 {
		return time.Time{}, false
	}
	return open[len(open)-1].until, true
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
