package gateway

import (
	"math"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// What fills a primary's score tensor reads, as the primary's card says, as the answer that it was made of: in every kind, with
// one number per row as well as one per label, from probabilities as well as from a bare label.
func TestScoresReadAsTheirAnswer(t *testing.T) {
	kinds := map[candorv1.ScoreKind][]int{
		candorv1.ScoreKind_SCORE_KIND_PROBABILITY: {1, 2},
		candorv1.ScoreKind_SCORE_KIND_LOGIT:       {1, 2},
		candorv1.ScoreKind_SCORE_KIND_LOG_PROB:    {1, 2},
		candorv1.ScoreKind_SCORE_KIND_LOG_ODDS:    {1},
	}
	for kind, sizes := range kinds {
		for _, n := range sizes {
			for name, a := range map[string]struct {
				probs []float64
				top   int
				want  float64
			}{
				"sure": {[]float64{.03, .97}, 1, .97}, "unsure": {[]float64{.6, .4}, 0, .4}, "extreme": {[]float64{0, 1}, 1, 1},
				"the first label": {nil, 0, 0}, "the second label": {nil, 1, 1},
			} {
				ev := router.Score(router.Scores{Kind: kind, Values: scoresOf(kind, a.probs, a.top, 2, n), Labels: []string{"no", "yes"}})
				if len(ev.Faults) > 0 || ev.Top != a.top || math.Abs(ev.Probs[1]-a.want) > 2*leastProbability {
					t.Errorf("%v as %d numbers, %s: read as %+v, want %v", kind, n, name, ev, a.want)
				}
			}
		}
	}
}
