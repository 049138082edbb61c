package browsertest

import (
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// TestKeyboard is a reviewer's day: log in, answer twenty items, undo one, skip one and escalate one, by keys alone.
func TestKeyboard(t *testing.T) {
	const resolved = 20
	w := start(t, "5m")
	w.deferSome(resolved + 2)
	b := w.browser()
	b.logIn("ann", w.user("ann"))
	b.press("w", asked)

	labels := []string{"good", "bad"}
	want := map[string]string{}
	var undone, skipped, escalated string
	for len(want) < resolved {
		path := b.path()
		if _, again := want[path]; again {
			t.Fatalf("%s came again", path)
		}
		switch {
		case len(want) == 5 && skipped == "":
			skipped = path
			b.press("s", `document.activeElement.id === "skip-why"`)
			b.keys("not my language\r")
			b.await(notAt(path) + " && " + asked)
			continue
		case len(want) == 9 && escalated == "":
			escalated = path
			b.press("e", `document.activeElement.id === "escalate-to"`)
			b.keys("\tlook at the age\t\r")
			b.await(notAt(path) + " && " + asked)
			continue
		}
		before := b.html()
		if strings.Contains(before, sureness) || strings.Contains(before, "What the models said") {
			t.Fatalf("%s tells the model's answer before it was asked for:\n%s", path, before)
		}
		n := len(want) % 2
		key := string(rune('1' + n))
		b.press(key, `document.querySelector("input[name=label]:checked")?.value === "`+labels[n]+`"`)
		b.press("\r", answered)
		after := b.html()
		if !strings.Contains(after, sureness) || !strings.Contains(after, "What the models said") {
			t.Fatalf("%s doesn't tell the model's answer after it:\n%s", path, after)
		}
		if len(want) == 3 {
			undone = path
			b.press("u", asked)
			b.press(key, `document.querySelector("input[name=label]:checked")?.value === "`+labels[n]+`"`)
			b.press("\r", answered)
		}
		want[path] = labels[n]
		if len(want) < resolved {
			b.press("\r", notAt(path)+" && "+asked)
		} else {
			b.press("\r", `location.pathname === "/work"`)
		}
	}

	items := w.items()
	if len(items) != resolved+2 {
		t.Fatalf("%d items", len(items))
	}
	for path, label := range want {
		it := items[path]
		if v := it.GetVerdict(); it.GetState() != candorv1.ReviewState_REVIEW_STATE_RESOLVED || v.GetAuthor() != "ann" || v.GetLabel() != label {
			t.Errorf("%s: %v %v, want %s by ann", path, it.GetState(), v, label)
		}
		undo, verdicts := 0, 1
		if path == undone {
			undo, verdicts = 1, 2
		}
		if e := w.events(it); e[candorv1.ReviewEventKind_REVIEW_EVENT_KIND_UNDONE] != undo || e[candorv1.ReviewEventKind_REVIEW_EVENT_KIND_ANSWERED] != verdicts {
			t.Errorf("%s: events %v", path, e)
		}
	}
	if it := items[skipped]; it.GetState() != candorv1.ReviewState_REVIEW_STATE_PENDING || w.events(it)[candorv1.ReviewEventKind_REVIEW_EVENT_KIND_SKIPPED] != 1 {
		t.Errorf("skipped: %v", it)
	}
	if it := items[escalated]; it.GetQueue() != "legal" || it.GetEscalatedBy() != "ann" || it.GetEscalationNote() != "look at the age" ||
		w.events(it)[candorv1.ReviewEventKind_REVIEW_EVENT_KIND_ESCALATED] != 1 {
		t.Errorf("escalated: %v", it)
	}
}
