package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/webhook"
)

var webhookTests = []test{
	{"a new endpoint begins at the feed's end", testWebhookBegins},
	{"an endpoint that nobody opened is unknown", testWebhookUnknown},
	{"a page and the cursor move together, once", testWebhookPages},
	{"deliveries are leased in order, one of each prediction", testWebhookOrder},
	{"a lease ends, and its failure counts no more", testWebhookLeaseEnds},
	{"of many gateways each delivery is one's", testWebhookLeaseRace},
	{"failures are kept, and the last one disables", testWebhookFails},
	{"a receiver that is gone is disabled and enabled", testWebhookGone},
	{"deliveries are listed in pages", testWebhookList},
	{"deliveries are replayed under their ids", testWebhookReplay},
	{"secrets overlap", testWebhookSecrets},
	{"what has ended is removed", testWebhookSweep},
}

// openHook opens an endpoint with a secret.
func openHook(t *testing.T, d Driver, name string) {
	t.Helper()
	if err := d.OpenWebhook(t.Context(), name, d.Now()); err != nil {
		t.Fatal(err)
	}
	if err := d.RotateWebhookSecret(t.Context(), by(d, name), webhook.NewSecret(d.Now()), 0); err != nil {
		t.Fatal(err)
	}
}

func by(d Driver, name string) webhook.Change {
	return webhook.Change{Endpoint: name, Now: d.Now(), By: "ada", Remote: "192.0.2.7"}
}

// readHook reads one.
func readHook(t *testing.T, d Driver, name string) webhook.Endpoint {
	t.Helper()
	e, err := d.Webhook(t.Context(), name, d.Now())
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// appendTo appends deliveries with these keys after the endpoint's cursor, and answers their ids.
func appendTo(t *testing.T, d Driver, name string, keys ...string) []string {
	t.Helper()
	after, err := d.WebhookCursor(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	page := webhook.Page{Endpoint: name, After: after, To: after + uint64(len(keys)), Now: d.Now()}
	var ids []string
	for i, key := range keys {
		e := webhook.Event{Position: after + uint64(i) + 1, Key: key, Subject: "0"}
		ids = append(ids, webhook.ID(name, e))
		page.Deliveries = append(page.Deliveries, webhook.Delivery{
			ID: ids[i], Key: key, Position: e.Position, Body: []byte(`{"n":"` + key + `"}`), State: candorv1.WebhookDeliveryState_WEBHOOK_DELIVERY_STATE_PENDING,
		})
	}
	if err := d.AppendDeliveries(t.Context(), page); err != nil {
		t.Fatal(err)
	}
	return ids
}

// leaseSome leases up to limit of what is due for a minute.
func leaseSome(t *testing.T, d Driver, name string, now time.Time, limit int) webhook.Leased {
	t.Helper()
	l, err := d.LeaseDeliveries(t.Context(), webhook.Lease{Endpoint: name, Now: now, Until: now.Add(time.Minute), Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func deliveryIDs(deliveries []webhook.Delivery) (out []string) {
	for _, d := range deliveries {
		out = append(out, d.ID)
	}
	return out
}

func wantIDs(t *testing.T, what string, got []webhook.Delivery, want ...string) {
	t.Helper()
	if !slices.Equal(deliveryIDs(got), want) {
		t.Errorf("%s: %v, want %v", what, deliveryIDs(got), want)
	}
}

// finishAs stores a result, and wants that it disables or doesn't.
func finishAs(t *testing.T, d Driver, of webhook.Delivery, r webhook.Result, disables bool) {
	t.Helper()
	r.ID, r.Endpoint, r.Epoch = of.ID, of.Endpoint, of.Epoch
	if disabled, err := d.FinishDelivery(t.Context(), r); err != nil || disabled != disables {
		t.Errorf("FinishDelivery of %+v: disabled %t, %v; want %t", r, disabled, err, disables)
	}
}

func testWebhookBegins(t *testing.T, d Driver) {
	items := put(t, d, "a", 2, nil)
	now := d.Now()
	for i := range items {
		finish(t, d, items[i].ID, "ann", "1", now)
		if i == 0 {
			openHook(t, d, "late")
		}
	}
	openHook(t, d, "later")
	finals, err := d.Finals(t.Context(), 0, 10)
	if err != nil || len(finals) != 2 {
		t.Fatalf("%d finals, %v", len(finals), err)
	}
	// Opened again, by a restart, it stays where it is.
	d = d.Reopen(t)
	for i, name := range []string{"late", "later"} {
		if err := d.OpenWebhook(t.Context(), name, d.Now()); err != nil {
			t.Fatal(err)
		}
		if at, err := d.WebhookCursor(t.Context(), name); err != nil || at != finals[i].Position {
			t.Errorf("%s is at %d, %v; want %d", name, at, err, finals[i].Position)
		}
	}
}

func testWebhookUnknown(t *testing.T, d Driver) {
	ctx, now := t.Context(), d.Now()
	_, err := d.Webhook(ctx, "x", now)
	wantError(t, "Webhook", err, webhook.ErrNotFound)
	_, err = d.WebhookCursor(ctx, "x")
	wantError(t, "WebhookCursor", err, webhook.ErrNotFound)
	wantError(t, "AppendDeliveries", d.AppendDeliveries(ctx, webhook.Page{Endpoint: "x", To: 1, Now: now}), webhook.ErrNotFound)
	_, err = d.LeaseDeliveries(ctx, webhook.Lease{Endpoint: "x", Now: now, Until: now, Limit: 1})
	wantError(t, "LeaseDeliveries", err, webhook.ErrNotFound)
	_, err = d.FinishDelivery(ctx, webhook.Result{ID: "msg_1", Endpoint: "x", Now: now})
	wantError(t, "FinishDelivery", err, webhook.ErrNotFound)
	_, _, err = d.Deliveries(ctx, webhook.Filter{Endpoint: "x", Limit: 1})
	wantError(t, "Deliveries", err, webhook.ErrNotFound)
	_, err = d.ReplayDeliveries(ctx, webhook.Replay{Change: by(d, "x"), Since: now})
	wantError(t, "ReplayDeliveries", err, webhook.ErrNotFound)
	_, err = d.ReplayDeliveries(ctx, webhook.Replay{Change: by(d, "x"), FromStart: true})
	wantError(t, "ReplayDeliveries from the start", err, webhook.ErrNotFound)
	wantError(t, "RotateWebhookSecret", d.RotateWebhookSecret(ctx, by(d, "x"), webhook.NewSecret(now), 0), webhook.ErrNotFound)
	wantError(t, "EnableWebhook", d.EnableWebhook(ctx, by(d, "x")), webhook.ErrNotFound)
}

func testWebhookPages(t *testing.T, d Driver) {
	openHook(t, d, "a")
	first := appendTo(t, d, "a", "p", "q")
	stale := webhook.Page{Endpoint: "a", After: 0, To: 5, Now: d.Now()}
	wantError(t, "a page that was read before", d.AppendDeliveries(t.Context(), stale), webhook.ErrMoved)
	if at, err := d.WebhookCursor(t.Context(), "a"); err != nil || at != 2 {
		t.Errorf("cursor %d, %v", at, err)
	}
	// Reading again from the start makes no second delivery.
	leased := leaseSome(t, d, "a", d.Now(), 1)
	finishAs(t, d, leased.Deliveries[0], webhook.Result{Now: d.Now(), Status: 200}, false)
	if _, err := d.ReplayDeliveries(t.Context(), webhook.Replay{Change: by(d, "a"), FromStart: true}); err != nil {
		t.Fatal(err)
	}
	second := appendTo(t, d, "a", "p", "q", "r")
	if !slices.Equal(first, second[:2]) {
		t.Errorf("ids %v, then %v", first, second)
	}
	if e := readHook(t, d, "a"); e.Pending != 2 || e.Failed != 0 {
		t.Errorf("%d pending, %d failed; want 2, 0", e.Pending, e.Failed)
	}
	// What can't be sent is failed from the beginning, and seen.
	page := webhook.Page{Endpoint: "a", After: 3, To: 4, Now: d.Now(), Deliveries: []webhook.Delivery{{
		ID: "msg_x", Key: "s", Position: 4, State: candorv1.WebhookDeliveryState_WEBHOOK_DELIVERY_STATE_FAILED, LastError: "no body",
	}}}
	if err := d.AppendDeliveries(t.Context(), page); err != nil {
		t.Fatal(err)
	}
	if e := readHook(t, d, "a"); e.Pending != 2 || e.Failed != 1 {
		t.Errorf("%d pending, %d failed; want 2, 1", e.Pending, e.Failed)
	}
}

func testWebhookOrder(t *testing.T, d Driver) {
	openHook(t, d, "a")
	openHook(t, d, "b")
	ids := appendTo(t, d, "a", "p", "p", "q", "p", "r")
	appendTo(t, d, "b", "p")
	now := d.Now()
	leased := leaseSome(t, d, "a", now, 10)
	wantIDs(t, "first of each", leased.Deliveries, ids[0], ids[2], ids[4])
	if body := string(leased.Deliveries[1].Body); body != `{"n":"q"}` || leased.Deliveries[1].Key != "q" || len(leased.Secrets) != 1 {
		t.Errorf("leased %+v", leased.Deliveries[1])
	}
	wantIDs(t, "while they are leased", leaseSome(t, d, "a", now, 10).Deliveries)
	// One that is tried again later still holds back the next of its prediction.
	finishAs(t, d, leased.Deliveries[0], webhook.Result{Now: now, Error: "no", Status: 500, Next: now.Add(time.Hour)}, false)
	finishAs(t, d, leased.Deliveries[1], webhook.Result{Now: now, Status: 204}, false)
	again := leaseSome(t, d, "a", now.Add(time.Second), 10)
	wantIDs(t, "after a failure", again.Deliveries)
	if !again.Next.After(now) || again.Next.After(now.Add(time.Minute)) {
		t.Errorf("next at %v, want the end of the lease", again.Next)
	}
	later := leaseSome(t, d, "a", now.Add(time.Hour), 1)
	finishAs(t, d, leased.Deliveries[2], webhook.Result{Now: now, Status: 200}, false)
	wantIDs(t, "an hour later", later.Deliveries, ids[4])
	later = leaseSome(t, d, "a", now.Add(time.Hour), 1)
	wantIDs(t, "then", later.Deliveries, ids[0])
	if later.Deliveries[0].Attempts != 1 || later.Deliveries[0].LastStatus != 500 || later.Deliveries[0].LastError != "no" {
		t.Errorf("after a failure %+v", later.Deliveries[0])
	}
	for _, id := range []string{ids[1], ids[3]} {
		finishAs(t, d, later.Deliveries[0], webhook.Result{Now: now, Status: 200}, false)
		later = leaseSome(t, d, "a", now.Add(time.Hour), 10)
		wantIDs(t, "after the one before", later.Deliveries, id)
	}
}

func testWebhookLeaseEnds(t *testing.T, d Driver) {
	openHook(t, d, "a")
	ids := appendTo(t, d, "a", "p")
	now := d.Now()
	old := leaseSome(t, d, "a", now, 1).Deliveries[0]
	d = d.Reopen(t)
	again := leaseSome(t, d, "a", now.Add(time.Minute), 1).Deliveries
	wantIDs(t, "after the lease", again, ids[0])
	if again[0].Epoch <= old.Epoch || again[0].Attempts != 0 {
		t.Errorf("epoch %d after %d, %d attempts", again[0].Epoch, old.Epoch, again[0].Attempts)
	}
	finishAs(t, d, old, webhook.Result{Now: now, Error: "late", Next: now}, false)
	if e := readHook(t, d, "a"); e.LastError != "" || e.Pending != 1 {
		t.Errorf("a stale failure counts: %+v", e)
	}
	finishAs(t, d, old, webhook.Result{Now: now, Status: 200}, false)
	if e := readHook(t, d, "a"); e.Pending != 0 || !e.LastSuccess.Equal(now) {
		t.Errorf("a stale success doesn't count: %+v", e)
	}
	// And then a failure of the other is no matter.
	finishAs(t, d, again[0], webhook.Result{Now: now, Error: "too late"}, false)
	if e := readHook(t, d, "a"); e.Failed != 0 || e.DisabledReason != "" {
		t.Errorf("%+v", e)
	}
}

func testWebhookLeaseRace(t *testing.T, d Driver) {
	openHook(t, d, "a")
	const n, gateways = 200, 8
	var keys []string
	for i := range n {
		keys = append(keys, fmt.Sprint("p", i))
	}
	appendTo(t, d, "a", keys...)
	now := d.Now()
	got := make(chan []string, gateways)
	for range gateways {
		go func() {
			var mine []string
			for {
				l, err := d.LeaseDeliveries(t.Context(), webhook.Lease{Endpoint: "a", Now: now, Until: now.Add(time.Hour), Limit: 7})
				if err != nil {
					t.Error(err)
				}
				if len(l.Deliveries) == 0 {
					got <- mine
					return
				}
				mine = append(mine, deliveryIDs(l.Deliveries)...)
			}
		}()
	}
	seen := map[string]bool{}
	total := 0
	for range gateways {
		for _, id := range <-got {
			seen[id] = true
			total++
		}
	}
	if len(seen) != n || total != n {
		t.Errorf("%d leases of %d deliveries, want %d", total, len(seen), n)
	}
}

// appendOne appends one delivery about a new prediction.
func appendOne(t *testing.T, d Driver, name string) string {
	t.Helper()
	return appendTo(t, d, name, uuid.NewString())[0]
}
