package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// span writes a length of time with its two largest units: 3 d 4 h, 12 min 5 s, 7 s. Above ten minutes seconds are left out:
// nobody acts on them, and a number that changes all the time draws the eye.
func span(d time.Duration) string {
	if d < 0 {
		return "−" + span(-d)
	}
	const day = 24 * time.Hour
	const exact = 10 * time.Minute
	if d >= exact {
		d = d.Truncate(time.Minute)
	}
	units := []struct {
		length time.Duration
		name   string
	}{{day, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.length {
			continue
		}
		out := fmt.Sprintf("%d %s", d/u.length, u.name)
		if i+1 < len(units) {
			if rest := d % u.length / units[i+1].length; rest > 0 {
				out += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return out
	}
	if d > 0 {
		return "< 1 s"
	}
	return "0 s"
}

// count writes a number with its noun: 1 item, 2 items.
func count(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// number writes a feature, a regression's value or a confidence: six digits are more than anybody compares.
func number(v float64) string {
	s := strconv.FormatFloat(v, 'g', 6, 64)
	return strings.Replace(s, "-", "−", 1)
}

// moment is a time as a person's clock and calendar have it.
func moment(t, now time.Time) string {
	t = t.In(now.Location())
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	if t.Year() == now.Year() {
		return t.Format("Mon 2 Jan 15:04")
	}
	return t.Format("2 Jan 2006 15:04")
}

// clock writes a short length of time as a countdown does: 4:05.
func clock(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	const minute, hour = 60, 3600
	if s >= hour {
		return fmt.Sprintf("%d:%02d:%02d", s/hour, s/minute%minute, s%minute)
	}
	return fmt.Sprintf("%d:%02d", s/minute, s%minute)
}

const hundred = 100

// percentage writes a confidence: whole percents, but for those that would look certain.
func percentage(x float64) string {
	switch p := hundred * x; {
	case p > 99 && p < 100, p > 0 && p < 1:
		return fmt.Sprintf("%.2f %%", p)
	default:
		return fmt.Sprintf("%.0f %%", p)
	}
}

// percent is a part of a whole in percent; nothing of nothing is a dash.
func percent(part, whole int64) string {
	if whole <= 0 {
		return "–"
	}
	return fmt.Sprintf("%.0f %%", hundred*float64(part)/float64(whole))
}

// queueName is a queue's name without its collection.
func queueName(name string) string { return strings.TrimPrefix(name, "queues/") }

// idOf is the id of a resource's name: what is behind the collection.
func idOf(name string) string {
	_, id, _ := strings.Cut(name, "/")
	return id
}

// shortID is the end of an id, which differs between items made in the same moment.
func shortID(name string) string {
	id := idOf(name)
	const enough = 8
	return id[max(0, len(id)-enough):]
}

// short answers an enum's value in lower case and without its prefix: low confidence for REASON_LOW_CONFIDENCE.
func short(e protoreflect.Enum) string {
	values := e.Descriptor().Values()
	v := values.ByNumber(e.Number())
	if v == nil {
		return strconv.Itoa(int(e.Number()))
	}
	prefix := strings.TrimSuffix(string(values.ByNumber(0).Name()), "UNSPECIFIED")
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(string(v.Name()), prefix), "_", " "))
}
