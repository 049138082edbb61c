package browsertest

import (
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// TestLeaseLost takes an item away from somebody who has it open: the page says so by itself, and what was chosen stays.
func TestLeaseLost(t *testing.T) {
	w := start(t, "6s")
	w.deferSome(1)
	b := w.browser()
	b.refusals = true // of the heartbeat
	b.logIn("ann", w.user("ann"))
	b.press("w", asked)
	path := b.path()
	b.press("2", `document.querySelector("input[name=label]:checked")?.value === "bad"`)

	it := w.items()[path]
	tokens := map[string]string{}
	w.user("ben")
	for _, name := range []string{"ann", "ben"} {
		made, err := w.people.CreateUserToken(w.as(rootToken), &candorv1.CreateUserTokenRequest{Name: name, Description: "for a test"})
		if err != nil {
			t.Fatal(err)
		}
		tokens[name] = made.GetSecret()
	}
	if _, err := w.review.ReleaseReviewItem(w.as(tokens["ann"]), &candorv1.ReleaseReviewItemRequest{Name: it.GetName(), Epoch: it.GetEpoch()}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.review.ClaimReviewItem(w.as(tokens["ben"]), &candorv1.ClaimReviewItemRequest{Name: it.GetName()}); err != nil {
		t.Fatal(err)
	}
	b.await(`document.querySelector('#lost [role=alert]')?.textContent.includes("Your hold on this item has ended.") === true`)
	if off := b.text(`document.querySelector("#answer fieldset").disabled`); off != "true" {
		t.Error("it can still be answered")
	}
	if kept := b.text(`document.querySelector("input[name=label]:checked")?.value`); kept != "bad" {
		t.Errorf("chosen is %s, want bad", kept)
	}
	b.accessible("lost")
	b.open(path)
	b.accessible("not-mine")
}
