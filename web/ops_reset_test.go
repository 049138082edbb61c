package web_test

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
)

const resetPath = "/ops/limits/nines/reset"

func TestReset(t *testing.T) {
	p := newPlant()
	s := newPlantSite(t, p, operator)
	form := s.get("/ops/limits").form(t, resetPath)
	form.Set("reason", " looked at them ")
	if r := s.post(resetPath, form); r.StatusCode != http.StatusBadRequest || !strings.Contains(r.text(t), "not confirmed") || !strings.Contains(r.body, "looked at them") {
		t.Errorf("without confirmation: %d\n%s", r.StatusCode, r.text(t))
	}
	if len(p.resets) > 0 {
		t.Fatalf("it was reset without confirmation: %v", p.resets)
	}
	form.Set("sure", "on")
	r := s.post(resetPath, form)
	if r.StatusCode != http.StatusSeeOther || r.Header.Get("Location") != "/ops/limits?did=reset&done=nines" {
		t.Fatalf("a reset leads to %d %q", r.StatusCode, r.Header.Get("Location"))
	}
	if in := p.resets[0]; in.GetName() != "limits/nines" || in.GetReason() != "looked at them" || in.GetRequestId() != form.Get("request_id") {
		t.Errorf("reset by %v", in)
	}
}

// A refusal is said, keeps the reason, and a retry is the same request.
func TestResetRefused(t *testing.T) {
	p := newPlant()
	p.refuse = refusal(codes.FailedPrecondition, "LIMIT_NOT_TRIPPED", "limit \"nines\" is not tripped")
	s := newPlantSite(t, p, operator)
	form := s.get("/ops/limits").form(t, resetPath)
	form.Set("reason", "looked at them")
	form.Set("sure", "on")
	r := s.post(resetPath, form)
	if r.StatusCode != http.StatusConflict || !strings.Contains(r.text(t), "This limit is not tripped") || !strings.Contains(r.body, "looked at them") {
		t.Errorf("a refusal: %d\n%s", r.StatusCode, r.text(t))
	}
	if again := r.form(t, resetPath).Get("request_id"); again != form.Get("request_id") {
		t.Errorf("a retry would be %q, not %q", again, form.Get("request_id"))
	}
}

func TestResetForgery(t *testing.T) {
	p := newPlant()
	s := newPlantSite(t, p, operator)
	form := s.get("/ops/limits").form(t, resetPath)
	form.Set("reason", "looked at them")
	form.Set("sure", "on")
	form.Del("csrf")
	if r := s.post(resetPath, form); r.StatusCode != http.StatusForbidden || len(p.resets) > 0 {
		t.Errorf("without a token: %d, %v", r.StatusCode, p.resets)
	}
	if r := s.get(resetPath); r.StatusCode == http.StatusOK || len(p.resets) > 0 {
		t.Errorf("a link resets: %d", r.StatusCode)
	}
}

// Who is no operator sees no form; what they post all the same is for the service to refuse, and the page says so.
func TestResetIsForOperators(t *testing.T) {
	p := newPlant()
	s := newPlantSite(t, p, auditor)
	r := s.get("/ops/limits")
	if strings.Contains(r.body, resetPath) || !strings.Contains(r.text(t), "An operator can reset it") {
		t.Errorf("an auditor is offered a reset")
	}
	p.refuse = refusal(codes.PermissionDenied, "PERMISSION_DENIED", "needs the role operator")
	form := r.form(t, "/settings")
	form.Set("reason", "looked at them")
	form.Set("sure", "on")
	form.Set("request_id", "1")
	if r := s.post(resetPath, form); r.StatusCode != http.StatusForbidden {
		t.Errorf("an auditor's reset is answered by %d", r.StatusCode)
	}
}
