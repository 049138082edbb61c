package browsertest

import (
	"testing"

	"github.com/chromedp/chromedp"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// loaded says that a page of a path is there.
func loaded(path string) string {
	return `location.pathname === "` + path + `" && ` + settled
}

// show opens what opens over a page, or unfolds in it, and hides what was open before.
func (b *browser) show(selector string) {
	b.w.Helper()
	b.text(`(() => {
		for (const e of document.querySelectorAll("[popover]")) e.hidePopover();
		for (const e of document.querySelectorAll("details[open]")) e.open = false;
		const e = document.querySelector("` + selector + `");
		if (e.matches("details")) e.open = true; else e.showPopover();
		return true;
	})()`)
}

// TestAccessibleLogin holds the pages of the login, of enrolment and of one's account against the rules.
func TestAccessibleLogin(t *testing.T) {
	w := everything(t)
	b := w.browser()
	b.refusals = true // of a wrong code and a wrong password
	code := w.user("ann")
	b.open("/enrol")
	b.accessible("enrol-code")
	b.keys("no such code\r")
	b.await(`document.querySelector("#problem").textContent !== "" && ` + settled)
	b.accessible("enrol-refused")
	b.do(chromedp.SetValue("#code", code, chromedp.ByQuery), chromedp.Focus("#code", chromedp.ByQuery))
	b.keys("\r")
	b.await(`document.querySelector("#again") !== null && ` + settled)
	b.accessible("enrol-password")
	b.do(chromedp.Focus("#password", chromedp.ByQuery))
	b.keys(password + "\t" + password + "\r")
	b.await(loaded("/login"))
	b.accessible("login")
	b.keys("ann\twrong\r")
	b.await(`document.querySelector("#problem").textContent !== "" && ` + settled)
	b.accessible("login-refused")
	b.do(chromedp.Focus("#password", chromedp.ByQuery))
	b.keys(password + "\r")
	b.await(loaded("/work"))
	b.show("details.menu")
	b.accessible("menu")
	b.open("/account")
	b.accessible("account")
	b.open("/nowhere")
	b.accessible("nowhere")
	b.open("/ops")
	b.accessible("refused")
}

// TestAccessibleItem holds an item's page against the rules, with every payload, everything that opens, and all that comes after
// the answer.
func TestAccessibleItem(t *testing.T) {
	w := everything(t)
	b := w.browser()
	b.refusals = true // of a removal that isn't confirmed
	b.logIn("eve", w.user("eve", candorv1.Role_ROLE_ADMIN))
	b.press("w", asked)
	b.accessible("everything")
	for name, selector := range map[string]string{"keys": "#help", "skip": "#skip", "escalate": "#escalate"} {
		b.show(selector)
		b.accessible("dialog-" + name)
	}
	b.text(`document.querySelectorAll("[popover]").forEach(e => e.hidePopover())`)
	b.press("1", `document.querySelector("input[name=label]:checked") !== null`)
	b.press("\r", answered)
	b.text(`document.querySelectorAll("details").forEach(e => { if (!e.matches(".menu")) e.open = true })`)
	b.accessible("everything-after")
	b.do(chromedp.Evaluate(`document.querySelector('form[action$="/delete-payload"]').noValidate = true`, nil),
		chromedp.Click(`form[action$="/delete-payload"] button`, chromedp.ByQuery))
	b.await(`document.querySelector('#main .notice.bad') !== null && ` + settled)
	b.accessible("everything-refused")
	b.open("/appeal")
	b.accessible("appeal")
	b.open("/golden")
	b.accessible("golden-none")
}

// TestAccessibleOperation holds the pages of operation against the rules, with something on each.
func TestAccessibleOperation(t *testing.T) {
	w := everything(t)
	w.user("ben", candorv1.Role_ROLE_REVIEWER)
	w.answerAll("ben", 3)
	w.refuseConfiguration()
	b := w.browser()
	b.logIn("eve", w.user("eve", candorv1.Role_ROLE_ADMIN))
	b.open("/queue")
	b.accessible("queues")
	b.open("/items")
	b.accessible("items-answered")
	for _, page := range []string{"/ops", "/ops/backends", "/ops/models/claims", "/ops/certificates", "/ops/limits", "/ops/people-at-work"} {
		b.open(page)
		b.text(`document.querySelectorAll("details:not(.menu)").forEach(e => e.open = true)`)
		b.accessible("ops" + page[len("/ops"):])
	}
	for page, says := range map[string]string{
		"/ops/limits": "answers withheld", "/ops/certificates": "Evidence by level", "/ops/people-at-work": "ben", "/ops": "old",
		"/ops/backends": "nonsense",
	} {
		b.open(page)
		if found := b.text(`document.querySelector("main").textContent.includes("` + says + `")`); found != "true" {
			t.Errorf("%s was looked at without %q", page, says)
		}
	}
}

// TestBackendsMove shows that the page of backends follows what happens, without being loaded again.
func TestBackendsMove(t *testing.T) {
	w := everything(t)
	b := w.browser()
	b.logIn("eve", w.user("eve", candorv1.Role_ROLE_ADMIN))
	b.open("/ops/backends")
	if found := b.text(`document.querySelector("main").textContent.includes("unreachable")`); found != "true" {
		t.Error("the replica that nobody listens at isn't shown as unreachable")
	}
	b.text(`window.stays = true`)
	w.refuseConfiguration()
	b.await(`document.querySelector("#c-state").textContent.includes("refused") && document.querySelector("#c-faults").textContent.includes("nonsense")`)
	if b.text(`window.stays`) != "true" {
		t.Error("the page was loaded again")
	}
}

// answerAll answers some items as a program does.
func (w *world) answerAll(name string, n int) {
	w.Helper()
	ctx := w.as(w.tokenOf(name))
	for range n {
		claimed, err := w.review.ClaimReviewItem(ctx, &candorv1.ClaimReviewItemRequest{Queue: "desk"})
		if err != nil {
			w.Fatal(err)
		}
		it := claimed.GetItem()
		if _, err := w.review.ResolveReviewItem(ctx, &candorv1.ResolveReviewItemRequest{
			Name: it.GetName(), Epoch: it.GetEpoch(), RequestId: it.GetName(), Verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: "good"}},
		}); err != nil {
			w.Fatal(err)
		}
	}
}
