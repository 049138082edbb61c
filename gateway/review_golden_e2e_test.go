package gateway_test

import (
	"fmt"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// addGolden makes a question whose answer is known.
func (w *world) addGolden(answer string, n int) *candorv1.GoldenItem {
	w.t.Helper()
	resp, err := w.reviews().CreateGoldenItem(as(seniorToken), &candorv1.CreateGoldenItemRequest{RequestId: fmt.Sprint("golden ", n), Golden: &candorv1.GoldenItem{
		Queue: "desk", Model: "fraud", Answer: &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Label{Label: answer}},
		Payload: &candorv1.ReviewPayload{Tensors: []*candorv1.PayloadTensor{{Name: "x", Datatype: "FP32", Shape: []int64{4}, Values: []float64{.7, .5, .5, float64(n)}, ImageMax: 255}}},
	}})
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.GetGolden()
}

// shape is which fields of an item are set.
func shape(item *candorv1.ReviewItem) string {
	var fields []string
	item.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		fields = append(fields, string(f.Name()))
		return true
	})
	slices.Sort(fields)
	return fmt.Sprint(fields)
}

// Golden items, audits, appeals and deferred rows look the same to who may judge them: by their fields, in lists, in events, and
// by what is refused, whatever is done with them.
func TestGoldenItemsLookLikeAnyOther(t *testing.T) {
	w := start(t, append(promised(""), withDesk(", undo_window: 1h, golden: {share: 0.5}", "")...)...)
	for n := range 12 {
		w.addGolden([]string{"good", "bad"}[n%2], n)
	}
	for n := range 20 {
		if a := w.infer(as(clientToken), request([][4]float32{{.95, .5, .5, float32(n)}}, "candor_route")); a.err != nil {
			t.Fatal(a.err)
		}
	}
	kinds, shapes := map[candorv1.ReviewKind][]*candorv1.ReviewItem{}, map[string]string{}
	for range 24 {
		item := w.claim(reviewerToken, "")
		real := w.look(auditorToken, item.GetName())
		kinds[real.GetKind()] = append(kinds[real.GetKind()], item)
		if s := shape(item); shapes["claimed"] == "" {
			shapes["claimed"] = s
		} else if s != shapes["claimed"] {
			t.Errorf("a %v has %s, another item %s", real.GetKind(), s, shapes["claimed"])
		}
		if item.GetKind() != 0 || real.GetModelVersion() == "" || !proto.Equal(item, w.look(reviewerToken, item.GetName())) {
			t.Errorf("shown %v", item)
		}
		if item.GetExpireTime().AsTime().Sub(item.GetCreateTime().AsTime()).Hours() != 1 {
			t.Errorf("a %v is due after %v", real.GetKind(), item.GetExpireTime().AsTime().Sub(item.GetCreateTime().AsTime()))
		}
	}
	golden, others := kinds[candorv1.ReviewKind_REVIEW_KIND_GOLDEN], kinds[candorv1.ReviewKind_REVIEW_KIND_DEFERRED]
	if len(golden) < 3 || len(others) < 4 {
		t.Fatalf("of 24 claims %d are golden, %d not", len(golden), len(others))
	}
	list, err := w.reviews().ListReviewItems(as(reviewerToken), &candorv1.ListReviewItemsRequest{Reviewer: "me", State: candorv1.ReviewState_REVIEW_STATE_CLAIMED})
	if err != nil || len(list.GetItems()) != 24 || list.GetClaimedCount() != 24 {
		t.Errorf("my list has %d items of 24, and counts %d: %v", len(list.GetItems()), list.GetClaimedCount(), err)
	}

	// Whatever is done with them.
	acts := []struct {
		name string
		do   func(*candorv1.ReviewItem) (*candorv1.ReviewItem, error)
	}{
		{"release", func(i *candorv1.ReviewItem) (*candorv1.ReviewItem, error) {
			resp, err := w.reviews().ReleaseReviewItem(as(reviewerToken), &candorv1.ReleaseReviewItemRequest{Name: i.GetName(), Epoch: i.GetEpoch(), RequestId: "release"})
			return resp.GetItem(), err
		}},
		{"skip", func(i *candorv1.ReviewItem) (*candorv1.ReviewItem, error) {
			return w.skip(reviewerToken, i, candorv1.SkipRouting_SKIP_ROUTING_OTHERS)
		}},
		{"resolve", func(i *candorv1.ReviewItem) (*candorv1.ReviewItem, error) {
			return w.say(reviewerToken, i, label("good"), "resolve")
		}},
	}
	for k, act := range acts {
		got := map[string]string{}
		for kind, item := range map[string]*candorv1.ReviewItem{"golden": golden[k], "deferred": others[k]} {
			out, err := act.do(item)
			if err != nil {
				t.Fatalf("%s of a %s item: %v", act.name, kind, err)
			}
			again := w.look(reviewerToken, item.GetName())
			_, renew := w.reviews().RenewReviewItemLease(as(reviewerToken), &candorv1.RenewReviewItemLeaseRequest{Name: item.GetName(), Epoch: item.GetEpoch()})
			_, late := w.say(reviewerToken, item, label("bad"), "late")
			_, events := w.reviews().ListReviewEvents(as(reviewerToken), &candorv1.ListReviewEventsRequest{Name: item.GetName()})
			_, revise := w.reviews().UndoReviewItem(as(otherToken), &candorv1.UndoReviewItemRequest{Name: item.GetName(), RequestId: "not mine"})
			got[kind] = fmt.Sprint(out.GetState(), shape(without(out)), again.GetState(), shape(without(again)), reasonOf(t, renew), reasonOf(t, late), reasonOf(t, events), reasonOf(t, revise))
			if act.name == "skip" {
				got[kind] += reasonOf(t, w.claimErr(reviewerToken, item.GetName(), ""))
			}
		}
		if got["golden"] != got["deferred"] {
			t.Errorf("%s tells them apart:\n%s\n%s", act.name, got["golden"], got["deferred"])
		}
	}
}

// without leaves out what the models said: a golden item has what its author gave.
func without(item *candorv1.ReviewItem) *candorv1.ReviewItem {
	item = proto.CloneOf(item)
	item.Answers = nil
	return item
}

// reasonOf is what a refusal says.
func reasonOf(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return " ok"
	}
	return " " + toldBy(t, err).info.GetReason()
}

// A question of one's own, and what becomes of it.
func TestGoldenItems(t *testing.T) {
	w := start(t, withDesk(", golden: {share: 0.5}", "")...)
	_, err := w.reviews().CreateGoldenItem(as(reviewerToken), &candorv1.CreateGoldenItemRequest{RequestId: "1", Golden: &candorv1.GoldenItem{}})
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	for field, q := range map[string]*candorv1.GoldenItem{
		"golden.queue":        {Queue: "cellar"},
		"golden.model":        {Queue: "desk", Model: "frod"},
		"golden.field":        {Queue: "desk", Model: "fraud", Field: "f"},
		"golden.payload":      {Queue: "desk", Model: "fraud"},
		"golden.answer":       {Queue: "desk", Model: "fraud", Payload: &candorv1.ReviewPayload{Tensors: []*candorv1.PayloadTensor{{Name: "x"}}}},
		"golden.answer.label": {Queue: "desk", Model: "fraud", Payload: &candorv1.ReviewPayload{Tensors: []*candorv1.PayloadTensor{{Name: "x"}}}, Answer: &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Label{Label: "ugly"}}},
	} {
		_, err := w.reviews().CreateGoldenItem(as(seniorToken), &candorv1.CreateGoldenItemRequest{RequestId: "x " + field, Golden: q})
		if md := wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST"); md["field"] != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	name, _ := w.deferOne(deferredRow)
	_, err = w.reviews().CreateGoldenItem(as(seniorToken), &candorv1.CreateGoldenItemRequest{RequestId: "2", Item: name})
	wantError(t, err, codes.FailedPrecondition, "REVIEW_ITEM_NOT_FINAL")
	w.resolve(reviewerToken, name, "bad")
	made, err := w.reviews().CreateGoldenItem(as(seniorToken), &candorv1.CreateGoldenItemRequest{RequestId: "2", Item: name})
	if err != nil || made.GetGolden().GetAnswer().GetLabel() != "bad" || made.GetGolden().GetAuthor() != "sam" || len(made.GetGolden().GetPayload().GetTensors()) != 1 {
		t.Fatalf("%v %v", made, err)
	}
	again, err := w.reviews().CreateGoldenItem(as(seniorToken), &candorv1.CreateGoldenItemRequest{RequestId: "2", Item: name})
	if err != nil || again.GetGolden().GetName() != made.GetGolden().GetName() {
		t.Errorf("a retry: %v %v", again, err)
	}
	w.addGolden("good", 1)
	first, err := w.reviews().ListGoldenItems(as(seniorToken), &candorv1.ListGoldenItemsRequest{PageSize: 1})
	if err != nil || len(first.GetGolden()) != 1 || first.GetNextPageToken() == "" {
		t.Fatalf("%v %v", first, err)
	}
	second, err := w.reviews().ListGoldenItems(as(seniorToken), &candorv1.ListGoldenItemsRequest{Queue: "desk", PageToken: first.GetNextPageToken()})
	if err != nil || len(second.GetGolden()) != 1 || second.GetGolden()[0].GetName() != made.GetGolden().GetName() {
		t.Errorf("%v %v", second, err)
	}
	// Nobody is given golden items alone.
	for range 8 {
		wantError(t, w.claimErr(otherToken, "", "desk"), codes.NotFound, "QUEUE_EMPTY")
	}
	// Ben answers all that comes: right of the ones that ask for "bad".
	shown := map[string]bool{}
	for n := 0; len(shown) < 2 && n < 64; n++ {
		w.deferOne(row(.6, .55, float32(n)/1000))
		item := w.claim(otherToken, "")
		done := w.mustSay(otherToken, item, "bad")
		if done.GetKind() == candorv1.ReviewKind_REVIEW_KIND_GOLDEN {
			shown[done.GetName()] = true
		}
	}
	stats, err := w.reviews().GetReviewStatistics(as(otherToken), &candorv1.GetReviewStatisticsRequest{})
	if err != nil || len(stats.GetReviewers()) != 1 || len(stats.GetFlips()) != 0 {
		t.Fatalf("%v %v", stats, err)
	}
	if r := stats.GetReviewers()[0]; r.GetReviewer() != "ben" || r.GetGolden() != 2 || r.GetGoldenRight() != 1 {
		t.Errorf("ben's score: %v", r)
	}
	del := &candorv1.DeleteGoldenItemRequest{Name: made.GetGolden().GetName()}
	if _, err := w.reviews().DeleteGoldenItem(as(seniorToken), del); err != nil {
		t.Fatal(err)
	}
	_, err = w.reviews().DeleteGoldenItem(as(seniorToken), &candorv1.DeleteGoldenItemRequest{Name: "goldenItems/00000000-0000-7000-8000-000000000000"})
	if md := wantError(t, err, codes.NotFound, "GOLDEN_ITEM_NOT_FOUND"); md["golden_item"] == "" {
		t.Errorf("metadata %v", md)
	}
	if list, err := w.reviews().ListGoldenItems(as(seniorToken), &candorv1.ListGoldenItemsRequest{}); err != nil || len(list.GetGolden()) != 1 {
		t.Errorf("%v %v", list, err)
	}
}
