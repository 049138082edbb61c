package server

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/webhook"
)

// A file with the secret of an alert's receiver is watched as the configuration is: another secret is in force soon after, and what is none
// is refused, shown, and the one before stays.
func TestReloadOfASecret(t *testing.T) {
	t.Parallel()
	s := newSubject(t, strings.Replace(plainConfig, "      answers:", `      actions: [{name: pay, when: {label_in: ["yes"]}}]
      answers:`, 1)+`
limits: {pays: {action: pay, window: 1h, max_count: 5, on_trip: reject, alerts: [{name: desk, webhook: "https://alerts.example.com/", secret_file: desk.secret}]}}
`)
	write(t, s.file(), s.text)
	secret := filepath.Join(s.folder, "desk.secret")
	write(t, secret, webhook.NewSecret(time.Now()).Text()+"\n")
	s.run(s.file())
	s.replace(secret, "hush\n")
	s.log.await(t, refusedLine, 1)
	const fault = "limits.pays.alerts[0].secret_file"
	if c := s.configuration(); c.GetRefuseTime() == nil || len(c.GetFaults()) != 1 || !strings.Contains(c.GetFaults()[0], fault) || strings.Contains(c.GetFaults()[0], "hush") {
		t.Errorf("shown: %v", c)
	}
	s.replace(secret, webhook.NewSecret(time.Now()).Text()+"\n")
	s.log.await(t, reloadedLine, 1)
	if c := s.configuration(); c.GetRefuseTime() != nil {
		t.Errorf("shown: %v", c)
	}
}

// So is the file with the secret of an OpenID client, which changes nothing else.
func TestReloadOfAClientSecret(t *testing.T) {
	t.Parallel()
	s := newSubject(t, strings.Replace(plainConfig, `listen: {`, `listen: {web: "127.0.0.1:0", `, 1)+`
people: {oidc: {issuer: "https://id.example.com", client_id: candor, client_secret_file: client.secret, grants: [{group: desk, roles: [reviewer]}]}}
`)
	write(t, s.file(), s.text)
	secret := filepath.Join(s.folder, "client.secret")
	write(t, secret, "first\n")
	s.run(s.file())
	s.replace(secret, "\n")
	s.log.await(t, refusedLine, 1)
	const fault = "people.oidc.client_secret_file"
	if c := s.configuration(); c.GetRefuseTime() == nil || len(c.GetFaults()) != 1 || !strings.Contains(c.GetFaults()[0], fault) {
		t.Errorf("shown: %v", c)
	}
	s.replace(secret, "second\n")
	s.log.await(t, reloadedLine, 1)
	if c := s.configuration(); c.GetRefuseTime() != nil || c.GetReloadResult() != candorv1.ReloadResult_RELOAD_RESULT_SUCCESS {
		t.Errorf("shown: %v", c)
	}
	s.hangup <- syscall.SIGHUP
	s.log.await(t, "the configuration is the one in force", 1)
	if n := s.log.count(reloadedLine); n != 1 {
		t.Errorf("%d reloads, want 1", n)
	}
}

// What a refused configuration names is watched, too: a file that comes after the configuration that names it, as from another mount, lets it
// into force.
func TestReloadWhenAMissingFileComes(t *testing.T) {
	t.Parallel()
	s := newSubject(t, strings.Replace(plainConfig, "      answers:", `      actions: [{name: pay, when: {label_in: ["yes"]}}]
      answers:`, 1))
	write(t, s.file(), s.text)
	s.run(s.file())
	secret := filepath.Join(s.folder, "later", "desk.secret")
	if err := os.Mkdir(filepath.Dir(secret), 0o700); err != nil {
		t.Fatal(err)
	}
	s.replace(s.file(), s.text+`
limits: {pays: {action: pay, window: 1h, max_count: 5, on_trip: reject, alerts: [{name: desk, webhook: "https://alerts.example.com/", secret_file: later/desk.secret}]}}
`)
	s.log.await(t, refusedLine, 1)
	s.replace(secret, webhook.NewSecret(time.Now()).Text()+"\n")
	s.log.await(t, reloadedLine, 1)
}
