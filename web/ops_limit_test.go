package web_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const confirmPath = "/ops/limits/nines/confirm"

// asked is a plant in which somebody has asked for a reset.
func askedBy(who string) *plant {
	p := newPlant()
	p.limit.ResetPeople = 2
	p.limit.PendingReset = &candorv1.LimitResetRequest{AskedBy: who, Reason: "fine " + hostile, RequestId: "r1", ExpireTime: timestamppb.New(time.Now().Add(time.Minute))}
	return p
}

// The second person confirms the reset that the page showed; the first is not offered to.
func TestConfirmReset(t *testing.T) {
	p := askedBy("bob")
	s := newPlantSite(t, p, operator)
	r := s.get("/ops/limits")
	if text := r.text(t); !strings.Contains(text, "bob asked for a reset: fine "+hostile) || strings.Contains(r.body, `action="`+resetPath) {
		t.Errorf("the page says\n%s", text)
	}
	form := r.form(t, confirmPath)
	if r := s.post(confirmPath, form); r.StatusCode != http.StatusBadRequest || len(p.confirms) > 0 {
		t.Errorf("without a tick: %d, %v", r.StatusCode, p.confirms)
	}
	form.Set("sure", "on")
	if r := s.post(confirmPath, form); r.StatusCode != http.StatusSeeOther || p.confirms[0].GetResetRequestId() != "r1" || p.confirms[0].GetName() != "limits/nines" {
		t.Errorf("confirmed: %d, %v", r.StatusCode, p.confirms)
	}
	p.refuse = refusal(codes.PermissionDenied, "LIMIT_RESET_SAME_PERSON", "the same")
	if r := s.post(confirmPath, form); r.StatusCode != http.StatusForbidden || !strings.Contains(r.text(t), "Another person has to confirm this") {
		t.Errorf("refused: %d\n%s", r.StatusCode, r.text(t))
	}
	mine := newPlantSite(t, askedBy("olga"), operator).get("/ops/limits")
	if strings.Contains(mine.body, confirmPath) || !strings.Contains(mine.text(t), "Another operator confirms it") {
		t.Error("who asked is offered to confirm")
	}
	if watched := newPlantSite(t, askedBy("bob"), auditor).get("/ops/limits"); strings.Contains(watched.body, confirmPath) {
		t.Error("an auditor is offered to confirm")
	}
}

func TestStopAndAcknowledge(t *testing.T) {
	p := newPlant()
	s := newPlantSite(t, p, operator)
	page := s.get("/ops/limits")
	ack := page.form(t, "/ops/limits/nines/ack")
	if r := s.post("/ops/limits/nines/ack", ack); r.StatusCode != http.StatusSeeOther || p.acks[0].GetName() != "limits/nines" || p.acks[0].GetRequestId() == "" {
		t.Errorf("acknowledged: %d, %v", r.StatusCode, p.acks)
	}
	stop := page.form(t, "/ops/stop")
	stop.Set("name", "pay")
	stop.Set("reason", "it is mad")
	stop.Set("kind", "action")
	if r := s.post("/ops/stop", stop); r.StatusCode != http.StatusBadRequest || !strings.Contains(r.body, "it is mad") || len(p.stops) > 0 {
		t.Errorf("without a tick: %d, %v", r.StatusCode, p.stops)
	}
	stop.Set("sure", "on")
	if r := s.post("/ops/stop", stop); r.StatusCode != http.StatusSeeOther || p.stops[0].GetAction() != "pay" || p.stops[0].GetModel() != "" {
		t.Errorf("stopped: %d, %v", r.StatusCode, p.stops)
	}
	stop.Set("kind", "model")
	stop.Del("csrf")
	if r := s.post("/ops/stop", stop); r.StatusCode != http.StatusForbidden || len(p.stops) != 1 {
		t.Errorf("without a token: %d, %v", r.StatusCode, p.stops)
	}
	if r := newPlantSite(t, newPlant(), auditor).get("/ops/limits"); strings.Contains(r.body, "/ops/stop") || strings.Contains(r.body, "/ack") {
		t.Error("an auditor is offered to stop or to acknowledge")
	}
}

func TestLimitHistory(t *testing.T) {
	p := newPlant()
	p.limit.Alerts = []*candorv1.LimitAlert{{
		Receiver: "oncall", Attempts: 3, Error: "down " + hostile, WaitTime: timestamppb.New(time.Now().Add(-time.Hour)), NextAttemptTime: timestamppb.New(time.Now().Add(time.Minute)),
	}}
	r := newPlantSite(t, p, auditor).get("/ops/limits/nines")
	text := r.text(t)
	for _, want := range []string{"oncall", "not yet, since ", ", next attempt ", ": down " + hostile, "reset", "olga and root", hostile, "50 % of it until", "160 of 160", "Older"} {
		if !strings.Contains(text, want) {
			t.Errorf("the history lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(r.body, hostile) {
		t.Error("a reason isn't escaped")
	}
}
