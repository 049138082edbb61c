package review

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// ErrInputKnown: an amount or a key was read from the request, and nobody says that it is another.
var ErrInputKnown = errors.New("review: the request had this amount or key: only what it didn't have can be stated")

// StateInputs says which amounts or keys a held answer has, where its request had none that could be one. They count from the next time that
// the limits are asked; what was stated before can be stated anew until the answer is out.
type StateInputs struct {
	By  string
	Now time.Time
	// Inputs have a source each, and an amount or a key. By is noted in them here.
	Inputs    []*candorv1.LimitInput
	Reason    string
	RequestID string
}

// Request is of Act.
func (s StateInputs) Request() (actor, requestID string) { return s.By, s.RequestID }

// Apply notes the inputs. Errors: ErrNotHeld, ErrInputKnown.
func (s StateInputs) Apply(it *Item) (Effects, error) {
	if !it.Held() {
		return Effects{}, ErrNotHeld
	}
	inputs := slices.Clone(it.LimitInputs)
	var says []string
	for _, in := range s.Inputs {
		stated := &candorv1.LimitInput{Source: in.GetSource(), Amount: in.GetAmount(), Key: slices.Clone(in.GetKey()), Unit: in.GetUnit(), StatedBy: s.By}
		i := slices.IndexFunc(inputs, func(had *candorv1.LimitInput) bool { return had.GetSource() == in.GetSource() })
		switch {
		case i < 0:
			inputs = append(inputs, stated)
		case inputs[i].GetFault() == "" && inputs[i].GetStatedBy() == "":
			return Effects{}, ErrInputKnown
		default:
			inputs[i] = stated
		}
		says = append(says, inputText(stated))
	}
	it.LimitInputs = inputs
	note := strings.Join(says, ", ") + ": " + s.Reason
	return Effects{Events: []Event{it.event(candorv1.ReviewEventKind_REVIEW_EVENT_KIND_LIMIT_INPUT_STATED, s.Now, s.By, note)}}, nil
}

func inputText(in *candorv1.LimitInput) string {
	if len(in.GetKey()) > 0 {
		return fmt.Sprintf("%s is %q", in.GetSource(), in.GetKey())
	}
	if in.GetUnit() == "" {
		return fmt.Sprintf("%s is %d", in.GetSource(), in.GetAmount())
	}
	return fmt.Sprintf("%s is %d %s", in.GetSource(), in.GetAmount(), in.GetUnit())
}

// Held says that a limit holds the final answer.
func (i *Item) Held() bool {
	return i.Final() && i.HeldBy != "" && i.Release == candorv1.ReleaseState_RELEASE_STATE_HELD
}

// HeldPlace is where an item is among those that limits hold: behind those that became final before. Zero: before all.
type HeldPlace struct {
	FinalTime time.Time
	ID        string
}

// HeldPlace is the item's.
func (i *Item) HeldPlace() HeldPlace { return HeldPlace{i.FinalTime, i.ID} }

// stated are the limits' inputs that people have said.
func (i *Item) stated() []*candorv1.LimitInput {
	var out []*candorv1.LimitInput
	for _, in := range i.LimitInputs {
		if in.GetStatedBy() != "" {
			out = append(out, proto.CloneOf(in))
		}
	}
	return out
}
