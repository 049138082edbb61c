package gateway_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/candor-gateway/candor/webhook"
)

// A receiver's secret is changed by changing its file. What the file holds is refused when it is no secret, and the one before goes on;
// while it holds two, messages are signed by both.
func TestAlertSecretChanges(t *testing.T) {
	hook := newCalls(t, false)
	file := filepath.Join(t.TempDir(), "secret")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, second := webhook.NewSecret(time.Now()), webhook.NewSecret(time.Now())
	put(first.Text() + "\n")
	w := start(t, withLimit(1, fmt.Sprintf(`, on_trip: reject, alerts: [{name: hook, webhook: %q, secret_file: %q, allow_private: true}]`, hook.URL, file))...)
	signedBy := func(n int, secrets ...webhook.Secret) {
		t.Helper()
		w.eventually(func() bool { return len(hook.all()) == n })
		c := hook.all()[n-1]
		if got := len(strings.Fields(c.header.Get("webhook-signature"))); got != len(secrets) {
			t.Errorf("message %d has %d signatures, want %d", n, got, len(secrets))
		}
		for _, s := range secrets {
			verifier, err := standardwebhooks.NewWebhook(s.Text())
			if err != nil {
				t.Fatal(err)
			}
			if err := verifier.Verify(c.body, c.header); err != nil {
				t.Errorf("message %d: %v", n, err)
			}
		}
	}
	w.tripDeclines()
	signedBy(1, first)

	if changed, err := w.gateway.Reload(t.Context(), w.edited(), nil); changed || err != nil {
		t.Errorf("nothing is different: %t, %v", changed, err)
	}
	for text, want := range map[string]string{
		second.Text() + "\nsecret\n": "line 2: a secret begins with whsec_",
		" \n":                        "is empty",
		strings.Repeat("x", 1<<20):   "has 1048576 bytes",
	} {
		put(text)
		changed, err := w.gateway.Reload(t.Context(), w.edited(), nil)
		if changed || err == nil || !strings.Contains(err.Error(), "limits.declines.alerts[0].secret_file: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("a file of %.20q: %t, %v; want a refusal that says %q", text, changed, err, want)
		}
	}
	if _, err := w.reset(operatorToken, "declines", "r1"); err != nil {
		t.Fatal(err)
	}
	signedBy(2, first)

	put(second.Text() + "\n" + first.Text() + "\n")
	if changed, err := w.gateway.Reload(t.Context(), w.edited(), nil); !changed || err != nil {
		t.Fatalf("another secret: %t, %v", changed, err)
	}
	w.tripDeclines()
	signedBy(3, second, first)
	put(second.Text())
	if changed, err := w.gateway.Reload(t.Context(), w.edited(), nil); !changed || err != nil {
		t.Fatalf("one secret less: %t, %v", changed, err)
	}
	if _, err := w.reset(operatorToken, "declines", "r2"); err != nil {
		t.Fatal(err)
	}
	signedBy(4, second)
}
