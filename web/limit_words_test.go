package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// A key is one segment of the path, whatever is in it, and a reset is of that key.
func TestResetOfAKey(t *testing.T) {
	for _, key := range []string{"acme", "Caf%C3%A9%2F1", "~other", ".", "..", "...", strings.Repeat("%FF", 21) + "%~0123456789abcdef0123456789abcdef"} {
		p := newPlant()
		p.limit.Name, p.limit.Key, p.limit.KeyValue, p.limit.Unit = "limits/nines/keys/"+key, "parameter:shop", "Café/1 "+hostile, "USD cents"
		s := newPlantSite(t, p, operator)
		page := s.get("/ops/limits")
		if text := apart(page.parse(t)); !strings.Contains(text, "at most 1.60 USD in 10 s") {
			t.Errorf("the page says\n%s", text)
		}
		path := "/ops/limits/nines/keys/" + url.PathEscape(key)
		if key == "." || key == ".." {
			path = "/ops/limits/nines/keys/" + strings.Repeat("%252E", len(key)) // as they are, they would be steps in the path
		}
		form := page.form(t, path+"/reset")
		if id := form.Get("request_id"); len(id) > 128 {
			t.Errorf("the request's id has %d bytes: %s", len(id), id)
		}
		form.Set("reason", "looked at them")
		form.Set("sure", "on")
		if r := s.post(path+"/reset", form); r.StatusCode != http.StatusSeeOther || p.resets[0].GetName() != p.limit.GetName() {
			t.Errorf("%q: %d, %v", key, r.StatusCode, p.resets)
		}
		if r := s.get(path); r.StatusCode != http.StatusOK || !strings.Contains(r.text(t), "Café/1 "+hostile) || strings.Contains(r.body, hostile) {
			t.Errorf("%q has the page %d\n%s", key, r.StatusCode, r.text(t))
		}
	}
}

func TestWhatALimitCounts(t *testing.T) {
	p := newPlant()
	p.limit = &candorv1.Limit{
		Name: "limits/share", Action: "pay", Kind: candorv1.LimitKind_LIMIT_KIND_RATIO, MaxShare: 0.05, MinCount: 100, Denominator: []string{"pay", "refuse"},
		DenominatorCount: 300, Used: 12, Bound: 15, Window: durationpb.New(1e10), Key: "parameter:shop",
		Keys: &candorv1.LimitKeys{MaxKeys: 10000, Live: 7, Tripped: 1, Overflowed: 3, Largest: []*candorv1.LimitKeyUse{
			{Name: "limits/share/keys/a%2Fb", KeyValue: "a/b " + hostile, Used: 12, Bound: 15, Tripped: true},
		}},
	}
	s := newPlantSite(t, p, auditor)
	for path, says := range map[string][]string{
		"/ops/limits":       {"at most 5 % of pay + refuse (100 at least) for each parameter:shop in 10 s", "12 of 15 80 % among 300 answers: 4 %", "most used key of 7", "1 key tripped", "3 answers found no place"},
		"/ops/limits/share": {"12 of 15 in 10 s, among 300 answers: 4 %", "7 of 10000, 1 tripped", "a/b " + hostile + " 12 of 15 tripped"},
	} {
		r := s.get(path)
		text := apart(r.parse(t))
		for _, want := range says {
			if !strings.Contains(text, want) {
				t.Errorf("%s doesn't say %q:\n%s", path, want, text)
			}
		}
		if strings.Contains(r.body, hostile) {
			t.Errorf("%s lets markup through", path)
		}
	}
	if r := s.get("/ops/limits/share"); !strings.Contains(r.body, `href="/ops/limits/share/keys/a%252Fb"`) {
		t.Error("the key has no link")
	}
}
