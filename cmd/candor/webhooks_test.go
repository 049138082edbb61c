package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/candor-gateway/candor/cmd/candor/internal/server"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/store/sqlite"
)

// webhookVerdicts have been given when the process is killed.
const webhookVerdicts = 60

// hookReceiver takes each id once, as a receiver should, and refuses some at first.
type hookReceiver struct {
	t *testing.T

	mu      sync.Mutex
	hook    *standardwebhooks.Webhook
	refused map[string]bool
	taken   map[string]bool
	// rows in the order in which they came, by prediction.
	rows    map[string][]uint32
	changed chan struct{}
}

func (h *hookReceiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // The gateway was killed while it sent.
	}
	var msg struct {
		Data struct {
			ID  string `json:"prediction_id"`
			Row uint32
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.hook.Verify(body, r.Header); err != nil {
		h.t.Errorf("%s: %v", body, err)
	}
	if err := json.Unmarshal(body, &msg); err != nil {
		h.t.Errorf("%s: %v", body, err)
	}
	id := r.Header.Get("webhook-id")
	// One in eight fails once.
	if strings.IndexByte("0123", id[len("msg_")]) >= 0 && !h.refused[id] {
		h.refused[id] = true
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if h.taken[id] {
		return
	}
	h.taken[id] = true
	h.rows[msg.Data.ID] = append(h.rows[msg.Data.ID], msg.Data.Row)
	close(h.changed)
	h.changed = make(chan struct{})
}

// await waits until so many ids were taken.
func (h *hookReceiver) await(n int) {
	h.t.Helper()
	timeout := time.After(2 * patience)
	for {
		h.mu.Lock()
		got, changed := len(h.taken), h.changed
		h.mu.Unlock()
		if got >= n {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			h.t.Fatalf("%d of %d messages came", got, n)
		}
	}
}

// hooked makes the folder of a gateway with a webhook that leads to h, and answers its configuration.
func hooked(t *testing.T, h http.Handler) (config string) {
	t.Helper()
	model := oiptest.Start(t, oiptest.Model{Name: "coin", Infer: oiptest.Const(0.5, 0.5)})
	srv := httptest.NewServer(h)
	t.Cleanup(func() { srv.CloseClientConnections(); srv.Close() })
	config = filepath.Join(t.TempDir(), "candor.yaml")
	text := strings.ReplaceAll(coinConfig, "$MODEL", model.Addr()) + fmt.Sprintf("webhooks: {till: {url: %q, allow_private: true}}\n", srv.URL)
	text = strings.Replace(text, "roles: [reviewer]", "roles: [reviewer, admin]", 1)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := server.Init(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	return config
}

// candor runs the program as ana against a gateway, and wants that exit status.
func candor(t *testing.T, gateway *process, status int, args ...string) string {
	t.Helper()
	cmd := exec.Command("candor", args...)
	cmd.Env = append(os.Environ(), "CANDOR_SERVER="+gateway.grpc, "CANDOR_TOKEN=ana-token")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != status {
		t.Fatalf("candor %s: %v, want status %d\n%s", strings.Join(args, " "), err, status, out)
	}
	return string(out)
}

// TestKillNineWebhooks kills a gateway while it makes final answers and delivers them, and starts it again. Every answer in the
// feed arrives once by id, and those of one prediction in the feed's order.
func TestKillNineWebhooks(t *testing.T) {
	h := &hookReceiver{t: t, refused: map[string]bool{}, taken: map[string]bool{}, rows: map[string][]uint32{}, changed: make(chan struct{})}
	config := hooked(t, h)
	gateway := startGateway(t, config)
	hook, err := standardwebhooks.NewWebhook(strings.TrimSpace(candor(t, gateway, 0, "webhooks", "rotate", "till")))
	if err != nil {
		t.Fatal(err)
	}
	h.hook = hook
	w := newWorkload(t, gateway.grpc)
	crowd := w.start()
	w.await(1, webhookVerdicts)
	gateway.kill()
	crowd.Wait()

	gateway = startGateway(t, config)
	w.connect(gateway.grpc)
	w.retryVerdict()
	w.deferSome("coin", webhookVerdicts)
	for range webhookVerdicts {
		if err := w.reviewOne(); err != nil {
			t.Fatal(err)
		}
	}
	h.await(len(w.verdicts))
	if err := gateway.interrupt(); err != nil {
		t.Fatalf("candor serve: %v\n%s", err, gateway.log())
	}

	store, err := sqlite.OpenReadOnly(t.Context(), filepath.Join(filepath.Dir(config), "candor.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close(t.Context()) }()
	finals, err := store.Finals(t.Context(), 0, 10*deferredRows)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]uint32{}
	for _, f := range finals {
		want[f.Item.PredictionID] = append(want[f.Item.PredictionID], f.Item.Row)
	}
	if len(h.taken) != len(finals) || len(finals) < 2*webhookVerdicts || len(want) < 2 || len(h.refused) == 0 {
		t.Errorf("%d ids came for %d final answers of %d predictions, %d refused once", len(h.taken), len(finals), len(want), len(h.refused))
	}
	for id, rows := range want {
		if !slices.Equal(h.rows[id], rows) {
			t.Errorf("of %s came %v, want %v", id, h.rows[id], rows)
		}
	}
}

// TestWebhooksCommand is a session of somebody who looks after a receiver.
func TestWebhooksCommand(t *testing.T) {
	var mu sync.Mutex
	status, seen := http.StatusOK, []string(nil)
	config := hooked(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, r.Header.Get("webhook-id"))
		w.WriteHeader(status)
	}))
	answer := func(s int) {
		mu.Lock()
		defer mu.Unlock()
		status = s
	}
	gateway := startGateway(t, config)
	like := func(pattern, text string) {
		t.Helper()
		if !regexp.MustCompile(pattern).MatchString(text) {
			t.Errorf("it says\n%swant %s", text, pattern)
		}
	}
	like(`(?m)^till +NO SECRET +0 +0 .*http://127`, candor(t, gateway, 0, "webhooks", "list"))
	like(`no secret yet`, candor(t, gateway, 1, "webhooks", "test", "till"))
	secret := candor(t, gateway, 0, "webhooks", "rotate", "till")
	like(`^whsec_[A-Za-z0-9+/]{43}=\n$`, secret)
	like(`^till took msg_test_\S+ with status 200 in `, candor(t, gateway, 0, "webhooks", "test", "webhooks/till"))
	answer(http.StatusTemporaryRedirect)
	like(`^candor: till was not delivered: the receiver answered 307 .* redirects are not followed`, candor(t, gateway, 1, "webhooks", "test", "till"))
	answer(http.StatusOK)

	w := newWorkload(t, gateway.grpc)
	w.deferSome("coin", 1)
	if err := w.reviewOne(); err != nil {
		t.Fatal(err)
	}
	delivered := regexp.MustCompile(`(?m)^(msg_\S+) +(\S+) +DELIVERED +1 `)
	var found []string
	for deadline := time.Now().Add(patience); found == nil; {
		if found = delivered.FindStringSubmatch(candor(t, gateway, 0, "webhooks", "deliveries", "till")); found == nil && time.Now().After(deadline) {
			t.Fatal("it was not delivered")
		}
	}
	like(`^1 delivery will be sent to till\n$`, candor(t, gateway, 0, "webhooks", "replay", "till", "--id", found[1]))
	like(`^1 delivery will be sent`, candor(t, gateway, 0, "webhooks", "replay", "till", "--since", "1h"))
	like(`^all of the feed that has no delivery will be sent to till`, candor(t, gateway, 0, "webhooks", "replay", "till", "--from-start"))
	like(`^till is enabled; `, candor(t, gateway, 0, "webhooks", "enable", "till"))
	like(`"state": "WEBHOOK_DELIVERY_STATE_`, candor(t, gateway, 0, "webhooks", "deliveries", "till", "--json"))
	like(`"last_success_time": "2`, candor(t, gateway, 0, "webhooks", "list", "--json"))
	like(`FINAL`, candor(t, gateway, 0, "get", found[2], "--wait", "5m"))

	like(`there is no webhook "tills" \(WEBHOOK_NOT_FOUND\); candor webhooks list`, candor(t, gateway, 1, "webhooks", "enable", "tills"))
	like(`there is no delivery "msg_x"`, candor(t, gateway, 1, "webhooks", "replay", "till", "--id", "msg_x"))
	for _, args := range [][]string{
		{"replay", "till"}, {"replay", "till", "--id", "x", "--from-start"}, {"replay", "till", "--id", "x", "--failed"},
		{"replay", "till", "--since", "soon"}, {"deliveries", "till", "--state", "lost"}, {"rotate", "till", "--overlap", "-1s"}, {"rotate"},
	} {
		like(`^candor: `, candor(t, gateway, 2, append([]string{"webhooks"}, args...)...))
	}
	if err := gateway.interrupt(); err != nil {
		t.Fatalf("candor serve: %v\n%s", err, gateway.log())
	}
}
