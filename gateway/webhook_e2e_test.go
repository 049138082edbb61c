package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/store/sqlite"
)

// mailbox is a receiver of webhooks that verifies with a library that isn't ours.
type mailbox struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	hook   *standardwebhooks.Webhook
	status int
	// ids in the order in which they were first taken, and what they brought.
	ids      []string
	messages map[string]message
	requests int
}

type message struct {
	Type, Timestamp string
	Data            json.RawMessage
	prediction      *candorv1.Prediction
}

func newMailbox(t *testing.T) *mailbox {
	m := &mailbox{t: t, status: http.StatusNoContent, messages: map[string]message{}}
	m.Server = httptest.NewServer(m)
	t.Cleanup(func() { m.CloseClientConnections(); m.Close() })
	return m
}

// use verifies with this secret from now on.
func (m *mailbox) use(secret string) {
	hook, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		m.t.Fatal(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = hook
}

func (m *mailbox) answer(status int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.status = status
}

func (m *mailbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests++
	if err != nil || m.hook.Verify(body, r.Header) != nil {
		m.t.Errorf("%s with %v: %v, %v", body, r.Header, err, m.hook.Verify(body, r.Header))
	}
	var msg message
	if err := json.Unmarshal(body, &msg); err != nil {
		m.t.Errorf("%s: %v", body, err)
	}
	if strings.HasPrefix(msg.Type, "prediction.") {
		msg.prediction = &candorv1.Prediction{}
		if err := protojson.Unmarshal(msg.Data, msg.prediction); err != nil {
			m.t.Errorf("%s: %v", msg.Data, err)
		}
	}
	id := r.Header.Get("webhook-id")
	if old, again := m.messages[id]; m.status/100 == 2 && !again {
		m.ids = append(m.ids, id)
		m.messages[id] = msg
	} else if again && string(old.Data) != string(msg.Data) {
		m.t.Errorf("%s came again as %s, before it was %s", id, msg.Data, old.Data)
	}
	w.WriteHeader(m.status)
}

// got is what was taken, in order.
func (m *mailbox) got() (out []message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range m.ids {
		out = append(out, m.messages[id])
	}
	return out
}

func (m *mailbox) asked() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.requests
}

// withWebhooks edits a world's configuration: these webhooks.
func withWebhooks(hooks string) []string {
	const queues = "queues: {desk: {deadline: 1h, lease: 5m}}"
	return []string{queues, queues + "\nwebhooks: {" + hooks + "}"}
}

func (w *world) webhooks() candorv1.WebhookServiceClient {
	return candorv1.NewWebhookServiceClient(w.conn)
}

// rotate gives a webhook a secret, and answers it.
func (w *world) rotate(name string, overlap time.Duration) string {
	w.t.Helper()
	resp, err := w.webhooks().RotateWebhookSecret(as(adminToken), &candorv1.RotateWebhookSecretRequest{Webhook: name, Overlap: durationpb.New(overlap)})
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.GetSecret()
}

func (w *world) webhook(name string) *candorv1.WebhookEndpoint {
	w.t.Helper()
	resp, err := w.webhooks().ListWebhooks(as(operatorToken), &candorv1.ListWebhooksRequest{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, h := range resp.GetWebhooks() {
		if h.GetName() == "webhooks/"+name {
			return h
		}
	}
	w.t.Fatalf("no webhook %s in %v", name, resp.GetWebhooks())
	return nil
}

// What a receiver gets: each final answer once, as GetPrediction has it, also what became final while it was down, over a restart.
func TestWebhookDelivers(t *testing.T) {
	in := newMailbox(t)
	w := start(t, withWebhooks(fmt.Sprintf("payments: {url: %q, allow_private: true, consumers: [payments]}", in.URL))...)
	in.use(w.rotate("payments", 0))
	item, first := w.deferOne(deferredRow)
	foreign := w.infer(t.Context(), request([][4]float32{deferredRow}, "candor_route"))
	w.resolve(reviewerToken, foreign.param("candor_review_item"), "bad")
	w.resolve(reviewerToken, item, "good")
	w.eventually(func() bool { return len(in.got()) == 1 })
	m := in.got()[0]
	if at, err := time.Parse(time.RFC3339Nano, m.Timestamp); err != nil || m.Type != "prediction.final" || !at.Equal(m.prediction.GetFinalTime().AsTime()) {
		t.Errorf("message %+v", m)
	}
	if want := w.prediction(first); m.prediction.GetLabel() != "good" || m.prediction.GetAuthor() != "ann" || !proto.Equal(m.prediction, want) {
		t.Errorf("delivered %v, GetPrediction says %v", m.prediction, want)
	}
	w.eventually(func() bool {
		return w.metric(`candor_webhook_deliveries_total{outcome="delivered",webhook="payments"}`) == 1
	})

	in.answer(http.StatusInternalServerError)
	a := w.infer(as(clientToken), request([][4]float32{deferredRow, deferredRow, deferredRow}, "candor_route"))
	second := a.param("candor_prediction_id")
	items, err := w.reviews().ListReviewItems(as(auditorToken), &candorv1.ListReviewItemsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var rows []uint32
	for _, item := range items.GetItems() {
		if item.GetPredictionId() == second {
			w.resolve(reviewerToken, item.GetName(), "bad")
			rows = append(rows, item.GetRow())
		}
	}
	w.eventually(func() bool {
		h := w.webhook("payments")
		return strings.Contains(h.GetLastError(), "500") && h.GetPendingCount() == 3
	})
	if n := w.metric(`candor_webhook_pending{webhook="payments"}`); n != 3 {
		t.Errorf("while it is down the metric says that %v wait", n)
	}
	w.restart()
	in.answer(http.StatusOK)
	if _, err := w.webhooks().ReplayWebhook(as(adminToken), &candorv1.ReplayWebhookRequest{
		Webhook: "payments", What: &candorv1.ReplayWebhookRequest_Since{Since: timestamppb.New(time.Now().Add(-time.Hour))},
	}); err != nil {
		t.Fatal(err)
	}
	w.eventually(func() bool { return len(in.got()) == 4 && w.webhook("payments").GetPendingCount() == 0 })
	var got []uint32
	for _, m := range in.got()[1:] {
		if m.prediction.GetPredictionId() != second {
			t.Errorf("delivered %v", m.prediction)
		}
		got = append(got, m.prediction.GetRow())
	}
	if !slices.Equal(got, rows) {
		t.Errorf("rows %v became final, %v came", rows, got)
	}
}

// A receiver that hangs, and one that points inside, hold up nobody else, and lose nothing.
func TestWebhooksInTrouble(t *testing.T) {
	in := newMailbox(t)
	stuck := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(func() { stuck.CloseClientConnections(); stuck.Close() })
	w := startWith(t, options{config: func(cfg *candorv1.Config) {
		// As a name that resolves to an address inside, which no check of the configuration can know.
		cfg.Webhooks["inside"].Url = "https://localhost:1/latest/meta-data"
	}}, withWebhooks(fmt.Sprintf("payments: {url: %q, allow_private: true}, stuck: {url: %q, allow_private: true, timeout: 60s}, inside: {url: %q}",
		in.URL, stuck.URL, "https://receiver.example.com/"))...)
	in.use(w.rotate("payments", 0))
	w.rotate("stuck", 0)
	w.rotate("inside", 0)
	const n = 20
	for range n {
		item, _ := w.deferOne(deferredRow)
		w.resolve(reviewerToken, item, "good")
	}
	w.eventually(func() bool { return len(in.got()) == n })
	w.eventually(func() bool { return w.webhook("inside").GetLastError() != "" })
	if h := w.webhook("inside"); !strings.Contains(h.GetLastError(), "a loopback address; allow_private: true permits it") || h.GetPendingCount() != n {
		t.Errorf("inside: %v", h)
	}
	if h := w.webhook("stuck"); h.GetPendingCount() != n || h.GetDisabledReason() != "" {
		t.Errorf("stuck: %v", h)
	}
	resp, err := w.webhooks().TestWebhook(as(adminToken), &candorv1.TestWebhookRequest{Webhook: "inside"})
	if err != nil || resp.GetStatus() != 0 || !strings.Contains(resp.GetError(), "refused to connect") {
		t.Errorf("test: %v, %v", resp, err)
	}
	if _, err := w.webhooks().ListWebhookDeliveries(as(operatorToken), &candorv1.ListWebhookDeliveriesRequest{Webhook: "stuck"}); err != nil {
		t.Error(err)
	}
}

// What administrators do, who may, and that the log has it.
func TestWebhookService(t *testing.T) {
	in := newMailbox(t)
	w := start(t, withWebhooks(fmt.Sprintf("payments: {url: %q, allow_private: true}", in.URL))...)
	h := w.webhooks()
	for _, token := range []string{operatorToken, reviewerToken, clientToken} {
		_, err := h.RotateWebhookSecret(as(token), &candorv1.RotateWebhookSecretRequest{Webhook: "payments"})
		wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	}
	_, err := h.ListWebhooks(as(reviewerToken), &candorv1.ListWebhooksRequest{})
	wantError(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
	_, err = h.EnableWebhook(as(adminToken), &candorv1.EnableWebhookRequest{Webhook: "nothing"})
	wantError(t, err, codes.NotFound, "WEBHOOK_NOT_FOUND")
	_, err = h.ListWebhookDeliveries(as(adminToken), &candorv1.ListWebhookDeliveriesRequest{Webhook: "payments", PageToken: "x"})
	wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")
	for _, bad := range []*candorv1.ReplayWebhookRequest{
		{Webhook: "payments"}, {Webhook: "payments", What: &candorv1.ReplayWebhookRequest_Id{}},
		{Webhook: "payments", What: &candorv1.ReplayWebhookRequest_Since{Since: &timestamppb.Timestamp{Seconds: 1 << 50}}},
	} {
		_, err = h.ReplayWebhook(as(adminToken), bad)
		wantError(t, err, codes.InvalidArgument, "INVALID_REQUEST")
	}
	_, err = h.ReplayWebhook(as(adminToken), &candorv1.ReplayWebhookRequest{Webhook: "payments", What: &candorv1.ReplayWebhookRequest_Id{Id: "msg_x"}})
	wantError(t, err, codes.NotFound, "WEBHOOK_NOT_FOUND")

	test := func() *candorv1.TestWebhookResponse {
		t.Helper()
		resp, err := h.TestWebhook(as(adminToken), &candorv1.TestWebhookRequest{Webhook: "webhooks/payments"})
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	if resp := test(); !strings.Contains(resp.GetError(), "no secret") || in.asked() != 0 {
		t.Errorf("without a secret: %v", resp)
	}
	// Nothing is sent before there is a secret, and what became final meanwhile is then.
	item, _ := w.deferOne(deferredRow)
	w.resolve(reviewerToken, item, "good")
	w.eventually(func() bool { return w.webhook("payments").GetPendingCount() == 1 })
	old := w.rotate("payments", 0)
	in.use(old)
	w.eventually(func() bool { return len(in.got()) == 1 })
	fresh := w.rotate("payments", time.Hour)
	if resp := test(); resp.GetError() != "" || resp.GetStatus() != http.StatusNoContent || resp.GetId() == "" {
		t.Errorf("with the old secret: %v", resp)
	}
	in.use(fresh)
	if resp := test(); resp.GetError() != "" {
		t.Errorf("with the new secret: %v", resp)
	}
	hints := w.webhook("payments").GetSecretHints()
	if len(hints) != 2 || !strings.HasPrefix(fresh, strings.TrimSuffix(hints[0], "…")) || !strings.HasPrefix(old, strings.TrimSuffix(hints[1], "…")) {
		t.Errorf("hints %v", hints)
	}

	in.answer(http.StatusGone)
	item, _ = w.deferOne(deferredRow)
	w.resolve(reviewerToken, item, "good")
	w.eventually(func() bool { return w.webhook("payments").GetDisabledReason() != "" })
	in.answer(http.StatusOK)
	if resp, err := h.EnableWebhook(as(adminToken), &candorv1.EnableWebhookRequest{Webhook: "payments"}); err != nil || resp.GetWebhook().GetDisabledReason() != "" {
		t.Errorf("enabled: %v, %v", resp, err)
	}
	w.eventually(func() bool {
		return w.webhook("payments").GetPendingCount() == 0 && w.webhook("payments").GetLastSuccessTime() != nil
	})
	list, err := h.ListWebhookDeliveries(as(operatorToken), &candorv1.ListWebhookDeliveriesRequest{
		Webhook: "payments", State: candorv1.WebhookDeliveryState_WEBHOOK_DELIVERY_STATE_DELIVERED, PageSize: 1,
	})
	if err != nil || len(list.GetDeliveries()) != 1 || list.GetNextPageToken() == "" || list.GetDeliveries()[0].GetDeliverTime() == nil {
		t.Fatalf("%v, %v", list, err)
	}
	// A replay comes under its id, with the same words; the mailbox would say if it didn't.
	before := in.asked()
	if n, err := h.ReplayWebhook(as(adminToken), &candorv1.ReplayWebhookRequest{
		Webhook: "payments", What: &candorv1.ReplayWebhookRequest_Id{Id: list.GetDeliveries()[0].GetId()},
	}); err != nil || n.GetDeliveries() != 1 {
		t.Errorf("replay: %v, %v", n, err)
	}
	w.eventually(func() bool { return in.asked() == before+1 })
	w.stop()
	wantAdmin(t, w.db(), "webhook.rotate root 127.0.0.1", "webhook.rotate root 127.0.0.1", "webhook.disable gateway ", "webhook.enable root 127.0.0.1", "webhook.replay root 127.0.0.1")
}

// wantAdmin wants these records about webhooks in the log, in order.
func wantAdmin(t *testing.T, path string, want ...string) {
	t.Helper()
	store, err := sqlite.OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close(t.Context()) }()
	scan, err := store.Scan(t.Context(), time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for rec, err := range scan.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if a := rec.GetAdmin(); a != nil && a.GetSubject() == "webhooks/payments" {
			got = append(got, a.GetVerb()+" "+a.GetBy()+" "+a.GetRemote())
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the log has %q, want %q", got, want)
	}
}
