package server

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

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
