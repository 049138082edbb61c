package browsertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// fill opens the details that hold a form, and fills it.
func (b *browser) fill(action string, values map[string]string) {
	b.w.Helper()
	form := `form[action$="` + action + `"]`
	b.do(chromedp.Evaluate(`(() => { for (let e = document.querySelector('`+form+`'); e; e = e.parentElement) if (e.matches("details")) e.open = true; })()`, nil))
	for name, value := range values {
		field := form + ` [name="` + name + `"]`
		switch b.text(`document.querySelector('` + field + `').type`) {
		case "radio", "checkbox":
			b.do(chromedp.Click(field+`[value="`+value+`"]`, chromedp.ByQuery))
		case "select-one":
			b.do(chromedp.SetValue(field, value, chromedp.ByQuery))
		default:
			b.do(chromedp.Evaluate(`document.querySelector('`+field+`').value = ""`, nil), chromedp.SendKeys(field, value, chromedp.ByQuery))
		}
	}
}

func (b *browser) send(action string) {
	b.w.Helper()
	b.do(chromedp.Click(`form[action$="`+action+`"] button:last-of-type`, chromedp.ByQuery))
}

// says waits until the page has a text, and tells what it has instead when that takes long.
func (b *browser) says(text string) {
	b.w.Helper()
	const long = 30 * time.Second
	b.awaitWhile(`document.querySelector("main").textContent.includes("`+text+`") && `+settled, func() error {
		return fmt.Errorf("%s doesn't say %q: %s", b.path(), text, b.text(`document.querySelector("main").innerText`))
	}, long)
}

// TestSetRight is a senior's work and an administrator's: a final answer is replaced, disputed by an appeal that another person
// answers, made a known answer of, and its input removed.
func TestSetRight(t *testing.T) {
	w := everything(t)
	w.user("ben", candorv1.Role_ROLE_REVIEWER)
	w.answerAll("ben", 1)
	path := ""
	for at, it := range w.items() {
		if it.GetVerdict().GetAuthor() == "ben" {
			path = at
		}
	}
	senior := w.browser()
	senior.refusals = true
	senior.logIn("sam", w.user("sam", candorv1.Role_ROLE_SENIOR))
	senior.open(path)
	if n := senior.text(`document.querySelectorAll('form[action$="/delete-payload"]').length`); n != "0" {
		t.Errorf("a senior sees %s forms to remove the input", n)
	}
	senior.fill("/supersede", map[string]string{"label": "bad", "reason": "the receipt is forged"})
	senior.send("/supersede")
	senior.says("The answer is replaced.")
	if it := w.items()[path]; it.GetVerdict().GetLabel() != "bad" || it.GetVerdict().GetAuthor() != "sam" || it.GetSuperseded()[0].GetAuthor() != "ben" {
		t.Errorf("replaced: %v", it)
	}
	senior.fill("/golden", map[string]string{"label": "bad"})
	senior.send("/golden")
	senior.says("known answer from now on")
	senior.open("/golden")
	senior.says("sam")
	senior.accessible("golden")

	// An appeal: of ben's item, by sam, who can't open it twice.
	senior.open(path)
	senior.do(chromedp.Click(`a[href^="/appeal?"]`, chromedp.ByQuery))
	senior.await(loaded("/appeal"))
	senior.fill("/appeal", map[string]string{"reason": "the shop says otherwise"})
	senior.send("/appeal")
	senior.says("The appeal is open.")
	senior.accessible("appeal-open")
	appeal := senior.text(`document.querySelector('a[href^="/items/"].mono').pathname`)
	senior.do(chromedp.NavigateBack())
	senior.await(loaded("/appeal"))
	senior.fill("/appeal", map[string]string{"prediction": w.items()[path].GetPredictionId(), "row": "0", "reason": "the shop says otherwise again"})
	senior.send("/appeal")
	senior.says("This can't be appealed")
	senior.says("under appeal already")

	other := w.browser()
	other.logIn("cy", w.user("cy", candorv1.Role_ROLE_REVIEWER))
	other.open(appeal)
	other.press("c", asked)
	other.press("1", `document.querySelector("input[name=label]:checked") !== null`)
	other.press("\r", answered)
	if it := w.items()[appeal]; it.GetKind() != candorv1.ReviewKind_REVIEW_KIND_APPEAL || it.GetVerdict().GetLabel() != "good" || it.GetVerdict().GetAuthor() != "cy" {
		t.Errorf("the appeal: %v", it)
	}
	other.open(appeal)
	other.says("the shop says otherwise")

	admin := w.browser()
	admin.logIn("eve", w.user("eve", candorv1.Role_ROLE_ADMIN))
	admin.open(path)
	admin.fill("/delete-payload", map[string]string{"why": "erasure request 4711", "sure": "on"})
	admin.send("/delete-payload")
	admin.says("The input is removed for good.")
	admin.says("What is left of it is its digest.")
	if text := admin.html(); strings.Contains(text, "claim 0") || strings.Contains(text, "erasure request") != strings.Contains(text, "payload deleted") {
		t.Errorf("the page still shows the input, or says nothing of who removed it:\n%s", text)
	}
	admin.accessible("removed")
}
