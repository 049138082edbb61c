package storetest

import (
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

var heldTests = []test{
	{"held answers are found by who holds them", testHeld},
	{"a held answer goes out once", testLetOut},
	{"another limit holds an answer", testHoldBy},
	{"what is stated of a held answer stays with it", testStateInputs},
}

// hold resolves a new item with an answer that a limit holds.
func hold(t *testing.T, d Driver, limit string, now time.Time) review.Item {
	t.Helper()
	id := put(t, d, "q", 1, nil)[0].ID
	item, err := Finish(t.Context(), d, id, resolve(claimID(t, d, id, "ann", now), now, "3", "req-"+limit),
		review.Gated{Release: candorv1.ReleaseState_RELEASE_STATE_HELD, HeldBy: limit})
	if err != nil {
		t.Fatal(err)
	}
	return item
}

func testHeld(t *testing.T, d Driver) {
	now := d.Now()
	a, b, c := hold(t, d, "a", now), hold(t, d, "b", now.Add(time.Second)), hold(t, d, "a", now.Add(2*time.Second))
	// Neither one that waits nor one that is out is held.
	put(t, d, "q", 1, nil)
	finish(t, d, put(t, d, "q", 1, nil)[0].ID, "bob", "3", now)
	d = d.Reopen(t)
	var start review.HeldPlace
	for name, tc := range map[string]struct {
		except []string
		after  review.HeldPlace
		limit  int
		want   []review.Item
	}{
		"all":             {nil, start, 10, []review.Item{a, b, c}},
		"the oldest":      {nil, start, 2, []review.Item{a, b}},
		"all but a's":     {[]string{"a"}, start, 10, []review.Item{b}},
		"a strange limit": {[]string{"z", "b"}, start, 10, []review.Item{a, c}},
		"none is left":    {[]string{"a", "b"}, start, 10, nil},
		"behind one":      {nil, a.HeldPlace(), 10, []review.Item{b, c}},
		"a's behind a's":  {[]string{"b"}, a.HeldPlace(), 10, []review.Item{c}},
		"behind a time":   {nil, review.HeldPlace{FinalTime: b.FinalTime}, 10, []review.Item{b, c}},
		"behind all":      {nil, c.HeldPlace(), 10, nil},
	} {
		got, err := d.Held(t.Context(), tc.except, tc.after, tc.limit)
		if err != nil || ids(got) != ids(tc.want) {
			t.Errorf("%s: %v, %v; want %v", name, ids(got), err, ids(tc.want))
		}
	}
}

func testLetOut(t *testing.T, d Driver) {
	now := d.Now()
	held := hold(t, d, "a", now)
	changed := d.Changed()
	out := change(t, d, held.ID, review.LetOut{Now: now.Add(time.Minute)})
	select {
	case <-changed:
	default:
		t.Error("Changed wasn't closed by the time the answer went out")
	}
	if out.Release != candorv1.ReleaseState_RELEASE_STATE_RELEASED || out.HeldBy != "" || !out.FinalTime.Equal(now.Add(time.Minute)) ||
		out.Verdict.GetLabel() != "3" {
		t.Errorf("let out: %+v", out)
	}
	// The feed has it twice: held, and out.
	finals, err := d.Finals(t.Context(), 0, 10)
	if err != nil || len(finals) != 2 || finals[0].Item.ID != held.ID || finals[1].Item.ID != held.ID {
		t.Errorf("finals %v, %v", finals, err)
	}
	refused(t, "LetOut of one that is out", d, held.ID, review.LetOut{Now: now}, review.ErrNotHeld)
	refused(t, "LetOut of one that waits", d, put(t, d, "q", 1, nil)[0].ID, review.LetOut{Now: now}, review.ErrNotHeld)
	_, err = d.Change(t.Context(), "0198c0de-0000-7000-8000-000000000000", review.LetOut{Now: now})
	wantError(t, "LetOut of nothing", err, review.ErrNotFound)
}

func testHoldBy(t *testing.T, d Driver) {
	now := d.Now()
	held := hold(t, d, "a", now)
	for range 2 {
		if got := change(t, d, held.ID, review.HoldBy{Limit: "b"}); got.HeldBy != "b" || got.Release != candorv1.ReleaseState_RELEASE_STATE_HELD || !got.FinalTime.Equal(held.FinalTime) {
			t.Errorf("held by another: %+v", got)
		}
		d = d.Reopen(t)
	}
	for except, want := range map[string]int{"a": 1, "b": 0} {
		if list, err := d.Held(t.Context(), []string{except}, review.HeldPlace{}, 10); err != nil || len(list) != want {
			t.Errorf("but for %s: %v, %v", except, ids(list), err)
		}
	}
	// Nobody is told of it.
	if finals, err := d.Finals(t.Context(), 0, 10); err != nil || len(finals) != 1 {
		t.Errorf("finals %v, %v", finals, err)
	}
	change(t, d, held.ID, review.LetOut{Now: now.Add(time.Minute)})
	refused(t, "HoldBy of one that is out", d, held.ID, review.HoldBy{Limit: "a"}, review.ErrNotHeld)
}

func testStateInputs(t *testing.T, d Driver) {
	now := d.Now()
	held := hold(t, d, "a", now)
	state := review.StateInputs{
		By: "olga", Now: now, Reason: "by the invoice", RequestID: "s1",
		Inputs: []*candorv1.LimitInput{{Source: "parameter:paid", Amount: 700, Unit: "EUR cents"}, {Source: "parameter:shop as key", Key: []byte("a/b")}},
	}
	for range 2 { // The second is the same request.
		change(t, d, held.ID, state)
		d = d.Reopen(t)
	}
	got, err := d.Get(t.Context(), held.ID)
	if err != nil {
		t.Fatal(err)
	}
	var stated []*candorv1.LimitInput
	for _, in := range got.LimitInputs {
		if in.GetStatedBy() != "" {
			stated = append(stated, in)
		}
	}
	want := []*candorv1.LimitInput{
		{Source: "parameter:paid", Amount: 700, Unit: "EUR cents", StatedBy: "olga"}, {Source: "parameter:shop as key", Key: []byte("a/b"), StatedBy: "olga"},
	}
	if diff(want, stated) != "" || len(got.LimitInputs) != len(held.LimitInputs)+len(want) || got.Release != candorv1.ReleaseState_RELEASE_STATE_HELD {
		t.Errorf("the item has %v (-want +got):\n%s", got.LimitInputs, diff(want, stated))
	}
	events, err := d.Events(t.Context(), held.ID, 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	last := events[len(events)-1]
	if last.Kind != candorv1.ReviewEventKind_REVIEW_EVENT_KIND_LIMIT_INPUT_STATED || last.Actor != "olga" || len(events) > 1 && events[len(events)-2].Kind == last.Kind {
		t.Errorf("the history ends with %+v", last)
	}
	out := change(t, d, held.ID, review.LetOut{Now: now.Add(time.Minute)})
	if len(out.LimitInputs) != len(got.LimitInputs) {
		t.Errorf("let out with %v", out.LimitInputs)
	}
	refused(t, "StateInputs of one that is out", d, held.ID, review.StateInputs{By: "olga", Now: now, Inputs: want, Reason: "why", RequestID: "s2"}, review.ErrNotHeld)
}
