package browsertest

import (
	"sync"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// TestTwoPeople lets two people work through one queue at once, each in a browser of their own.
func TestTwoPeople(t *testing.T) {
	const waiting = 12
	w := start(t, "5m")
	w.deferSome(waiting)
	names := []string{"ann", "ben"}
	seen := make([]map[string]bool, len(names))
	// Nobody begins before both are logged in: one browser may start long after the other.
	var in sync.WaitGroup
	in.Add(len(names))
	t.Run("at once", func(t *testing.T) {
		for i, name := range names {
			seen[i] = map[string]bool{}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				// A world whose failures end this person's goroutine.
				mine := *w
				mine.T = t
				there := sync.OnceFunc(in.Done)
				defer there() // also where this one fails
				b := mine.browser()
				b.logIn(name, mine.user(name))
				there()
				in.Wait()
				b.press("w", asked)
				for b.path() != "/work" {
					path := b.path()
					seen[i][path] = true
					b.press("1", `document.querySelector("input[name=label]:checked") !== null`)
					b.press("\r", answered)
					b.press("\r", notAt(path)+` && (location.pathname === "/work" || `+asked+`)`)
				}
			})
		}
	})

	items := w.items()
	if len(items) != waiting {
		t.Fatalf("%d items", len(items))
	}
	for path, it := range items {
		if seen[0][path] == seen[1][path] {
			t.Errorf("%s was seen by both or by nobody", path)
			continue
		}
		author := names[0]
		if seen[1][path] {
			author = names[1]
		}
		e := w.events(it)
		if it.GetVerdict().GetAuthor() != author || e[candorv1.ReviewEventKind_REVIEW_EVENT_KIND_ANSWERED] != 1 || e[candorv1.ReviewEventKind_REVIEW_EVENT_KIND_CLAIMED] != 1 {
			t.Errorf("%s: %v, events %v, want one answer, by %s", path, it.GetVerdict(), e, author)
		}
	}
	if len(seen[0]) == 0 || len(seen[1]) == 0 {
		t.Errorf("they saw %d and %d items", len(seen[0]), len(seen[1]))
	}
}
