package condition

import (
	"time"

	"github.com/google/cel-go/cel"
)

// Vars are the variables of one evaluation. A program reads those of its [Kind] only. They belong to the caller, who may change
// and use them again between evaluations, but not share them between goroutines: what is expensive to make is made when it is
// first read, and kept.
type Vars struct {
	Evidence *Evidence
	Card     *Card
	// Params are the request's parameters: bool, int64, uint64, float64, or what [Text] makes of a string.
	Params          map[string]any
	Consumer, Model string
	// Row counts from 0.
	Row int
	// Inputs are the numbers of the row's inputs, and Texts the strings of those that are BYTES, by the input's name.
	Inputs map[string][]float64
	Texts  map[string][]string
}

// Evidence is what one stage has said of a row. What is not there can be asked for with has(); reading it is an error.
type Evidence struct {
	// Stage is the name of the backend or ensemble.
	Stage string
	// Field of the row; empty: the model has one.
	Field string
	// Label of the answer; empty: there is none.
	Label string
	// Value of a regression, in the model's unit; nil: none.
	Value *float64
	// Confidence and RawConfidence are in [0,1]; nil: none.
	Confidence, RawConfidence *float64
	// Uncertainty, at least 0, is there when UncertaintyKind is.
	Uncertainty     float64
	UncertaintyKind string
	ScoreKind       string
	// Probs are the class probabilities in the order of Labels.
	Labels []string
	Probs  []float64
	// Faults are the reasons why the answer can't be used.
	Faults []string

	byLabel map[string]float64
}

// Set takes over a new Evidence.
func (e *Evidence) Set(next Evidence) {
	*e = next
	e.byLabel = nil
}

func (e *Evidence) probabilities() map[string]float64 {
	if e.byLabel == nil {
		e.byLabel = make(map[string]float64, len(e.Labels))
		for i, label := range e.Labels {
			e.byLabel[label] = e.Probs[i]
		}
	}
	return e.byLabel
}

// Card is what is known of the model whatever it answers.
type Card struct {
	Owner, Version string
	Created        time.Time
	// Age is the time since Created.
	Age time.Duration
}

var _ cel.Activation = (*Vars)(nil)

// ResolveName makes Vars a cel.Activation.
func (v *Vars) ResolveName(name string) (any, bool) {
	switch name {
	case "evidence":
		return v.Evidence, v.Evidence != nil
	case "card":
		return v.Card, v.Card != nil
	case "params":
		if v.Params == nil {
			return noParams, true
		}
		return v.Params, true
	case "consumer":
		return v.Consumer, true
	case "model":
		return v.Model, true
	case "row":
		return v.Row, true
	case "inputs":
		return v.Inputs, true
	case "texts":
		return v.Texts, true
	}
	return nil, false
}

// Parent makes Vars a cel.Activation; there is none.
func (v *Vars) Parent() cel.Activation { return nil }

// noParams is never changed.
var noParams = map[string]any{}
