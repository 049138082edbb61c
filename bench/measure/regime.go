// Package measure runs the benchmark: every target in every regime once a round, in random order.
package measure

import "github.com/candor-gateway/candor/bench/payload"

// Regime is a kind of load.
type Regime struct {
	Name string
	// Title says it in a few words.
	Title string
	// InFlight requests in a closed loop, or Rate requests a second in an open one.
	InFlight, Rate int
	message        []byte
	answer         []byte
	rows           int
}

// connections of the load generator, in every regime.
const connections = 4

// Names of the regimes.
const (
	Small = "small"
	Open  = "open"
	Image = "image"
	Batch = "batch"
)

const batchRows = 256

// Regimes in the order of the report.
func Regimes() []Regime {
	one := payload.TabularRequest(1)
	oneAnswer := payload.Answer(payload.Tabular, 1, nil)
	return []Regime{
		{Name: Small, Title: "16 floats, 64 in flight on 4 connections", InFlight: 64, message: one, answer: oneAnswer, rows: 1},
		{Name: Open, Title: "16 floats, 4,000 a second, open loop", Rate: 4000, message: one, answer: oneAnswer, rows: 1},
		{Name: Image, Title: "602 kB image, 8 in flight", InFlight: 8, message: payload.ImageRequest(), answer: payload.Answer(payload.Image, 1, nil), rows: 1},
		{Name: Batch, Title: "batch of 256 rows, 16 in flight", InFlight: 16, message: payload.TabularRequest(batchRows),
			answer: payload.Answer(payload.Tabular, batchRows, nil), rows: batchRows},
	}
}

// Check of the answers of a target that may rewrite them, or not.
func (r Regime) check(rewrites bool) func([]byte) error {
	if rewrites {
		return payload.Valid(r.answer, r.rows)
	}
	return payload.Exactly(r.answer)
}

// RequestBytes is the size of a request's message.
func (r Regime) RequestBytes() int { return len(r.message) }

// Lighter are the same regimes at a load that any machine can take: to see that everything works.
func Lighter(regimes []Regime) []Regime {
	const lightRate = 400 // requests a second
	for i := range regimes {
		if regimes[i].Rate > 0 {
			regimes[i].Rate = lightRate
			regimes[i].Title = "16 floats, 400 a second, open loop"
		}
	}
	return regimes
}
