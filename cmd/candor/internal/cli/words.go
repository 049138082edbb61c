package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// enum is what generated enums are.
type enum interface {
	Descriptor() protoreflect.EnumDescriptor
	Number() protoreflect.EnumNumber
}

// Enum answers a value's short name: ACCEPT for ROUTE_ACCEPT.
func Enum(e enum) string {
	v := e.Descriptor().Values().ByNumber(e.Number())
	if v == nil {
		return strconv.Itoa(int(e.Number()))
	}
	return strings.TrimPrefix(string(v.Name()), enumPrefix(e.Descriptor()))
}

// ParseEnum finds a value by its short name, in either case and with - for _. The zero value can't be named. Errors list what
// there is.
func ParseEnum[E enum](name string) (E, error) {
	var zero E
	values := zero.Descriptor().Values()
	want := strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
	var known []string
	for i := range values.Len() {
		v := values.Get(i)
		short := strings.TrimPrefix(string(v.Name()), enumPrefix(zero.Descriptor()))
		if v.Number() == 0 {
			continue
		}
		if short == want {
			return any(zero).(protoreflect.Enum).Type().New(v.Number()).(E), nil
		}
		known = append(known, strings.ToLower(short))
	}
	return zero, fmt.Errorf("%q is none of %s", name, strings.Join(known, ", "))
}

// enumPrefix is what every value of an enum begins with, by the style of our protos: that of its zero.
func enumPrefix(d protoreflect.EnumDescriptor) string {
	return strings.TrimSuffix(string(d.Values().ByNumber(0).Name()), "UNSPECIFIED")
}

// Number writes a confidence, a threshold or the like: at most six decimals, which is what records keep, and at least two.
func Number(v float64) string {
	s := strconv.FormatFloat(v, 'f', 6, 64)
	whole, decimals, _ := strings.Cut(s, ".")
	decimals = strings.TrimRight(decimals, "0")
	for len(decimals) < 2 {
		decimals += "0"
	}
	return whole + "." + decimals
}

// Quantity writes a value of any size, such as a feature or a regression's answer.
func Quantity(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// Span writes a length of time with its two largest units: 31 d 4 h, 12 min 5 s, 7 s.
func Span(d time.Duration) string {
	if d < 0 {
		return "-" + Span(-d)
	}
	const day = 24 * time.Hour
	units := []struct {
		length time.Duration
		name   string
	}{{365 * day, "y"}, {day, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
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
	return "0 s"
}

// Millis writes the length of a stage.
func Millis(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 1, 64) + " ms"
}

// Count writes a number with its noun: 1 item, 2 items.
func Count[N int | int64 | uint64 | uint32](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
