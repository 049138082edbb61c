package fallback

import (
	"fmt"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// agreement is the answer of the first member that has one, where enough members, itself included, name the same label; else the
// row is not answered, and goes on. Cheap members that agree so spare the dear stage behind them its work (agreement-based
// cascading: Kolawole et al. 2024). A missing member agrees with nobody.
//
// Scores and confidence are the first member's own; with confidence vote_share it is the share of all members that agree.
// Uncertainty is the rest, dissent.
func (e *Ensemble) agreement(answers []answer) (router.Evidence, bool) {
	wanted := e.Agree
	if wanted == 0 {
		wanted = len(e.Members)
	}
	first := answers[0]
	agreed := 0
	for _, a := range answers {
		if a.Top == first.Top {
			agreed++
		}
	}
	if agreed < wanted {
		detail := fmt.Sprintf("%d of %d members say %.64q, %d must", agreed, len(e.Members), first.Label, wanted)
		return router.Failed(e.Name, candorv1.Reason_REASON_DISAGREEMENT, detail), false
	}
	ev := *first.Evidence
	ev.Stage = e.Name
	votes := votesFor(first.Top, answers)
	ev.Uncertainty, ev.UncertaintyKind = dissent(votes)
	if e.Method == candorv1.ConfidenceMethod_CONFIDENCE_METHOD_VOTE_SHARE {
		ev.Method, ev.Confidence = e.Method, inUnit(votes)
	}
	return ev, true
}
