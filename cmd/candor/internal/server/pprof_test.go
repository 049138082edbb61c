package server

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

// Profiles are served on loopback while the gateway runs, and not when it has ended.
func TestPprof(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	stop, err := startPprof("127.0.0.1:0", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	url := regexp.MustCompile(`url=(\S+)`).FindStringSubmatch(log.String())
	if url == nil {
		t.Fatalf("the log does not say where: %s", &log)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url[1] + "heap?debug=1")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK || !strings.HasPrefix(string(body), "heap profile:") {
		t.Errorf("%s: %s %.60q, %v", url[1], resp.Status, body, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := client.Get(url[1]); err == nil {
		t.Error("profiles are served after the end")
	}
}

// Nothing but a loopback address is taken, and nothing is opened on the way to saying so.
func TestPprofRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "candor.yaml")
	write(t, file, strings.Replace(plainConfig, "$MODEL", "127.0.0.1:9", 1))
	for _, addr := range []string{":6060", "0.0.0.0:6060", "192.0.2.1:6060", "localhost:6060", "6060"} {
		var e *cli.Error
		err := Run(t.Context(), Options{Config: file, Pprof: addr})
		if !errors.As(err, &e) || !strings.Contains(e.What, "--pprof") || !strings.Contains(e.Remedy, "127.0.0.1") {
			t.Errorf("%s: %v", addr, err)
		}
	}
}
