package report

import (
	"encoding/json"
	"io"

	"github.com/candor-gateway/candor/bench/measure"
)

// Report is everything that a run has to say.
type Report struct {
	Run   Run         `json:"run"`
	Rows  []Row       `json:"rows"`
	Goals []Judgement `json:"goals"`
	// Routes are how many rows each Candor decided how, by target.
	Routes map[string]map[string]uint64 `json:"routes,omitempty"`
	// Samples are what the rows were made of.
	Samples []measure.Sample `json:"samples"`
	regimes []measure.Regime
}

// Run says how the figures were made.
type Run struct {
	Seed          uint64   `json:"seed"`
	Rounds        int      `json:"rounds"`
	WindowSeconds float64  `json:"window_seconds"`
	Machine       string   `json:"machine"`
	Go            string   `json:"go"`
	Targets       []Target `json:"targets"`
	Absent        []string `json:"absent,omitempty"`
	// Short runs show whether everything works; their numbers mean nothing.
	Short bool `json:"short,omitempty"`
}

// Target is a target and what it is.
type Target struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

// New makes the report of samples.
func New(run Run, regimes []measure.Regime, samples []measure.Sample) *Report {
	var names []string
	for _, t := range run.Targets {
		names = append(names, t.Name)
	}
	r := &Report{Run: run, Rows: rows(samples, names, regimes, run.Seed), Samples: samples, regimes: regimes}
	r.Goals = judge(run, r.Rows)
	return r
}

// JSON writes the report as it is.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", " ")
	return e.Encode(r)
}

// of are the rows of a regime.
func (r *Report) of(regime string) []Row {
	var out []Row
	for _, row := range r.Rows {
		if row.Regime == regime {
			out = append(out, row)
		}
	}
	return out
}

// Failed counts the requests that failed.
func (r *Report) Failed() uint64 {
	var n uint64
	for _, row := range r.Rows {
		n += row.Failed
	}
	return n
}

// CPU is the median CPU time of a target's requests in a regime, in microseconds; 0 where it is not known.
func (r *Report) CPU(target, regime string) float64 {
	for _, row := range r.of(regime) {
		if row.Target == target && row.CPU != nil {
			return row.CPU.Median
		}
	}
	return 0
}
