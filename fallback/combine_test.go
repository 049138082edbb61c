package fallback

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

const (
	disagreementMethod = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_DISAGREEMENT
	voteShare          = candorv1.ConfidenceMethod_CONFIDENCE_METHOD_VOTE_SHARE
)

// run combines what members named a, b, ... say, nil for one that fails.
func run(e *Ensemble, answers ...*router.Evidence) router.Evidence {
	s := script{}
	e.Members = slices.Clone(e.Members)
	for i, a := range answers {
		name := string(rune('a' + i))
		if i >= len(e.Members) {
			e.Members = append(e.Members, Member{})
		}
		e.Members[i].Backend = name
		s[name] = fails
		if a != nil {
			s[name] = func(_ context.Context, rows []int) Reply {
				return Reply{Evidence: slices.Repeat([]router.Evidence{*a}, len(rows))}
			}
		}
	}
	e.Name, e.Version, e.Quorum = "e", "1", max(e.Quorum, 1)
	return e.Run(context.Background(), []int{0}, s.ask, nil).Evidence[0]
}

// says is a member's probability of "yes".
func says(p float64) *router.Evidence {
	ev := yes(p)(nil, []int{0}).Evidence[0]
	return &ev
}

func weighted(c candorv1.Combiner, weights ...float64) *Ensemble {
	e := &Ensemble{Combiner: c, Labels: labels, Method: maxProb}
	for _, w := range weights {
		e.Members = append(e.Members, Member{Weight: w})
	}
	return e
}

func closeTo(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 1e-9) {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

func TestPools(t *testing.T) {
	stacking := weighted(candorv1.Combiner_COMBINER_STACKING)
	// Takes the first member's word, twice as sure in log-odds, and nothing of the second's.
	stacking.Stacking = &candorv1.Stacking{Coefficients: []float64{2, 0, 0, 0, 0, 2, 0, 0}, Intercepts: []float64{0, 0}}
	for name, c := range map[string]struct {
		e    *Ensemble
		want float64
	}{
		"weighted mean":                    {weighted(candorv1.Combiner_COMBINER_WEIGHTED_MEAN, 3, 1), (3*.9 + .5) / 4},
		"log pool, equal weights":          {weighted(candorv1.Combiner_COMBINER_LOG_POOL), .75}, // sqrt(.9·.5) : sqrt(.1·.5) = 3 : 1
		"log pool, all for the second":     {weighted(candorv1.Combiner_COMBINER_LOG_POOL, 0, 1), .5},
		"stacking":                         {stacking, 81. / 82}, // .9² : .1²
		"mean, whatever weights are there": {weighted(candorv1.Combiner_COMBINER_MEAN, 3, 1), .7},
	} {
		ev := run(c.e, says(.9), says(.5))
		if len(ev.Faults) > 0 {
			t.Errorf("%s: %+v", name, ev)
			continue
		}
		closeTo(t, name, ev.Probs[1], c.want)
	}
}

// Σ w·H and H of the weighted mean, written out for weights 3 and 1.
func TestWeightedDisagreement(t *testing.T) {
	e := weighted(candorv1.Combiner_COMBINER_WEIGHTED_MEAN, 3, 1)
	e.Method = disagreementMethod
	ev := run(e, says(.9), says(.5))
	want := h2(.8) - (3*h2(.9)+h2(.5))/4
	closeTo(t, "disagreement", ev.Uncertainty, want)
	closeTo(t, "confidence", *ev.Confidence, 1-want/math.Ln2)
	// The second is missing: its quarter counts as ln K.
	e.Quorum = 1
	ev = run(e, says(.9), nil)
	closeTo(t, "disagreement without the second", ev.Uncertainty, math.Ln2/4)
	closeTo(t, "probability without the second", ev.Probs[1], .9)
}

func TestVotes(t *testing.T) {
	majority, weight := candorv1.Combiner_COMBINER_MAJORITY_VOTE, candorv1.Combiner_COMBINER_WEIGHTED_VOTE
	for name, c := range map[string]struct {
		e       *Ensemble
		answers []*router.Evidence
		label   string
		share   float64
	}{
		"all":                      {weighted(majority), []*router.Evidence{says(.9), says(.6), says(.7)}, "yes", 1},
		"two of three":             {weighted(majority), []*router.Evidence{says(.9), says(.4), says(.7)}, "yes", 2. / 3},
		"weights count":            {weighted(weight, 3, 1, 1), []*router.Evidence{says(.1), says(.9), says(.7)}, "no", .6},
		"a majority has none":      {weighted(majority, 3, 1, 1), []*router.Evidence{says(.1), says(.9), says(.7)}, "yes", 2. / 3},
		"a tie":                    {weighted(majority), []*router.Evidence{says(.9), says(.1)}, "no", .5},
		"a tie in the other order": {weighted(majority), []*router.Evidence{says(.1), says(.9)}, "no", .5},
		"a tie of .1+.2 and .3":    {weighted(weight, .1, .2, .3), []*router.Evidence{says(.9), says(.9), says(.1)}, "no", .5},
		"a missing vote is none":   {weighted(majority), []*router.Evidence{says(.9), nil, says(.7)}, "yes", 2. / 3},
	} {
		ev := run(c.e, c.answers...)
		if ev.Label != c.label || ev.Confidence == nil {
			t.Errorf("%s: %+v, want %s", name, ev, c.label)
			continue
		}
		closeTo(t, name, *ev.Confidence, c.share)
		closeTo(t, name+": dissent", ev.Uncertainty, 1-c.share)
		if ev.Method != voteShare || ev.UncertaintyKind != candorv1.UncertaintyKind_UNCERTAINTY_KIND_DISSENT || ev.Probs != nil {
			t.Errorf("%s: %+v", name, ev)
		}
	}
}

func TestVoteShareOfAPool(t *testing.T) {
	e := weighted(candorv1.Combiner_COMBINER_MEAN)
	e.Method = voteShare
	closeTo(t, "vote share", *run(e, says(.9), says(.8), says(.4)).Confidence, 2./3)
}

func TestAgreement(t *testing.T) {
	agreement := candorv1.Combiner_COMBINER_AGREEMENT
	two := weighted(agreement)
	two.Agree = 2
	ev := run(two, says(.7), says(.9), says(.2))
	if ev.Label != "yes" || ev.Stage != "e" {
		t.Fatalf("%+v, want yes", ev)
	}
	closeTo(t, "confidence", *ev.Confidence, .7) // the first member's own
	closeTo(t, "dissent", ev.Uncertainty, 1./3)

	for name, answers := range map[string][]*router.Evidence{
		"all are wanted":             {says(.7), says(.9), says(.2)},
		"a missing one never agrees": {says(.7), says(.9), nil},
	} {
		ev := run(weighted(agreement), answers...)
		if !slices.Equal(ev.Faults, []candorv1.Reason{candorv1.Reason_REASON_DISAGREEMENT}) || ev.Label != "" {
			t.Errorf("%s: %+v, want DISAGREEMENT", name, ev)
		}
	}
	// The first is alone: two others who agree are not its answer.
	if ev := run(two, says(.2), says(.9), says(.8)); len(ev.Faults) == 0 {
		t.Errorf("%+v, want DISAGREEMENT", ev)
	}
	quorum := weighted(agreement)
	quorum.Quorum, quorum.Agree = 2, 1
	if ev := run(quorum, says(.2), nil); !slices.Contains(ev.Faults, candorv1.Reason_REASON_QUORUM_MISSED) {
		t.Errorf("%+v, want QUORUM_MISSED", ev)
	}
}

// Whatever the combiner and the answers: one more member that is missing makes the uncertainty wider and changes nothing else
// than it has to.
func TestMissingMemberAlwaysWidens(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		n := 1 + rng.IntN(4)
		var answers []*router.Evidence
		for range n {
			answers = append(answers, says(rng.Float64()))
		}
		for _, c := range []candorv1.Combiner{
			candorv1.Combiner_COMBINER_MEAN, candorv1.Combiner_COMBINER_WEIGHTED_MEAN, candorv1.Combiner_COMBINER_LOG_POOL,
			candorv1.Combiner_COMBINER_MAJORITY_VOTE, candorv1.Combiner_COMBINER_WEIGHTED_VOTE, candorv1.Combiner_COMBINER_AGREEMENT,
			candorv1.Combiner_COMBINER_MEDIAN,
		} {
			e := weighted(c)
			e.Agree, e.IntervalScale = 1, 2
			given := answers
			if c == candorv1.Combiner_COMBINER_MEDIAN {
				given = nil
				for _, a := range answers {
					given = append(given, value(a.Probs[1], .1))
				}
			}
			full := run(e, given...)
			fewer := run(e, append(slices.Clone(given), nil)...)
			if !(fewer.Uncertainty > full.Uncertainty) || math.IsNaN(fewer.Uncertainty) {
				t.Fatalf("%v of %d: uncertainty %v with a missing member, %v without one", c, n, fewer.Uncertainty, full.Uncertainty)
			}
			if fewer.Label != full.Label || !slices.Contains(fewer.Notes, candorv1.Reason_REASON_MEMBER_MISSING) {
				t.Fatalf("%v of %d: %+v, without the missing one %+v", c, n, fewer, full)
			}
		}
	}
}

// What can't be combined is no answer, and never a panic.
func TestUnlikeAnswers(t *testing.T) {
	other := says(.9)
	other.Labels, other.Probs, other.Top, other.Label = []string{"a", "b", "c"}, []float64{.1, .1, .8}, 2, "c"
	for c := range candorv1.Combiner_name {
		e := weighted(candorv1.Combiner(c))
		e.Agree = 1
		for name, a := range map[string]*router.Evidence{"other labels": other, "a value for a label": value(1, .1), "nothing": {Top: -1}} {
			if candorv1.Combiner(c) == candorv1.Combiner_COMBINER_MEDIAN && a.Value != nil {
				continue
			}
			if ev := run(e, a); !slices.Contains(ev.Faults, candorv1.Reason_REASON_QUORUM_MISSED) {
				t.Errorf("%v of %s: %+v", candorv1.Combiner(c), name, ev)
			}
		}
	}
}

// With weights from a fit, those who answered may have none.
func TestOnlyMembersWithoutWeightAnswered(t *testing.T) {
	ev := run(weighted(candorv1.Combiner_COMBINER_WEIGHTED_MEAN, 1, 0), nil, says(.9))
	if !slices.Contains(ev.Faults, candorv1.Reason_REASON_QUORUM_MISSED) {
		t.Errorf("%+v, want no answer", ev)
	}
}
