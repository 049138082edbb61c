package people_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/candor-gateway/candor/people"
)

// A gate logs in with what the secret's file held when it was made. What a file holds later is for the next gate, and what is no secret
// makes none.
func TestClientSecretIsOfItsGate(t *testing.T) {
	p := startOpenID(t)
	file := secretFile(t)
	cfg := p.config(file)
	s := startSite(t, cfg)
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	next := func() (*people.Gate, error) {
		return people.NewGate(people.GateOptions{Config: cfg, Store: s.store, PublicURL: s.base, Cost: cheap, Before: s.gate})
	}
	same, err := next()
	if err != nil || !same.SameSecret(s.gate) {
		t.Fatalf("the same file: %v", err)
	}
	for text, want := range map[string]string{" \n": "is empty", strings.Repeat("hush", 1<<20): "has more than"} {
		put(text)
		if _, err := next(); err == nil || !strings.HasPrefix(err.Error(), "people.oidc.client_secret_file: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("a file of %.20q: %v; want a refusal that says %q", text, err, want)
		}
	}
	put("another secret")
	if b := s.browser(); b.loginOIDC("/", nil).status != http.StatusSeeOther || !b.isIn() {
		t.Error("the gate that is there doesn't log in any more")
	}
	other, err := next()
	if err != nil || other.SameSecret(s.gate) || other.SameSecret(nil) {
		t.Fatalf("another secret: %v", err)
	}
	cfg.People.Oidc.ClientSecretFile = filepath.Join(t.TempDir(), "absent")
	if _, err := next(); err == nil || !strings.HasPrefix(err.Error(), "people.oidc.client_secret_file: ") {
		t.Errorf("no file: %v", err)
	}
}
