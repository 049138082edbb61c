package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// A person without a script claims an item, answers it, sees what the model said, changes it and goes on.
func TestFormsWithoutScript(t *testing.T) {
	s := newSite(t, newDesk())
	next := s.post("/claim", s.get("/queue").form(t, "/claim"))
	if next.StatusCode != http.StatusSeeOther || next.Header.Get("Location") != "/items/"+itemID+"?in=mail" && next.Header.Get("Location") != "/items/"+itemID {
		t.Fatalf("a claim leads to %d %q", next.StatusCode, next.Header.Get("Location"))
	}
	page := s.get("/items/" + itemID)
	if text := page.text(t); !strings.Contains(text, "Which label fits?") || !strings.Contains(text, "Dear you") || strings.Contains(text, "The model says") {
		t.Errorf("before the answer the page says %q", text)
	}
	form := page.form(t, "/items/"+itemID+"/resolve")
	form.Set("label", "ham")
	form.Set("confidence", "80")
	form.Set("note", "a\r\nb")
	if r := s.post("/items/"+itemID+"/resolve", form); r.StatusCode != http.StatusSeeOther {
		t.Fatalf("a verdict is answered by %d: %s", r.StatusCode, r.body)
	}
	page = s.get("/items/" + itemID)
	for _, want := range []string{"The model says something else", "before you saw the model", "net 3", "70 %", "80 % sure", "Keep it, and take the next"} {
		if !strings.Contains(page.text(t), want) {
			t.Errorf("after the answer the page doesn't say %q", want)
		}
	}
	form = page.form(t, "/items/"+itemID+"/revise")
	if form.Get("label") != "ham" {
		t.Errorf("the form to change an answer begins with %q: only the person's own answer may be there", form.Get("label"))
	}
	form.Set("label", "spam")
	if r := s.post("/items/"+itemID+"/revise", form); r.StatusCode != http.StatusSeeOther {
		t.Fatalf("a change is answered by %d", r.StatusCode)
	}
	if r := s.post("/items/"+itemID+"/undo", page.form(t, "/items/"+itemID+"/undo")); r.StatusCode != http.StatusSeeOther {
		t.Fatalf("an undo is answered by %d", r.StatusCode)
	}

	resolved := s.desk.asked[1].(*candorv1.ResolveReviewItemRequest)
	want := &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: "ham"}, Confidence: proto.Float64(0.8), Note: "a\nb"}
	if !proto.Equal(resolved.GetVerdict(), want) || resolved.GetEpoch() != 7 || resolved.GetRequestId() == "" {
		t.Errorf("resolved by %v", resolved)
	}
	revised := s.desk.asked[2].(*candorv1.ReviseReviewItemRequest)
	if revised.GetVerdict().GetLabel() != "spam" || revised.GetRequestId() == resolved.GetRequestId() {
		t.Errorf("revised by %v", revised)
	}
	for _, who := range s.desk.as {
		if who != reviewer {
			t.Errorf("a call was made as %q", who)
		}
	}
}

// Skip, escalate and release give the item up; the first two go on with the next.
func TestGivingBack(t *testing.T) {
	for verb, want := range map[string]string{"skip": "/items/" + itemID + "?done=skipped", "escalate": "/items/" + itemID + "?done=escalated", "release": "/work"} {
		s := newSite(t, newDesk())
		form := s.get("/items/"+itemID).form(t, "/items/"+itemID+"/"+verb)
		form.Set("why", "because")
		form.Set("queue", "legal")
		r := s.post("/items/"+itemID+"/"+verb, form)
		if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != want {
			t.Errorf("%s leads to %d %q, want %q", verb, r.StatusCode, r.Header.Get("Location"), want)
		}
		switch in := s.desk.asked[0].(type) {
		case *candorv1.SkipReviewItemRequest:
			if in.GetReason() != "because" || in.GetEpoch() != 7 || in.GetRouting() != candorv1.SkipRouting_SKIP_ROUTING_OTHERS {
				t.Errorf("skipped by %v", in)
			}
		case *candorv1.EscalateReviewItemRequest:
			if in.GetNote() != "because" || in.GetQueue() != "legal" {
				t.Errorf("escalated by %v", in)
			}
		}
	}
}

// A refusal is said with its remedy, and nothing of what was entered is lost.
func TestRefusalsKeepWhatWasEntered(t *testing.T) {
	for _, tt := range []struct {
		name   string
		form   url.Values
		refuse error
		status int
		says   []string
	}{
		{"stale", url.Values{"label": {"spam"}, "note": {"look at the link"}}, refusal(codes.Aborted, "STALE_LEASE", "the lease has ended"),
			http.StatusConflict, []string{"Your hold on this item has ended", "Claim it again", "the lease has ended"}},
		{"no answer", url.Values{"note": {"look at the link"}}, nil, http.StatusBadRequest, []string{"There is no answer yet"}},
		{"too sure", url.Values{"label": {"spam"}, "confidence": {"101"}, "note": {"look at the link"}}, nil, http.StatusBadRequest, []string{"from 0 to 100"}},
		{"no such label", url.Values{"label": {"eggs"}, "note": {"look at the link"}}, refusal(codes.InvalidArgument, "INVALID_VERDICT", "it is none of ham, spam"),
			http.StatusUnprocessableEntity, []string{"This answer can't be taken", "it is none of ham, spam"}},
		{"store", url.Values{"label": {"spam"}, "note": {"look at the link"}}, refusal(codes.Unavailable, "STORE_UNAVAILABLE", "no"),
			http.StatusServiceUnavailable, []string{"The store did not answer", "Nothing was changed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, newDesk())
			form := s.get("/items/"+itemID).form(t, "/items/"+itemID+"/resolve")
			for k, v := range tt.form {
				form[k] = v
			}
			s.desk.refuse = tt.refuse
			if tt.name == "stale" {
				s.desk.it.Holder, s.desk.it.State = "", candorv1.ReviewState_REVIEW_STATE_PENDING
			}
			r := s.post("/items/"+itemID+"/resolve", form)
			if r.StatusCode != tt.status || r.Header.Get("HX-Push-Url") != "false" {
				t.Errorf("answered by %d %v", r.StatusCode, r.Header)
			}
			for _, want := range append(tt.says, "look at the link") {
				if !strings.Contains(r.text(t), want) {
					t.Errorf("the page doesn't say %q", want)
				}
			}
			if want := tt.form.Get("label"); want == "spam" && r.form(t, "/items/"+itemID+"/resolve").Get("label") != want {
				t.Errorf("the label that was chosen is lost")
			}
		})
	}
}

// Who claims again what they lost finds what they had entered.
func TestClaimedAgain(t *testing.T) {
	s := newSite(t, newDesk())
	form := s.get("/items/"+itemID).form(t, "/items/"+itemID+"/resolve")
	form.Set("label", "spam")
	form.Set("note", "look at the link")
	r := s.post("/items/"+itemID+"/claim", form)
	if r.StatusCode != http.StatusOK || r.form(t, "/items/"+itemID+"/resolve").Get("label") != "spam" || !strings.Contains(r.text(t), "look at the link") {
		t.Errorf("claimed again: %d\n%s", r.StatusCode, r.text(t))
	}
}

func TestHeartbeat(t *testing.T) {
	s := newSite(t, newDesk())
	form := s.get("/items/"+itemID).form(t, "/items/"+itemID+"/resolve")
	r := s.post("/items/"+itemID+"/renew", form)
	if left := r.Header.Get("Candor-Lease-Left"); r.StatusCode != http.StatusNoContent || left != "299" && left != "300" {
		t.Errorf("a heartbeat is answered by %d, %q s left", r.StatusCode, left)
	}
	s.desk.refuse = refusal(codes.Aborted, "STALE_LEASE", "the lease has ended")
	if r := s.post("/items/"+itemID+"/renew", form); r.StatusCode != http.StatusConflict || !strings.Contains(r.body, "Somebody else may have it by now") {
		t.Errorf("a refused heartbeat is answered by %d %q", r.StatusCode, r.body)
	}
}

// Another site's forms, and forms without their token, change nothing.
func TestForgery(t *testing.T) {
	s := newSite(t, newDesk())
	form := s.get("/items/"+itemID).form(t, "/items/"+itemID+"/resolve")
	form.Set("label", "spam")
	form.Del("csrf")
	for _, path := range []string{"/claim", "/items/" + itemID + "/resolve", "/items/" + itemID + "/undo", "/items/" + itemID + "/renew", "/settings"} {
		if r := s.post(path, form); r.StatusCode != http.StatusForbidden {
			t.Errorf("%s without a token is answered by %d", path, r.StatusCode)
		}
	}
	if len(s.desk.asked) > 0 {
		t.Errorf("it reached the services: %v", s.desk.asked)
	}
}

func TestNothingToDo(t *testing.T) {
	s := newSite(t, newDesk())
	form := s.get("/work").form(t, "/claim")
	s.desk.refuse = refusal(codes.NotFound, "QUEUE_EMPTY", "nothing")
	if r := s.post("/claim", form); r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/work" {
		t.Errorf("an empty queue leads to %d %q", r.StatusCode, r.Header.Get("Location"))
	}
}
