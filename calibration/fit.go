package calibration

import (
	"fmt"
	"slices"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Method names a kind of calibrator, as on the command line.
type Method string

// The methods that there are. Platt and temperature do with few rows; isotonic and Venn-Abers bend to any shape and need
// about a thousand (Niculescu-Mizil & Caruana, ICML 2005).
const (
	MethodTemperature Method = "temperature"
	MethodPlatt       Method = "platt"
	MethodIsotonic    Method = "isotonic"
	MethodBeta        Method = "beta"
	MethodVennAbers   Method = "venn-abers"
)

// Methods are all of them.
func Methods() []Method {
	return []Method{MethodTemperature, MethodPlatt, MethodIsotonic, MethodBeta, MethodVennAbers}
}

// minRows is the least number of rows that each method is fitted to. Below it the curve is noise: Platt's two and
// temperature's one number need some ten rows each, a free curve a hundred.
func (m Method) minRows() int {
	switch m {
	case MethodIsotonic, MethodVennAbers:
		return 100
	case MethodBeta:
		return 30
	}
	return 20
}

// RowsError says that a sample is too small, and how many rows are needed.
type RowsError struct {
	What        string
	Have, Needs int
}

func (e *RowsError) Error() string {
	return fmt.Sprintf("%s needs at least %d rows, there are %d", e.What, e.Needs, e.Have)
}

// Fit fits a calibrator and answers an artefact with that body, and the labels in its scope; the rest of the scope, its name
// and what it was fitted on are the caller's. Errors: *SampleError, *RowsError, or what is wrong with the sample in plain words.
func Fit(m Method, s Sample) (*candorv1.Artefact, error) {
	if !slices.Contains(Methods(), m) {
		var names []string
		for _, m := range Methods() {
			names = append(names, string(m))
		}
		return nil, fmt.Errorf("%q is no method; use one of %s", m, strings.Join(names, ", "))
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	if n := len(s.Probs); n < m.minRows() {
		return nil, &RowsError{"method " + string(m), n, m.minRows()}
	}
	a := &candorv1.Artefact{Scope: &candorv1.ArtefactScope{Labels: slices.Clone(s.Labels)}}
	switch m {
	case MethodTemperature:
		b, err := FitTemperature(s)
		if err != nil {
			return nil, err
		}
		a.Body = &candorv1.Artefact_Temperature{Temperature: b}
	case MethodPlatt:
		b, err := FitPlatt(s)
		if err != nil {
			return nil, err
		}
		a.Body = &candorv1.Artefact_Platt{Platt: b}
	case MethodIsotonic:
		b, err := FitIsotonic(s)
		if err != nil {
			return nil, err
		}
		a.Body = &candorv1.Artefact_Isotonic{Isotonic: b}
	case MethodBeta:
		b, err := FitBeta(s)
		if err != nil {
			return nil, err
		}
		a.Body = &candorv1.Artefact_Beta{Beta: b}
	case MethodVennAbers:
		b, err := FitVennAbers(s)
		if err != nil {
			return nil, err
		}
		a.Body = &candorv1.Artefact_VennAbers{VennAbers: b}
	}
	return a, nil
}

// onePair checks a sample for the methods that map one number.
func (s Sample) onePair() (pairs, error) {
	if err := s.Check(); err != nil {
		return pairs{}, err
	}
	if err := s.twoClasses(); err != nil {
		return pairs{}, err
	}
	p := s.pairs()
	switch p.hits() {
	case 0:
		return pairs{}, &SampleError{-1, "no row's answer is right, so nothing can be fitted; check the order of the labels"}
	case len(p.hit):
		return pairs{}, &SampleError{-1, "every row's answer is right, so nothing says how often it is wrong; use more rows, some of which the model gets wrong"}
	}
	return p, nil
}

// twoClasses refuses a sample of one true label.
func (s Sample) twoClasses() error {
	if len(s.Truth) == 0 {
		return &SampleError{-1, "there are no rows"}
	}
	for _, t := range s.Truth {
		if t != s.Truth[0] {
			return nil
		}
	}
	return &SampleError{-1, fmt.Sprintf("every row has the label %q; calibration needs rows of at least two labels", s.Labels[s.Truth[0]])}
}
