package desk

import (
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// only is the one item that ann has answered, or holds.
func (d *desk) only(state candorv1.ReviewState) *candorv1.ReviewItem {
	d.t.Helper()
	ctx, cancel := d.conn.Context(d.t.Context())
	defer cancel()
	resp, err := d.client.ListReviewItems(ctx, &candorv1.ListReviewItemsRequest{State: state})
	if err != nil || len(resp.GetItems()) != 1 {
		d.t.Fatalf("%v: %d items, %v", state, len(resp.GetItems()), err)
	}
	return resp.GetItems()[0]
}

const prompt = "your answer"

// The lease is lost to another session of the same person: it is told at once, and what was typed still counts.
func TestLostAndClaimedAgain(t *testing.T) {
	d := openDesk(t, "lease: 3s, undo_window: 0s", 1)
	p := d.sit()
	p.expect(prompt)
	p.types("n it looks odd")
	p.expect(prompt)
	item := d.only(candorv1.ReviewState_REVIEW_STATE_CLAIMED)
	ctx, cancel := d.conn.Context(t.Context())
	defer cancel()
	if _, err := d.client.ClaimReviewItem(ctx, &candorv1.ClaimReviewItemRequest{Name: item.GetName()}); err != nil {
		t.Fatal(err)
	}
	p.expect("your lease of this item was lost")
	p.expect("it is yours again, under epoch 3")
	p.expect(prompt)
	p.types("good")
	p.expect(`resolved`)
	p.expect("nothing else waits; 1 item resolved")
	v := d.only(candorv1.ReviewState_REVIEW_STATE_RESOLVED).GetVerdict()
	if v.GetLabel() != "good" || v.GetNote() != "it looks odd" {
		t.Errorf("verdict %v", v)
	}
	p.leaves()
}

// A line that was being typed when the item went is not an answer to the next one.
func TestLostForGood(t *testing.T) {
	d := openDesk(t, "lease: 1s, deadline: 2s, undo_window: 0s", 1)
	p := d.sit()
	p.expect(prompt)
	p.types("n nearly there")
	p.expect("your lease of this item was lost")
	p.expect("it is not to be had any more")
	p.expect(`your note was: "nearly there"`)
	p.expect("Enter goes on")
	p.types("bad")
	p.expect(`not used: "bad"`)
	p.expect("nothing else waits; 0 items resolved")
	p.leaves()
}

// The gateway is away when the answer is given: it isn't lost, and stored once.
func TestAnswerWhileTheGatewayIsAway(t *testing.T) {
	const stored = `"bad", final and released`
	d := openDesk(t, "undo_window: 0s", 1)
	p := d.sit()
	p.expect(prompt)
	d.stop()
	p.types("bad")
	p.expect("it can't be done now")
	p.types("")
	p.expect("it can't be done now")
	d.write() // at the address that it had
	d.serve()
	// The connection takes a moment to come back.
	for shown := ""; shown != stored; shown = p.expect("it can't be done now", stored) {
		p.types("")
	}
	if v := d.only(candorv1.ReviewState_REVIEW_STATE_RESOLVED).GetVerdict(); v.GetLabel() != "bad" || v.GetAuthor() != "ann" {
		t.Errorf("verdict %v", v)
	}
	p.leaves()
}

// The window closes while the person looks back: what is typed then changes nothing, and is no answer to the next item either.
func TestWindowCloses(t *testing.T) {
	d := openDesk(t, "undo_window: 1s", 2)
	p := d.sit()
	p.expect(prompt)
	p.types("bad")
	p.expect("Enter keeps it")
	p.expect("it is final now")
	p.types("good")
	p.expect(`too late: "good" changes nothing`)
	p.expect(prompt)
	p.types("u")
	p.expect("UNDO_WINDOW_CLOSED")
	p.expect(prompt)
	if v := d.only(candorv1.ReviewState_REVIEW_STATE_RESOLVED).GetVerdict(); v.GetLabel() != "bad" || v.GetFirstAnswer() != nil {
		t.Errorf("verdict %v", v)
	}
	// At the end of the input what is held goes back.
	p.leaves()
	d.only(candorv1.ReviewState_REVIEW_STATE_PENDING)
}
