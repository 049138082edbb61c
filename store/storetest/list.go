package storetest

import (
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/review"
)

var listTests = []test{{"items are listed", testList}, {"pages are stable", testPages}}

func testList(t *testing.T, d Driver) {
	now := d.Now()
	a := put(t, d, "a", 3, func(i int, it *review.Item) { it.Created = now.Add(time.Duration(i) * time.Second) })
	b := put(t, d, "b", 2, func(i int, it *review.Item) { it.Created = now.Add(time.Minute) })
	if b[0].ID < b[1].ID {
		b[0], b[1] = b[1], b[0]
	}
	claimID(t, d, a[1].ID, "ann", now)
	finish(t, d, b[0].ID, "ann", "1", now)
	change(t, d, a[0].ID, review.Release{Lease: lease(claimID(t, d, a[0].ID, "ann", now)), Now: now})
	const (
		pending  = candorv1.ReviewState_REVIEW_STATE_PENDING
		claimed  = candorv1.ReviewState_REVIEW_STATE_CLAIMED
		resolved = candorv1.ReviewState_REVIEW_STATE_RESOLVED
	)
	for _, tc := range []struct {
		name             string
		f                review.Filter
		want             []review.Item
		pending, claimed int64
	}{
		{"all", review.Filter{}, []review.Item{b[0], b[1], a[2], a[1], a[0]}, 3, 1},
		{"a queue", review.Filter{Queue: "a"}, []review.Item{a[2], a[1], a[0]}, 2, 1},
		{"a state", review.Filter{State: pending}, []review.Item{b[1], a[2], a[0]}, 3, 1},
		{"a queue and a state", review.Filter{Queue: "a", State: claimed}, []review.Item{a[1]}, 2, 1},
		{"finished", review.Filter{State: resolved}, []review.Item{b[0]}, 3, 1},
		{"a prediction", review.Filter{PredictionID: b[0].PredictionID}, []review.Item{b[0], b[1]}, 3, 1},
		{"a model", review.Filter{Model: "digits", Queue: "b"}, []review.Item{b[0], b[1]}, 1, 0},
		{"another model", review.Filter{Model: "letters"}, nil, 3, 1},
		{"a reviewer", review.Filter{Reviewer: "ann"}, []review.Item{b[0], a[1]}, 3, 1},
		{"a reviewer's of a queue", review.Filter{Reviewer: "ann", Queue: "a"}, []review.Item{a[1]}, 2, 1},
		{"nobody's", review.Filter{Reviewer: "bob"}, nil, 3, 1},
		{"queues that may be seen", review.Filter{Queues: []string{"b", "c"}}, []review.Item{b[0], b[1]}, 1, 0},
		{"a queue that may be seen", review.Filter{Queue: "a", Queues: []string{"a"}, State: claimed}, []review.Item{a[1]}, 2, 1},
		{"no queue may be seen", review.Filter{Queues: []string{}}, nil, 0, 0},
		{"none", review.Filter{Queue: "c"}, nil, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.f.Limit = 10
			page, err := d.List(t.Context(), tc.f)
			if err != nil {
				t.Fatal(err)
			}
			if ids(page.Items) != ids(tc.want) || page.Next != "" {
				t.Errorf("listed %s, next %q; want %s", ids(page.Items), page.Next, ids(tc.want))
			}
			if page.Pending != tc.pending || page.Claimed != tc.claimed {
				t.Errorf("%d pending, %d claimed; want %d and %d", page.Pending, page.Claimed, tc.pending, tc.claimed)
			}
			for _, it := range page.Items {
				if it.Payload != nil {
					t.Errorf("item %s has its payload", it.ID)
				}
				if len(it.Answers) != 2 || len(it.Sequences) != 1 {
					t.Errorf("item %s is incomplete: %+v", it.ID, it)
				}
			}
		})
	}
	if _, err := d.List(t.Context(), review.Filter{}); err == nil {
		t.Error("a page of 0 was accepted")
	}
	_, err := d.List(t.Context(), review.Filter{Limit: 1, After: "no such page"})
	wantError(t, "a bad page token", err, review.ErrPageToken)
}

// Items that come while somebody turns pages neither shift nor hide the rest; many have one creation time.
func testPages(t *testing.T, d Driver) {
	now := d.Now()
	const n = 23
	want := map[string]bool{}
	for _, it := range put(t, d, "q", n, nil) {
		want[it.ID] = true
	}
	var after string
	seen := map[string]bool{}
	for pages := 0; ; pages++ {
		if pages > n {
			t.Fatal("the pages don't end")
		}
		page, err := d.List(t.Context(), review.Filter{Queue: "q", Limit: 5, After: after})
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range page.Items {
			if seen[it.ID] {
				t.Errorf("item %s came twice", it.ID)
			}
			seen[it.ID] = true
		}
		if page.Next == "" {
			break
		}
		after = page.Next
		put(t, d, "q", 1, func(_ int, it *review.Item) { it.Created = now.Add(time.Hour) })
	}
	if diff(want, seen) != "" {
		t.Errorf("saw %d items, want the %d that were there at the start", len(seen), n)
	}
}
