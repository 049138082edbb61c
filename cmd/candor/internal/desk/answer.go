package desk

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// move is what a person typed at an item: a verdict, or one of the commands.
type move struct {
	verdict *candorv1.Verdict
	command byte
}

// The commands. Where a label is the same letter the label wins, and the command is typed with a colon in front.
const (
	skip = 's'
	quit = 'q'
)

// parseMove reads a line. Errors are for the person who typed it.
func parseMove(line string, item *candorv1.ReviewItem) (move, error) {
	text := strings.TrimSpace(line)
	labels := item.GetLabels()
	if slices.Contains(labels, text) {
		return labelled(text), nil
	}
	switch strings.TrimPrefix(text, ":") {
	case string(skip):
		return move{command: skip}, nil
	case string(quit):
		return move{command: quit}, nil
	}
	if len(labels) == 0 {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			return move{}, fmt.Errorf("%q is no number; type one, s to skip, q to end", text)
		}
		return move{verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Value{Value: v}}}, nil
	}
	if n, err := strconv.Atoi(text); err == nil && !numbered(labels) && n >= 1 && n <= len(labels) {
		return labelled(labels[n-1]), nil
	}
	return move{}, fmt.Errorf("%q is none of the labels; type one of them, s to skip, q to end", text)
}

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
