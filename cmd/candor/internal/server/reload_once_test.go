package server

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/webhook"
)

// A configuration that comes through a pipe is read once: whatever happens, it stays in force, SIGHUP says why, and the files that it names are
// read again like those of any other.
func TestConfigurationThroughAPipe(t *testing.T) {
	t.Parallel()
	s := newSubject(t, strings.Replace(plainConfig, "      answers:", `      actions: [{name: pay, when: {label_in: ["yes"]}}]
      answers:`, 1)+`
limits: {pays: {action: pay, window: 1h, max_count: 5, on_trip: reject, alerts: [{name: desk, webhook: "https://alerts.example.com/", secret_file: $FOLDER/desk.secret}]}}
`)
	s.text = strings.NewReplacer("$FOLDER", s.folder, "candor.db", filepath.Join(s.folder, "candor.db")).Replace(s.text)
	secret := filepath.Join(s.folder, "desk.secret")
	write(t, secret, webhook.NewSecret(time.Now()).Text()+"\n")
	write(t, s.file(), s.text)
	if _, _, err := Init(t.Context(), s.file()); err != nil {
		t.Fatal(err)
	}
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	go func() {
		_, _ = in.WriteString(s.text)
		_ = in.Close()
	}()
	s.addrs, _ = startWith(t, Options{
		Config: fmt.Sprintf("/dev/fd/%d", out.Fd()), Log: slog.New(slog.NewTextHandler(s.log, nil)), Version: "test", Hangup: s.hangup,
	})
	s.log.await(t, "it was read once, and is neither watched nor reloaded", 1)
	s.hangup <- syscall.SIGHUP
	s.log.await(t, "the configuration can't be reloaded: it is no regular file", 1)
	s.log.await(t, "the configuration is the one in force", 1)

	s.replace(secret, "hush\n")
	s.log.await(t, "limits.pays.alerts[0].secret_file", 1)
	s.replace(secret, webhook.NewSecret(time.Now()).Text()+"\n")
	s.log.await(t, reloadedLine, 1)
	if c := s.configuration(); c.GetRefuseTime() != nil || c.GetReloadResult() != candorv1.ReloadResult_RELOAD_RESULT_SUCCESS {
		t.Errorf("shown: %v", c)
	}
	if n := s.log.count(refusedLine); n != 1 {
		t.Errorf("%d reloads were refused, want that of the secret:\n%s", n, s.log.text.String())
	}
}

// A pipe that takes the place of the file is refused, not read: nobody may write to it, and the gateway still ends.
func TestAPipeInTheFilesPlace(t *testing.T) {
	t.Parallel()
	s := newSubject(t, plainConfig)
	write(t, s.file(), s.text)
	s.run(s.file())
	if err := syscall.Mkfifo(s.file()+".new", 0o600); err != nil {
		t.Skipf("no pipes here: %v", err)
	}
	if err := os.Rename(s.file()+".new", s.file()); err != nil {
		t.Fatal(err)
	}
	s.log.await(t, "put a regular file in its place", 1)
	s.replace(s.file(), strings.Replace(s.text, "probability: 0.9", "probability: 0.5", 1))
	s.log.await(t, reloadedLine, 1)
}
