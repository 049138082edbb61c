package web_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func (d *desk) SupersedeVerdict(ctx context.Context, in *candorv1.SupersedeVerdictRequest) (*candorv1.SupersedeVerdictResponse, error) {
	it, err := d.ask(ctx, in, nil)
	return &candorv1.SupersedeVerdictResponse{Item: it}, err
}

func (d *desk) CreateGoldenItem(ctx context.Context, in *candorv1.CreateGoldenItemRequest) (*candorv1.CreateGoldenItemResponse, error) {
	_, err := d.ask(ctx, in, nil)
	return &candorv1.CreateGoldenItemResponse{Golden: in.GetGolden()}, err
}

func (d *desk) ListGoldenItems(context.Context, *candorv1.ListGoldenItemsRequest) (*candorv1.ListGoldenItemsResponse, error) {
	return &candorv1.ListGoldenItemsResponse{Golden: []*candorv1.GoldenItem{{
		Name: "goldenItems/" + itemID, Queue: attack, Model: attack, Author: attack, Shown: 4, Right: 3, Tolerance: 0.5,
		Answer: &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Label{Label: attack}},
	}}}, nil
}

func (d *desk) DeleteGoldenItem(ctx context.Context, in *candorv1.DeleteGoldenItemRequest) (*candorv1.DeleteGoldenItemResponse, error) {
	_, err := d.ask(ctx, in, nil)
	return &candorv1.DeleteGoldenItemResponse{}, err
}

func (d *desk) AppealPrediction(ctx context.Context, in *candorv1.AppealPredictionRequest) (*candorv1.AppealPredictionResponse, error) {
	_, err := d.ask(ctx, in, nil)
	return &candorv1.AppealPredictionResponse{Item: "reviewItems/" + itemID}, err
}

func (d *desk) DeleteReviewPayload(ctx context.Context, in *candorv1.DeleteReviewPayloadRequest) (*candorv1.DeleteReviewPayloadResponse, error) {
	_, err := d.ask(ctx, in, nil)
	return &candorv1.DeleteReviewPayloadResponse{}, err
}

// settled is a desk whose item has ben's final answer.
func settled() *desk {
	d := newDesk()
	d.queue.Reasons = []string{"of the queue"}
	d.it.State, d.it.Holder, d.it.LeaseExpireTime, d.it.FinalTime = candorv1.ReviewState_REVIEW_STATE_RESOLVED, "", nil, timestamppb.Now()
	d.it.PredictionId, d.it.Row, d.it.Field, d.it.Etag = itemID, 3, "total", "7"
	d.it.Verdict = &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: "ham"}, Author: "ben", CreateTime: timestamppb.Now()}
	d.it.Verdicts = []*candorv1.Verdict{d.it.Verdict}
	return d
}

// Who sees which form, by role and by how far the item is.
func TestWhoSeesCorrections(t *testing.T) {
	forms := []string{"/supersede", "/golden", "/appeal?", "/delete-payload"}
	for _, tt := range []struct {
		name   string
		role   candorv1.Role
		change func(*candorv1.ReviewItem)
		want   []string
	}{
		{"a reviewer", candorv1.Role_ROLE_REVIEWER, nil, nil},
		{"an operator", candorv1.Role_ROLE_OPERATOR, nil, nil},
		{"an auditor", candorv1.Role_ROLE_AUDITOR, nil, nil},
		{"a senior", candorv1.Role_ROLE_SENIOR, nil, forms[:3]},
		{"an administrator", candorv1.Role_ROLE_ADMIN, nil, forms},
		{"an answer that can change", candorv1.Role_ROLE_ADMIN, func(it *candorv1.ReviewItem) { it.FinalTime = nil }, forms[3:]},
		{"no input", candorv1.Role_ROLE_ADMIN, func(it *candorv1.ReviewItem) { it.Payload.Tensors = nil }, []string{forms[0], forms[2]}},
		{"a known answer", candorv1.Role_ROLE_SENIOR, func(it *candorv1.ReviewItem) { it.Kind = candorv1.ReviewKind_REVIEW_KIND_GOLDEN }, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := settled()
			if tt.change != nil {
				tt.change(d.it)
			}
			page := newSite(t, d, tt.role).get("/items/" + itemID)
			for _, f := range forms {
				want := false
				for _, w := range tt.want {
					want = want || w == f
				}
				if got := strings.Contains(page.body, `"/items/`+itemID+f+`"`) || f == "/appeal?" && strings.Contains(page.body, `href="/appeal?`); got != want {
					t.Errorf("the form %s is there: %v, want %v", f, got, want)
				}
			}
		})
	}
	for _, path := range []string{"/appeal", "/golden"} {
		if r := newSite(t, newDesk()).get(path); r.StatusCode != http.StatusForbidden || !strings.Contains(r.text(t), "Ask a senior") {
			t.Errorf("%s for a reviewer is answered by %d", path, r.StatusCode)
		}
	}
}

// Each form asks the service for what it says, and leads to what came of it.
func TestCorrections(t *testing.T) {
	for verb, tt := range map[string]struct {
		form url.Values
		done string
		want proto.Message
	}{
		"supersede": {url.Values{"label": {"spam"}, "reason": {"the sender says so"}}, "superseded", &candorv1.SupersedeVerdictRequest{
			Name: "reviewItems/" + itemID, Etag: "7", Verdict: &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: "spam"}, Reason: "the sender says so"}}},
		"golden": {url.Values{"label": {"ham"}, "queue": {"mail"}}, "known", &candorv1.CreateGoldenItemRequest{
			Item: "reviewItems/" + itemID, Golden: &candorv1.GoldenItem{Queue: "mail", Answer: &candorv1.VerdictAnswer{Answer: &candorv1.VerdictAnswer_Label{Label: "ham"}}}}},
		"delete-payload": {url.Values{"why": {"erasure request 4711"}, "sure": {"on"}}, "emptied", &candorv1.DeleteReviewPayloadRequest{
			Name: "reviewItems/" + itemID, Reason: "erasure request 4711"}},
	} {
		t.Run(verb, func(t *testing.T) {
			s := newSite(t, settled(), candorv1.Role_ROLE_ADMIN)
			action := "/items/" + itemID + "/" + verb
			form := s.get("/items/"+itemID).form(t, action)
			for k, v := range tt.form {
				form[k] = v
			}
			r := s.post(action, form)
			if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/items/"+itemID+"?done="+tt.done {
				t.Fatalf("answered by %d %q: %s", r.StatusCode, r.Header.Get("Location"), r.text(t))
			}
			got := proto.CloneOf(s.desk.asked[0]).ProtoReflect()
			id := got.Descriptor().Fields().ByName("request_id")
			if got.Get(id).String() != form.Get("request_id") {
				t.Errorf("the request id is %q, the form's %q", got.Get(id).String(), form.Get("request_id"))
			}
			got.Clear(id)
			if !proto.Equal(got.Interface(), tt.want) {
				t.Errorf("asked for %v, want %v", got.Interface(), tt.want)
			}
		})
	}
	s := newSite(t, settled(), candorv1.Role_ROLE_SENIOR)
	form := s.get("/appeal?prediction="+itemID+"&row=3&field=total").form(t, "/appeal")
	form.Set("prediction", itemID)
	form.Set("row", "3")
	form.Set("field", "total")
	form.Set("reason", "misread")
	if r := s.post("/appeal", form); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/appeal?opened="+itemID {
		t.Fatalf("an appeal leads to %d %q", r.StatusCode, r.Header.Get("Location"))
	}
	asked := s.desk.asked[0].(*candorv1.AppealPredictionRequest)
	if asked.GetPredictionId() != itemID || asked.GetRow() != 3 || asked.GetField() != "total" || asked.GetReason() != "misread" {
		t.Errorf("appealed by %v", asked)
	}
	if text := s.get("/appeal?opened=" + itemID).text(t); !strings.Contains(text, "The appeal is open") {
		t.Errorf("the page says %q", text)
	}
	if r := s.post("/golden/"+itemID+"/remove", s.get("/golden").form(t, "/golden/"+itemID+"/remove")); r.StatusCode != http.StatusSeeOther {
		t.Errorf("a known answer is removed by %d", r.StatusCode)
	}
}

// A refusal says why and what to do, in the form that was sent, which is open and filled.
func TestRefusedCorrections(t *testing.T) {
	for _, tt := range []struct {
		name, verb string
		form       url.Values
		refuse     error
		status     int
		says       string
	}{
		{"not final", "supersede", url.Values{"label": {"spam"}, "reason": {"kept words"}}, refusal(codes.FailedPrecondition, "REVIEW_ITEM_NOT_FINAL", "no"), http.StatusConflict, "Undo it or change it"},
		{"changed meanwhile", "supersede", url.Values{"label": {"spam"}, "reason": {"kept words"}}, refusal(codes.Aborted, "ETAG_MISMATCH", "no"), http.StatusConflict, "has changed meanwhile"},
		{"no answer", "supersede", url.Values{"reason": {"kept words"}}, nil, http.StatusBadRequest, "There is no answer yet"},
		{"own", "supersede", url.Values{"label": {"spam"}, "reason": {"kept words"}}, refusal(codes.PermissionDenied, "SELF_REVIEW", "no"), http.StatusForbidden, "You submitted this yourself"},
		{"bad tolerance", "golden", url.Values{"label": {"ham"}, "tolerance": {"-1"}, "queue": {"mail"}}, nil, http.StatusBadRequest, "from 0 on"},
		{"no role", "golden", url.Values{"label": {"ham"}, "queue": {"mail"}}, refusal(codes.PermissionDenied, "PERMISSION_DENIED", "no"), http.StatusForbidden, "Ask whoever administers"},
		{"not sure", "delete-payload", url.Values{"why": {"kept words"}}, nil, http.StatusBadRequest, "is not confirmed"},
		{"no reason", "delete-payload", url.Values{"sure": {"on"}}, nil, http.StatusBadRequest, "There is no reason"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, settled(), candorv1.Role_ROLE_ADMIN)
			action := "/items/" + itemID + "/" + tt.verb
			form := s.get("/items/"+itemID).form(t, action)
			form.Del("label")
			for k, v := range tt.form {
				form[k] = v
			}
			s.desk.refuse = tt.refuse
			r := s.post(action, form)
			if text := r.text(t); r.StatusCode != tt.status || !strings.Contains(text, tt.says) {
				t.Errorf("answered by %d: %s", r.StatusCode, text)
			}
			if strings.Contains(tt.form.Encode(), "kept") && !strings.Contains(r.body, `value="kept words"`) {
				t.Errorf("what was entered is lost")
			}
			if !strings.Contains(r.body, `<details class="more" open>`) || strings.Count(r.body, `<details class="more" open>`) != 1 {
				t.Errorf("the form that was sent isn't the one that is open")
			}
			if tt.refuse == nil && len(s.desk.asked) > 0 {
				t.Errorf("the service was asked: %v", s.desk.asked)
			}
		})
	}
	s := newSite(t, settled(), candorv1.Role_ROLE_SENIOR)
	form := s.get("/appeal").form(t, "/appeal")
	form.Set("row", "0")
	form.Set("reason", "kept words")
	s.desk.refuse = refusal(codes.FailedPrecondition, "APPEAL_REFUSED", "the row is under appeal already")
	if r := s.post("/appeal", form); r.StatusCode != http.StatusConflict || !strings.Contains(r.text(t), "under appeal already") || !strings.Contains(r.text(t), "kept words") {
		t.Errorf("a refused appeal is answered by %d: %s", r.StatusCode, r.text(t))
	}
}
