package webhook

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// The example of the specification: id, time, body and secret with their signature.
func TestSignatureOfTheSpecification(t *testing.T) {
	key, err := base64.StdEncoding.DecodeString("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	got := sign([]Secret{{Key: key}}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Both secrets of a rotation verify, by a library that isn't ours; another, and another body, don't.
func TestSignaturesVerify(t *testing.T) {
	old, fresh, other := NewSecret(time.Now()), NewSecret(time.Now()), NewSecret(time.Now())
	now, body := time.Now(), []byte(`{"type":"prediction.final"}`)
	header := http.Header{}
	header.Set("webhook-id", "msg_1")
	header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	header.Set("webhook-signature", sign([]Secret{fresh, old}, "msg_1", now, body))
	for name, tc := range map[string]struct {
		secret Secret
		body   string
		ok     bool
	}{
		"new": {fresh, string(body), true}, "old": {old, string(body), true}, "other": {other, string(body), false}, "changed": {fresh, "{}", false},
	} {
		hook, err := standardwebhooks.NewWebhook(tc.secret.Text())
		if err != nil {
			t.Fatal(err)
		}
		if err := hook.Verify([]byte(tc.body), header); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !strings.HasPrefix(old.Text(), "whsec_") || !strings.HasPrefix(old.Text(), strings.TrimSuffix(old.Hint(), "…")) || len(old.Hint()) > 16 {
		t.Errorf("secret %s, hint %s", old.Text(), old.Hint())
	}
}

// An id stays the same, and is another for whatever else is another.
func TestID(t *testing.T) {
	e := Event{Position: 7, Key: "p", Subject: "0"}
	seen := map[string]bool{ID("a", e): true}
	if !seen[ID("a", e)] {
		t.Error("the same event has two ids")
	}
	for _, id := range []string{
		ID("b", e), ID("a", Event{Position: 8, Key: "p", Subject: "0"}), ID("a", Event{Position: 7, Key: "q", Subject: "0"}),
		ID("a", Event{Position: 7, Key: "p", Subject: "1"}),
	} {
		if seen[id] || !strings.HasPrefix(id, "msg_") {
			t.Errorf("id %s", id)
		}
		seen[id] = true
	}
}

// A secret that receivers' libraries take is read as it is, and others are refused with what is wrong.
func TestParseSecret(t *testing.T) {
	made := NewSecret(time.Now())
	if got, err := ParseSecret(made.Text()); err != nil || got.Text() != made.Text() {
		t.Errorf("%v, %v", got.Text(), err)
	}
	for _, bad := range []string{"", "secret", "whsec_", "whsec_!!!!", "whsec_c2hvcnQ=", made.Text() + made.Text()} {
		if _, err := ParseSecret(bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}
