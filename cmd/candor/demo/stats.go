package demo

import (
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	"github.com/candor-gateway/candor/examples/digits"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// answer is what the consumer learnt about one row.
type answer struct {
	// predictionID of its call, which has rows rows.
	predictionID string
	rows         int
	// image is its index among the held-out images.
	image int
	route candorv1.Route
	// released says that the reply held an answer, and label is that one.
	released bool
	label    string
	// best is the machine's best answer, released or not; empty: no stage had one.
	best string
	// reasons as the metadata tells them; empty for rows of a batch that were released, because no tensor holds them.
	reasons []string
	// limit that withheld it.
	limit string
}

// machine says that the answer left without a human: the row was accepted, or a fallback stage answered it.
func (a answer) machine() bool {
	return a.released && (a.route == candorv1.Route_ROUTE_ACCEPT || a.route == candorv1.Route_ROUTE_FALLBACK)
}

// share of so many that were right.
type share struct{ right, of int }

func (s *share) add(right bool) {
	s.of++
	if right {
		s.right++
	}
}

// ratio is 0 for none of none.
func (s share) ratio() float64 {
	if s.of == 0 {
		return 0
	}
	return float64(s.right) / float64(s.of)
}

// figures are what has been counted so far.
type figures struct {
	rows   int
	routes map[candorv1.Route]int
	// byRoute is how often the released answers of a route were right.
	byRoute map[candorv1.Route]share
	// accepted, all and alone are the three accuracies of the summary; the command's help defines them.
	accepted, all, alone share
	// withheld by an action limit.
	withheld int
	// reasons of rows that a fallback stage answered in calls of one row.
	reasons map[string]int
	// failed calls brought no answer that the protocol knows; lastFailure is the newest of them.
	failed      int
	lastFailure string
	// examples to look at afterwards.
	examples map[example]string
}

// example is a kind of prediction that a person should look at once.
type example int

const (
	exampleUncertified example = iota
	exampleAccepted
	exampleFallback
	exampleDeferred
	exampleWithheld
)

// tally counts answers. Safe for concurrent use.
type tally struct {
	// images and the label that the primary alone gives each.
	images digits.Set
	alone  []string

	mu sync.Mutex
	f  figures
	// times when rows were answered, and those of them that were accepted.
	times, acceptTimes []time.Time
	// batched examples are replaced by ones of a single row, which are easier to read.
	batched map[example]bool
}

func newTally(images digits.Set, alone []string) *tally {
	return &tally{images: images, alone: alone, batched: map[example]bool{}, f: figures{
		routes: map[candorv1.Route]int{}, byRoute: map[candorv1.Route]share{}, reasons: map[string]int{}, examples: map[example]string{},
	}}
}

// add counts the answers of one call.
func (t *tally) add(answers []answer) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range answers {
		t.count(a, now)
		t.keep(a)
	}
}

func (t *tally) count(a answer, now time.Time) {
	truth := strconv.Itoa(t.images[a.image].Label)
	t.f.rows++
	t.times = append(t.times, now)
	if a.route == candorv1.Route_ROUTE_ACCEPT {
		t.acceptTimes = append(t.acceptTimes, now)
	}
	t.f.routes[a.route]++
	t.f.all.add(a.best == truth)
	t.f.alone.add(t.alone[a.image] == truth)
	if a.machine() {
		t.f.accepted.add(a.label == truth)
		s := t.f.byRoute[a.route]
		s.add(a.label == truth)
		t.f.byRoute[a.route] = s
	}
	if a.limit != "" {
		t.f.withheld++
	}
	if a.route == candorv1.Route_ROUTE_FALLBACK {
		for _, r := range a.reasons {
			t.f.reasons[r]++
		}
	}
}

func (t *tally) keep(a answer) {
	var kind example
	switch {
	case a.limit != "":
		kind = exampleWithheld
	case a.route == candorv1.Route_ROUTE_DEFER:
		kind = exampleDeferred
	case a.route == candorv1.Route_ROUTE_FALLBACK && slices.Contains(a.reasons, reasonUncertified):
		kind = exampleUncertified
	case a.route == candorv1.Route_ROUTE_FALLBACK:
		kind = exampleFallback
	case a.route == candorv1.Route_ROUTE_ACCEPT:
		kind = exampleAccepted
	default:
		return
	}
	_, have := t.f.examples[kind]
	better := t.batched[kind] && a.rows == 1
	// The first fallbacks are for want of confidence; one for want of a primary tells more. The newest item still waits for a human.
	telling := a.rows == 1 && (kind == exampleDeferred || kind == exampleFallback && slices.Contains(a.reasons, reasonBackendFailure))
	if !have || better || telling {
		t.f.examples[kind], t.batched[kind] = a.predictionID, a.rows > 1
	}
}

// answeredBy is how many rows had been answered at a moment.
func (t *tally) answeredBy(at time.Time) int {
	return t.countBy(at, func() []time.Time { return t.times })
}

// acceptedBy is how many of these were accepted.
func (t *tally) acceptedBy(at time.Time) int {
	return t.countBy(at, func() []time.Time { return t.acceptTimes })
}

func (t *tally) countBy(at time.Time, times func() []time.Time) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for _, answered := range times() {
		if answered.Before(at) {
			n++
		}
	}
	return n
}

// Reasons that the demo looks for, as the metadata spells them.
var (
	reasonUncertified    = cli.Enum(candorv1.Reason_REASON_UNCERTIFIED)
	reasonBackendFailure = cli.Enum(candorv1.Reason_REASON_BACKEND_FAILURE)
	reasonBreakerOpen    = cli.Enum(candorv1.Reason_REASON_BREAKER_OPEN)
	reasonQuorumMissed   = cli.Enum(candorv1.Reason_REASON_QUORUM_MISSED)
	reasonMemberMissing  = cli.Enum(candorv1.Reason_REASON_MEMBER_MISSING)
)

// fail counts a call that brought no answer.
func (t *tally) fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.f.failed++
	t.f.lastFailure = err.Error()
}

// figures are a copy of the counts.
func (t *tally) figures() figures {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.f
	f.routes, f.byRoute = maps.Clone(f.routes), maps.Clone(f.byRoute)
	f.reasons, f.examples = maps.Clone(f.reasons), maps.Clone(f.examples)
	return f
}
