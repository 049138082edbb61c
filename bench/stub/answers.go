package stub

import (
	"fmt"
	"sync"

	"github.com/candor-gateway/candor/bench/h2"
	"github.com/candor-gateway/candor/bench/payload"
)

// model is what a model of the stub is unsure about.
type model struct {
	period uint64 // after which its answers repeat
	unsure func(n uint64) bool
}

var models = map[string]model{
	payload.Tabular:       {period: 1},
	payload.Image:         {period: 1},
	payload.TabularMixed:  {period: payload.Period, unsure: payload.MixedUnsure},
	payload.ImageMixed:    {period: payload.Period, unsure: payload.MixedUnsure},
	payload.SecondTabular: {period: payload.SecondPeriod, unsure: payload.SecondUnsure},
	payload.SecondImage:   {period: payload.SecondPeriod, unsure: payload.SecondUnsure},
}

// answerKey names an answer: the model, how many rows, and where in the model's period the first one is.
type answerKey struct {
	model string
	rows  int
	phase uint64
}

// answers holds every answer that was ever given, as a message with its prefix.
type answers struct {
	mu   sync.Mutex
	seen map[string]uint64 // rows by model
	made map[answerKey][]byte
}

func newAnswers() *answers { return &answers{seen: map[string]uint64{}, made: map[answerKey][]byte{}} }

// maxRows keeps an answer within one frame.
const maxRows = 1024

// to answers a request.
func (a *answers) to(r request) ([]byte, error) {
	m, ok := models[string(r.model)]
	if !ok {
		return nil, fmt.Errorf("there is no model %q here", r.model)
	}
	if r.rows < 1 || r.rows > maxRows {
		return nil, fmt.Errorf("a request of %d rows; there can be 1 to %d", r.rows, maxRows)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	key := answerKey{model: string(r.model), rows: r.rows}
	if m.unsure != nil {
		n := a.seen[key.model]
		a.seen[key.model] = n + uint64(r.rows)
		key.phase = n % m.period
	}
	msg, ok := a.made[key]
	if !ok {
		var unsure func(int) bool
		if m.unsure != nil {
			unsure = func(row int) bool { return m.unsure(key.phase + uint64(row)) }
		}
		msg = h2.Message(payload.Answer(key.model, key.rows, unsure))
		a.made[key] = msg
	}
	return msg, nil
}
