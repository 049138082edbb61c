package desk

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// move is what a person typed at an item: a verdict, or one of the commands with what stood behind it.
type move struct {
	verdict *candorv1.Verdict
	command byte
	rest    string
}

// The commands, which are the keys of the page. Where a label is the same letter the label wins, and the command is typed with a
// colon in front.
const (
	skip     = 's'
	escalate = 'e'
	undo     = 'u'
	note     = 'n'
	release  = 'r'
	quit     = 'q'
	help     = '?'
)

const helpText = `  a label, its number, or a value   your answer
  s [reason]    skip: others get it, with your reason
  e [queue]     escalate to another queue, with a note
  n [note]      a note that goes with your answer
  u             undo your last answer, while its window is open
  r             release: give the item back
  q             end; what you hold is given back
  ?             this
Where a label is one of these letters, type the command with a colon in front: :s
`

// parseMove reads a line. Errors are for the person who typed it.
func parseMove(line string, item *candorv1.ReviewItem) (move, error) {
	text := strings.TrimSpace(line)
	labels := item.GetLabels()
	if slices.Contains(labels, text) {
		return labelled(text), nil
	}
	word, rest, _ := strings.Cut(strings.TrimPrefix(text, ":"), " ")
	if len(word) == 1 && strings.Contains("seunrq?", word) {
		return move{command: word[0], rest: strings.TrimSpace(rest)}, nil
	}
	if len(labels) == 0 {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return move{}, fmt.Errorf("%s is no number; type one, or ? for help", quoted(text))
		}
		return move{verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Value{Value: v}}}, nil
	}
	if n, err := strconv.Atoi(text); err == nil && !numbered(labels) && n >= 1 && n <= len(labels) {
		return labelled(labels[n-1]), nil
	}
	return move{}, fmt.Errorf("%s is none of the labels; type one of them, or ? for help", quoted(text))
}

// quoted is a typed text in quotes, safe to be shown.
func quoted(text string) string { return `"` + cli.Plain(text) + `"` }

func labelled(label string) move {
	return move{verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: label}}}
}

// numbered says whether labels are numbers themselves, so that their positions would only mislead.
func numbered(labels []string) bool {
	return slices.ContainsFunc(labels, func(l string) bool {
		_, err := strconv.Atoi(l)
		return err == nil
	})
}

// question says what a verdict may be.
func question(i *candorv1.ReviewItem) string {
	of := ""
	if i.GetField() != "" {
		of = "of " + cli.Plain(i.GetField()) + ", "
	}
	if len(i.GetLabels()) == 0 {
		if i.GetUnit() == "" {
			return of + "asked for: a value"
		}
		return of + "asked for: a value in " + cli.Plain(i.GetUnit())
	}
	labels := make([]string, len(i.GetLabels()))
	for n, l := range i.GetLabels() {
		labels[n] = cli.Plain(l)
		if !numbered(i.GetLabels()) {
			labels[n] = fmt.Sprintf("[%d] %s", n+1, labels[n])
		}
	}
	return of + "labels: " + strings.Join(labels, "  ")
}
