package explain

import (
	"fmt"
	"strings"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Attempt is one call of a model server, of several for the same stage.
type Attempt struct {
	// StartMillis is when it was sent, from the stage's beginning on.
	StartMillis  float64 `json:"start_ms"`
	Millis       float64 `json:"ms"`
	WaitedMillis float64 `json:"waited_ms,omitempty"`
	Hedge        bool    `json:"hedge,omitempty"`
	// Lost: it was given up because another was faster.
	Lost bool `json:"lost,omitempty"`
	// Failure and SaidBy are as a Step's.
	Failure string `json:"failure,omitempty"`
	SaidBy  string `json:"said_by,omitempty"`
}

func attemptsOf(st *candorv1.StageRecord) []Attempt {
	var out []Attempt
	for _, a := range st.GetTried() {
		one := Attempt{
			StartMillis: float64(a.GetStartUs()) / 1e3, Millis: float64(a.GetDurationUs()) / 1e3, WaitedMillis: float64(a.GetWaitedUs()) / 1e3,
			Hedge: a.GetHedge(), Lost: a.GetLost(),
		}
		if a.GetFailure() != 0 {
			one.Failure, one.SaidBy = cli.Enum(a.GetFailure()), cli.Enum(a.GetFailureSource())
		}
		out = append(out, one)
	}
	return out
}

// attemptsText says what became of each attempt, in order; of an old record, which doesn't have them, how many there were.
func attemptsText(s Step) string {
	out := fmt.Sprintf("%d attempts", s.Attempts)
	var each []string
	for i, a := range s.Tried {
		text := "first"
		switch {
		case a.Hedge:
			text = fmt.Sprintf("hedge after %.1f ms", a.StartMillis)
		case i > 0:
			text = fmt.Sprintf("retry after %.1f ms", a.StartMillis)
		}
		switch {
		case a.Lost:
			text += fmt.Sprintf(" given up at %.1f ms", a.StartMillis+a.Millis)
		case a.Failure != "":
			text += fmt.Sprintf(" failed in %.1f ms (%s)", a.Millis, a.Failure)
		default:
			text += fmt.Sprintf(" answered in %.1f ms", a.Millis)
		}
		each = append(each, text)
	}
	if len(each) == 0 {
		return out
	}
	return out + ": " + strings.Join(each, "; ")
}
