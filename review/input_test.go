package review

import (
	"errors"
	"strings"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// What the request had stays; what it hadn't can be stated, and stated anew, for as long as the answer is held.
func TestStateInputs(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	held := Item{
		ID: "01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b11", PredictionID: "01939d4e-6a5c-7c3f-8f57-1f0a6c3e9b12", FinalTime: now, HeldBy: "spent",
		Release: candorv1.ReleaseState_RELEASE_STATE_HELD, State: candorv1.ReviewState_REVIEW_STATE_RESOLVED,
		LimitInputs: []*candorv1.LimitInput{
			{Source: "parameter:fee", Amount: 7}, {Source: "parameter:cents", Fault: "parameters[cents] is missing"},
		},
	}
	state := func(it *Item, inputs ...*candorv1.LimitInput) (Effects, error) {
		return StateInputs{By: "olga", Now: now, Inputs: inputs, Reason: "by the invoice", RequestID: "r"}.Apply(it)
	}
	it := held
	for _, amount := range []int64{500, 600} {
		e, err := state(&it, &candorv1.LimitInput{Source: "parameter:cents", Amount: amount, Unit: "USD cents", Fault: "nonsense", StatedBy: "nobody"},
			&candorv1.LimitInput{Source: "parameter:shop as key", Key: []byte("acme")})
		if err != nil || len(e.Events) != 1 || e.Final || e.Announced {
			t.Fatalf("%+v, %v", e, err)
		}
		if ev := e.Events[0]; ev.Actor != "olga" || ev.Kind != candorv1.ReviewEventKind_REVIEW_EVENT_KIND_LIMIT_INPUT_STATED ||
			!strings.HasSuffix(ev.Note, `00 USD cents, parameter:shop as key is "acme": by the invoice`) {
			t.Errorf("the history says %+v", ev)
		}
		if len(it.LimitInputs) != 3 || it.LimitInputs[1].GetAmount() != amount || it.LimitInputs[1].GetFault() != "" || it.LimitInputs[1].GetStatedBy() != "olga" {
			t.Errorf("the item has %v", it.LimitInputs)
		}
	}
	if held.LimitInputs[1].GetFault() == "" || len(held.LimitInputs) != 2 {
		t.Error("the item that was read has changed")
	}
	if _, err := state(&it, &candorv1.LimitInput{Source: "parameter:fee", Amount: 1}); !errors.Is(err, ErrInputKnown) {
		t.Errorf("what the request had is changed: %v", err)
	}
	rec, err := VerdictRecord(&it)
	if in := rec.GetVerdict().GetLimitInputs(); err != nil || len(in) != 2 || in[0].GetAmount() != 600 || string(in[1].GetKey()) != "acme" {
		t.Errorf("the record has %v, %v; want what was stated, and not what was read", in, err)
	}
	for name, spoil := range map[string]func(*Item){
		"not final":      func(it *Item) { it.FinalTime = time.Time{} },
		"held by nobody": func(it *Item) { it.HeldBy = "" },
		"released":       func(it *Item) { it.Release = candorv1.ReleaseState_RELEASE_STATE_RELEASED },
	} {
		it := held
		spoil(&it)
		if _, err := state(&it, &candorv1.LimitInput{Source: "parameter:cents", Amount: 1}); !errors.Is(err, ErrNotHeld) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
