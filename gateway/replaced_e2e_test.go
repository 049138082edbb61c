package gateway_test

import (
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// serveVersion4 restarts the gateway with the next version of the primary: what it says stands in the last column of a row.
func (w *world) serveVersion4() {
	w.t.Helper()
	next := oiptest.Start(w.t, oiptest.Model{Name: "m", Version: "4", Infer: byColumn(3)})
	w.yaml = strings.Replace(w.yaml, "primary: {address: "+w.primary.Addr()+", model: m, version: \"3\"", "primary: {address: "+next.Addr()+", model: m, version: \"4\"", 1)
	w.primary = next
	w.restart()
}

func onReplaced(how string, more ...string) []string {
	return append([]string{"review: {queue: desk, on_expire: reject}", "review: {queue: desk, on_expire: default, default_label: good, on_replaced: " + how + "}"}, more...)
}

func TestOnReplaced(t *testing.T) {
	t.Parallel()
	const features = "inputs: [{name: x, datatype: FP32, shape: [-1, 4]}]"
	sure, unsure := [4]float32{.6, .55, .55, .97}, [4]float32{.6, .55, .55, .3}
	kept := func(t *testing.T, it *candorv1.ReviewItem) {
		if it.GetState() != candorv1.ReviewState_REVIEW_STATE_PENDING || it.GetAnswers()[0].GetVersion() != "3" {
			t.Errorf("kept: %v", it)
		}
	}
	relabelled := func(answers int, loss float64) func(*testing.T, *candorv1.ReviewItem) {
		return func(t *testing.T, it *candorv1.ReviewItem) {
			// What the fallback said stays beside it, where it was asked: two members, and the ensemble.
			if it.GetState() != candorv1.ReviewState_REVIEW_STATE_PENDING || it.GetAnswers()[0].GetVersion() != "4" || len(it.GetAnswers()) != answers ||
				it.GetExpectedLoss() < loss-1e-6 || it.GetExpectedLoss() > loss+1e-6 {
				t.Errorf("relabelled: %v", it)
			}
		}
	}
	ended := func(author, label string) func(*testing.T, *candorv1.ReviewItem) {
		return func(t *testing.T, it *candorv1.ReviewItem) {
			if it.GetState() != candorv1.ReviewState_REVIEW_STATE_WITHDRAWN || it.GetVerdict().GetAuthor() != author || it.GetVerdict().GetLabel() != label {
				t.Errorf("ended: %v", it)
			}
		}
	}
	for name, c := range map[string]struct {
		how  string
		more []string
		row  [4]float32
		want func(*testing.T, *candorv1.ReviewItem)
	}{
		"keep":                  {"keep", nil, sure, kept},
		"withdraw":              {"withdraw", nil, sure, ended("policy/on_replaced", "good")},
		"relabel":               {"relabel", nil, sure, relabelled(4, .03)},
		"rescore, unsure":       {"rescore", nil, unsure, relabelled(4, .3)},
		"rescore, sure":         {"rescore", nil, sure, ended("primary@4", "bad")},
		"relabel what's hidden": {"relabel", []string{features, "inputs: [{name: x, datatype: FP32, shape: [-1, 4], redact: true}]"}, sure, kept},
		// A condition that wants what no payload has can't be computed, and so holds.
		"rescore under a condition": {"rescore", []string{"on_defer: withhold", "on_defer: withhold\n      conditions: [{name: dear, when: \"params.amount > 5\", route: defer}]"}, sure, relabelled(1, .03)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, onReplaced(c.how, c.more...)...)
			item, id := w.deferOne(c.row)
			w.serveVersion4()
			w.eventually(func() bool { return w.item(item).GetModelReplaced() })
			if c.how == "rescore" && name == "rescore, sure" {
				w.eventually(func() bool { return w.item(item).GetFinalTime() != nil })
			}
			it := w.item(item)
			c.want(t, it)
			if p := w.prediction(id); (it.GetFinalTime() != nil) != (p.GetState() == candorv1.AnswerState_ANSWER_STATE_FINAL) || p.GetLabel() != it.GetVerdict().GetLabel() {
				t.Errorf("the caller has %v", p)
			}
			if it.GetFinalTime() != nil && !hasReason(w.prediction(id).GetDecision(), candorv1.Reason_REASON_MODEL_REPLACED) {
				t.Errorf("reasons %v", w.prediction(id).GetDecision().GetReasons())
			}
			// The next start has nothing to do again.
			w.restart()
			if again := w.item(item); again.GetEtag() != it.GetEtag() {
				t.Errorf("after another start it is %v", again)
			}
		})
	}
}

// What a reviewer holds is left alone, and what a released answer would do passes the limits.
func TestReplacedItemsOfReviewersAndLimits(t *testing.T) {
	edits := append(withLimit(1, ", on_trip: review"), onReplaced("rescore")...)
	w := start(t, edits...)
	held, _ := w.deferOne([4]float32{.6, .55, .55, .97})
	first, _ := w.deferOne([4]float32{.6, .55, .55, .98})
	second, _ := w.deferOne([4]float32{.6, .55, .55, .99})
	claimed := w.claim(reviewerToken, held)
	w.serveVersion4()
	w.eventually(func() bool { return w.item(first).GetFinalTime() != nil && w.item(second).GetFinalTime() != nil })
	states := map[candorv1.ReleaseState]int{}
	for _, name := range []string{first, second} {
		states[w.item(name).GetReleaseState()]++
	}
	if states[candorv1.ReleaseState_RELEASE_STATE_RELEASED] != 1 || states[candorv1.ReleaseState_RELEASE_STATE_HELD] != 1 {
		t.Errorf("releases %v with a limit of one", states)
	}
	if it := w.item(held); it.GetState() != candorv1.ReviewState_REVIEW_STATE_CLAIMED || it.GetModelReplaced() || it.GetEpoch() != claimed.GetEpoch() {
		t.Errorf("the item in hand: %v", it)
	}
	if _, err := w.say(reviewerToken, claimed, label("good"), "r"); err != nil {
		t.Errorf("its verdict: %v", err)
	}
}

// The new version gets the question that the old one got.
func TestTheNewVersionIsAskedTheSame(t *testing.T) {
	w := start(t, onReplaced("relabel")...)
	item, _ := w.deferOne([4]float32{.6, .55, .55, .25})
	w.serveVersion4()
	w.eventually(func() bool { return w.item(item).GetModelReplaced() })
	calls := w.primary.History()
	if len(calls) != 1 {
		t.Fatalf("the new version got %d calls", len(calls))
	}
	got := calls[0].Request
	values, err := floatsOf(got)
	if err != nil || len(values) != 4 || values[0] != .6 || values[3] != .25 || got.GetInputs()[0].GetShape()[0] != 1 || got.GetInputs()[0].GetShape()[1] != 4 {
		t.Errorf("asked %v: %v %v", got, values, err)
	}
	if n := w.metric(`candor_default_deadline_total{model="fraud"}`); n > 0 {
		t.Errorf("%v callers without a deadline, and there is no caller", n)
	}
}

// A reload that comes while items are being looked through decides about those that are left.
func TestReplacedItemsUnderAReload(t *testing.T) {
	w := start(t, onReplaced("withdraw")...)
	var items []string
	for range 100 {
		item, _ := w.deferOne([4]float32{.6, .55, .55, .97})
		items = append(items, item)
	}
	w.serveVersion4()
	w.eventually(func() bool { return w.metric(`candor_review_final_total{by="replaced",model="fraud"}`) > 0 })
	w.reload("on_replaced: withdraw", "on_replaced: keep")
	kept := 0
	for _, name := range items {
		var it *candorv1.ReviewItem
		w.eventually(func() bool { it = w.item(name); return it.GetFinalTime() != nil || it.GetModelReplaced() })
		if it.GetFinalTime() == nil {
			kept++
		}
	}
	if kept == 0 {
		t.Error("all were withdrawn, although the configuration in force keeps them")
	}
}
