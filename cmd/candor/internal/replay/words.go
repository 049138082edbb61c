package replay

import (
	"fmt"
	"math"
	"strconv"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/replay"
)

func part(k, n uint64) float64 {
	if n == 0 {
		return 0
	}
	return float64(k) / float64(n)
}

// percent writes a share with at most two decimals; one that is not 0 is never written as 0.
func percent(p float64) string {
	switch v := math.Round(p*1e4) / 100; {
	case p > 0 && v == 0:
		return "<0.01 %"
	default:
		return strconv.FormatFloat(v, 'f', -1, 64) + " %"
	}
}

func share(s replay.Share) string {
	if s.Of == 0 {
		return "none of 0"
	}
	return fmt.Sprintf("%s (%d of %d, %s to %s)", percent(s.Share), s.Rows, s.Of, percent(s.Low), percent(s.High))
}

func number(v *float64) string {
	if v == nil {
		return "none"
	}
	return cli.Number(*v)
}

func quantity(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }

func between(low, high float64) string {
	if low == high {
		return quantity(low)
	}
	return quantity(low) + " to " + quantity(high)
}

func wholeBetween(low, high uint64) string {
	if low == high {
		return fmt.Sprint(low)
	}
	return fmt.Sprintf("%d to %d", low, high)
}

// change is how many percent more or less an action is taken; empty where it can't be told, or nothing changes.
func change(a replay.Action) string {
	if a.Before == 0 || a.After == a.Before && a.Most == a.Before {
		return ""
	}
	by := func(n uint64) string { return fmt.Sprintf("%+.1f %%", 100*(float64(n)/float64(a.Before)-1)) }
	if a.After == a.Most {
		return " (" + by(a.After) + ")"
	}
	return " (" + by(a.After) + " to " + by(a.Most) + ")"
}
