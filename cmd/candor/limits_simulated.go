package main

import (
	"fmt"
	"io"
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/limits"
)

// simulatedLimit is what the command says.
type simulatedLimit struct {
	Action   string `json:"action"`
	Model    string `json:"model,omitempty"`
	Consumer string `json:"consumer,omitempty"`
	MaxCount int64  `json:"max_count,omitempty"`
	// Unit of a sum; Key and Share where there are some.
	Unit   string  `json:"unit,omitempty"`
	Key    string  `json:"key,omitempty"`
	Share  float64 `json:"max_share,omitempty"`
	Window float64 `json:"window_seconds"`
	// ResetAfter 0: never.
	ResetAfter float64   `json:"reset_after_seconds"`
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until"`
	Answers    int64     `json:"answers"`
	// WithheldThen of the answers were withheld by limits at the time.
	WithheldThen int64 `json:"withheld_then"`
	// Uncounted answers have no amount or key in the log, and are left out.
	Uncounted int64           `json:"uncounted,omitempty"`
	Withheld  int64           `json:"withheld"`
	Trips     []simulatedTrip `json:"trips"`
	// Peak is the most in any window, and the least max_count that would not have tripped, of the key PeakKey; PeakEnd is null without
	// answers.
	Peak    int64      `json:"peak"`
	PeakEnd *time.Time `json:"peak_end"`
	PeakKey string     `json:"peak_key,omitempty"`
	// Of a ratio: the answers of its denominator beside its own, and the largest share that its own came to, the least max_share that
	// would not have tripped; 1: none.
	Others    int64   `json:"others,omitempty"`
	PeakShare float64 `json:"peak_share,omitempty"`
}

type simulatedTrip struct {
	Key      string     `json:"key,omitempty"`
	At       time.Time  `json:"at"`
	Bound    int64      `json:"bound"`
	Withheld int64      `json:"withheld"`
	Reset    *time.Time `json:"reset"`
}

// simulatedTrips shows the trips, each with its key as the answers have it; of keys that share a place, with what that is called.
func simulatedTrips(def limits.Definition, answers []limits.Offer, trips []limits.SimulatedTrip) []simulatedTrip {
	keys := map[string]string{}
	if def.Key != "" && len(trips) > 0 {
		for _, a := range answers {
			keys[limits.KeyName(def.Name, a.Key)] = a.Key
		}
	}
	out := []simulatedTrip{}
	for _, t := range trips {
		key, known := keys[t.Limit]
		if !known {
			_, key, _ = limits.SplitName(t.Limit)
		}
		trip := simulatedTrip{Key: key, At: t.At, Bound: t.Bound, Withheld: t.Withheld}
		if !t.Reset.IsZero() {
			trip.Reset = &t.Reset
		}
		out = append(out, trip)
	}
	return out
}

func (s *simulatedLimit) write(w io.Writer) error {
	window := cli.Span(time.Duration(s.Window * float64(time.Second)))
	head := [][]string{
		{"limit", fmt.Sprintf("%s, model %s, consumer %s, at most %s in %s%s", s.Action, all(s.Model), all(s.Consumer), s.bound(), window, s.split())},
		{"log", fmt.Sprintf("%s to %s: %s, %d of them withheld then", cli.Time(s.Since), cli.Time(s.Until), cli.Count(s.Answers, "answer"), s.WithheldThen)},
	}
	if s.Share > 0 {
		head = append(head, []string{"among", cli.Count(s.Others, "other answer") + " of the denominator"})
	}
	if s.Uncounted > 0 {
		head = append(head, []string{"left out", cli.Count(s.Uncounted, "answer") + " without an amount or a key in the log"})
	}
	switch {
	case s.Answers == 0:
		head = append(head, []string{"result", "there is nothing to simulate it with"})
	case len(s.Trips) == 0 && s.Share > 0:
		head = append(head, []string{"result", fmt.Sprintf("it would not have tripped; the largest share was %s, until %s%s", shareWords(s.PeakShare), cli.Time(*s.PeakEnd), s.peakOf())})
	case len(s.Trips) == 0:
		head = append(head, []string{"result", fmt.Sprintf("it would not have tripped; the most in %s was %s, until %s%s", window, limits.Words(s.Peak, s.Unit), cli.Time(*s.PeakEnd), s.peakOf())})
	default:
		reset := "if nobody had reset it"
		if s.ResetAfter > 0 {
			reset = "if every trip had been reset after " + cli.Span(time.Duration(s.ResetAfter*float64(time.Second)))
		}
		head = append(head, []string{"result", fmt.Sprintf("it would have tripped %s and withheld %d of %s, %s", times(len(s.Trips)), s.Withheld, cli.Count(s.Answers, "answer"), reset)})
		switch {
		case s.Share > 0 && s.PeakShare < 1:
			head = append(head, []string{"instead", fmt.Sprintf("max_share %s would not have tripped: the most, until %s%s", cli.Number(s.PeakShare), cli.Time(*s.PeakEnd), s.peakOf())})
		case s.Share == 0:
			field := fmt.Sprintf("max_count %d", s.Peak)
			if s.Unit != "" {
				field = fmt.Sprintf("max %d (%s)", s.Peak, limits.Words(s.Peak, s.Unit))
			}
			head = append(head, []string{"instead", fmt.Sprintf("%s would not have tripped: the most in %s, until %s%s", field, window, cli.Time(*s.PeakEnd), s.peakOf())})
		}
	}
	if err := cli.Columns(w, head); err != nil || len(s.Trips) == 0 {
		return err
	}
	table := [][]string{{"TRIPPED", "BOUND", "WITHHELD", "RESET"}}
	if s.Key != "" {
		table[0] = append(table[0], "KEY")
	}
	for _, t := range s.Trips {
		reset := ""
		if t.Reset != nil {
			reset = cli.Time(*t.Reset)
		}
		cells := []string{cli.Time(t.At), limits.Words(t.Bound, s.Unit), cli.Count(t.Withheld, "answer"), reset}
		if s.Key != "" {
			cells = append(cells, t.Key)
		}
		table = append(table, cells)
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return cli.Table(w, table)
}

// bound in words.
func (s *simulatedLimit) bound() string {
	if s.Share > 0 {
		return shareWords(s.Share)
	}
	return limits.Words(s.MaxCount, s.Unit)
}

// split says by what the limit is split; empty: it isn't.
func (s *simulatedLimit) split() string {
	if s.Key == "" {
		return ""
	}
	return " for each " + s.Key
}

func (s *simulatedLimit) peakOf() string {
	if s.Key == "" {
		return ""
	}
	return fmt.Sprintf(", of %q", s.PeakKey)
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}
