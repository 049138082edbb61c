package monitor

import (
	"cmp"
	"slices"
	"strings"
	"sync"
)

// Options of one model's monitors; the configuration has their defaults.
type Options struct {
	// MinRows of the reference, of each window, and of the verdicts of a window; at least 2.
	MinRows uint64
	// PSI that warns, above 0.
	PSI float64
	// FalseAlerts is the level in (0,1) of the procedure over all p-values.
	FalseAlerts float64
	// MaxFallbackShare in (0,1].
	MaxFallbackShare float64
}

// Spec says what a Stream watches: the answers of one stage of a model.
type Spec struct {
	Model, Stage, Version string
	// Field of the answers; empty: the model has one.
	Field string
	// Labels that answers have; none: answers are values, and there is neither label shift, CBPE nor prediction bias.
	Labels []string
	// Scored stages have confidences; without, only the share of fallbacks is watched.
	Scored bool
	// Primary: the model's first stage, where the share of fallbacks is watched.
	Primary bool
}

// Source says which stage's answer left for a row.
type Source uint8

// Sources of an answer.
const (
	// NoAnswer left, or another stream counts it.
	NoAnswer Source = iota
	Primary
	Other
)

// Row is one answer of the stage.
type Row struct {
	// Confidence in [0,1]; anything else, NaN too, is counted as absent.
	Confidence float64
	// Label is the answer's index in Spec.Labels.
	Label int
	// Right is the probability in [0,1] that the answer is right, by its own account. As Confidence, wanted where there are
	// labels.
	Right float64
	From  Source
}

// Verdict says whether an answer of the stage was right.
type Verdict struct {
	// Right is what Row.Right was.
	Right   float64
	Correct bool
	// Probability in (0,1] with which the row was chosen to be judged; a verdict without is not counted.
	Probability float64
}

// Set has all monitors of a gateway. It may be used by any number of goroutines.
type Set struct {
	mu      sync.Mutex
	streams []*Stream
}

// New makes a Set that watches nothing yet.
func New() *Set { return &Set{} }

// MaxSegments of a stream; rows of further ones count for the rest. A policy has at most 32.
const MaxSegments = 64

// Stream is the monitors of one stage. It may be used by any number of goroutines.
type Stream struct {
	spec Spec
	opts Options
	rest *series

	mu       sync.RWMutex
	segments map[string]*series
}

// NewStream makes the monitors of a stage, which Show shows.
func NewStream(spec Spec, o Options) *Stream {
	st := &Stream{spec: spec, opts: o.atLeast(), segments: map[string]*series{}}
	st.rest = st.newSeries()
	return st
}

func (o Options) atLeast() Options {
	o.MinRows = max(o.MinRows, 2)
	return o
}

// Watches says that the stream is of such a stage, with these options.
func (st *Stream) Watches(spec Spec, o Options) bool {
	return st.opts == o.atLeast() && slices.Equal(st.spec.Labels, spec.Labels) && st.spec.Model == spec.Model && st.spec.Stage == spec.Stage &&
		st.spec.Version == spec.Version && st.spec.Field == spec.Field && st.spec.Scored == spec.Scored && st.spec.Primary == spec.Primary
}

// Watch adds a stage.
func (s *Set) Watch(spec Spec, o Options) *Stream {
	st := NewStream(spec, o)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams = inOrder(append(s.streams, st))
	return st
}

// Show has the set watch these stages and no others.
func (s *Set) Show(streams []*Stream) {
	streams = inOrder(slices.Clone(streams))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams = streams
}

func inOrder(streams []*Stream) []*Stream {
	slices.SortStableFunc(streams, func(a, b *Stream) int {
		return cmp.Or(strings.Compare(a.spec.Model, b.spec.Model), strings.Compare(a.spec.Stage, b.spec.Stage))
	})
	return streams
}

func (st *Stream) newSeries() *series {
	s := &series{}
	s.reference.labels, s.window.labels = make([]uint32, len(st.spec.Labels)), make([]uint32, len(st.spec.Labels))
	return s
}

// Row counts a row of a segment; "": of the rest. It reports whether that completed a window, so that Status says something new. It
// allocates nothing, except for a segment's first row and for a full window.
func (st *Stream) Row(segment string, r Row) bool { return st.seriesOf(segment).row(st, r) }

// Verdict counts a verdict as Row does a row.
func (st *Stream) Verdict(segment string, v Verdict) bool { return st.seriesOf(segment).verdict(st, v) }

func (st *Stream) seriesOf(segment string) *series {
	if segment == "" {
		return st.rest
	}
	st.mu.RLock()
	s := st.segments[segment]
	st.mu.RUnlock()
	if s != nil {
		return s
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	switch s := st.segments[segment]; {
	case s != nil:
		return s
	case len(st.segments) >= MaxSegments:
		return st.rest
	}
	s = st.newSeries()
	st.segments[strings.Clone(segment)] = s
	return s
}

// usable says that a row can be counted in every monitor of the stream.
func (st *Stream) usable(r Row) bool {
	if !st.spec.Scored || !inUnit(r.Confidence) {
		return false
	}
	return len(st.spec.Labels) == 0 || r.Label >= 0 && r.Label < len(st.spec.Labels) && inUnit(r.Right)
}
