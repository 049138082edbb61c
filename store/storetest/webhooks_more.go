package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/webhook"
)

func testWebhookFails(t *testing.T, d Driver) {
	openHook(t, d, "a")
	first := appendOne(t, d, "a")
	appendOne(t, d, "a")
	now := d.Now()
	l := leaseSome(t, d, "a", now, 2).Deliveries
	finishAs(t, d, l[0], webhook.Result{Now: now, Error: "down", Next: now.Add(time.Second)}, false)
	finishAs(t, d, l[1], webhook.Result{Now: now.Add(time.Second), Status: 200}, false)
	// Another succeeded since the first attempt, so it is the message and not the receiver.
	l = leaseSome(t, d, "a", now.Add(time.Second), 2).Deliveries
	wantIDs(t, "again", l, first)
	finishAs(t, d, l[0], webhook.Result{Now: now.Add(2 * time.Second), Status: 500, Error: "bad"}, false)
	if e := readHook(t, d, "a"); e.Failed != 1 || e.Pending != 0 || e.LastError != "bad" || e.DisabledReason != "" || !e.LastFailure.Equal(now.Add(2*time.Second)) {
		t.Errorf("%+v", e)
	}
	wantIDs(t, "nothing is left", leaseSome(t, d, "a", now.Add(time.Hour), 2).Deliveries)

	third := appendOne(t, d, "a")
	later := now.Add(time.Hour)
	l = leaseSome(t, d, "a", later, 1).Deliveries
	wantIDs(t, "third", l, third)
	finishAs(t, d, l[0], webhook.Result{Now: later, Error: "down"}, true)
	e := readHook(t, d, "a")
	if !strings.Contains(e.DisabledReason, "down") || !e.Disabled.Equal(later) || e.Failed != 2 {
		t.Errorf("%+v", e)
	}
	appendOne(t, d, "a")
	if l := leaseSome(t, d, "a", later, 1); len(l.Deliveries) != 0 || !l.Next.IsZero() {
		t.Errorf("disabled, and %+v is leased", l)
	}
}

func testWebhookGone(t *testing.T, d Driver) {
	openHook(t, d, "a")
	ids := []string{appendOne(t, d, "a"), appendOne(t, d, "a")}
	now := d.Now()
	l := leaseSome(t, d, "a", now, 2).Deliveries
	finishAs(t, d, l[0], webhook.Result{Now: now, Status: 410, Error: "gone", Next: now, Disable: "it is gone"}, true)
	finishAs(t, d, l[1], webhook.Result{Now: now, Status: 410, Error: "gone", Next: now, Disable: "it is gone, too"}, false)
	if e := readHook(t, d, "a"); e.DisabledReason != "it is gone" || e.Pending != 2 {
		t.Errorf("%+v", e)
	}
	d = d.Reopen(t)
	if err := d.EnableWebhook(t.Context(), by(d, "a")); err != nil {
		t.Fatal(err)
	}
	if err := d.EnableWebhook(t.Context(), by(d, "a")); err != nil {
		t.Errorf("again: %v", err)
	}
	l = leaseSome(t, d, "a", d.Now(), 2).Deliveries
	wantIDs(t, "enabled", l, ids...)
	if l[0].Attempts != 0 || !l[0].First.IsZero() {
		t.Errorf("it doesn't begin anew: %+v", l[0])
	}
}

func testWebhookList(t *testing.T, d Driver) {
	openHook(t, d, "a")
	openHook(t, d, "b")
	var ids []string
	for range 5 {
		ids = append(ids, appendOne(t, d, "a"))
	}
	appendOne(t, d, "b")
	slices.Reverse(ids)
	now := d.Now()
	done := leaseSome(t, d, "a", now, 1).Deliveries[0]
	finishAs(t, d, done, webhook.Result{Now: now, Status: 202}, false)
	list := func(f webhook.Filter) ([]webhook.Delivery, string) {
		t.Helper()
		out, next, err := d.Deliveries(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		return out, next
	}
	f := webhook.Filter{Endpoint: "a", Limit: 2}
	for i := 0; i < 5; i += 2 {
		out, next := list(f)
		wantIDs(t, "page", out, ids[i:min(i+2, 5)]...)
		if (next == "") != (i == 4) {
			t.Errorf("token %q at %d", next, i)
		}
		f.After = next
	}
	out, _ := list(webhook.Filter{Endpoint: "a", Limit: 9, State: candorv1.WebhookDeliveryState_WEBHOOK_DELIVERY_STATE_DELIVERED})
	wantIDs(t, "delivered", out, done.ID)
	if o := out[0]; o.Attempts != 1 || o.LastStatus != 202 || !o.Delivered.Equal(now) || o.Created.IsZero() || o.Body != nil {
		t.Errorf("%+v", o)
	}
	for _, bad := range []string{"x", "1", "1.", "x.msg", "1.msg", "1.\x00", "-1." + ids[0], "+1." + ids[0], "1." + ids[0] + "\n", "9223372036854775808." + ids[0]} {
		_, _, err := d.Deliveries(t.Context(), webhook.Filter{Endpoint: "a", Limit: 1, After: bad})
		wantError(t, bad, err, webhook.ErrPageToken)
	}
	if _, _, err := d.Deliveries(t.Context(), webhook.Filter{Endpoint: "a"}); err == nil {
		t.Error("a page of nothing is no error")
	}
}

func testWebhookReplay(t *testing.T, d Driver) {
	openHook(t, d, "a")
	ids := []string{appendOne(t, d, "a"), appendOne(t, d, "a"), appendOne(t, d, "a")}
	now := d.Now()
	l := leaseSome(t, d, "a", now, 2).Deliveries
	finishAs(t, d, l[0], webhook.Result{Now: now, Status: 200}, false)
	finishAs(t, d, l[1], webhook.Result{Now: now, Error: "bad"}, false)
	replay := func(r webhook.Replay, want int64) {
		t.Helper()
		r.Change = by(d, "a")
		if n, err := d.ReplayDeliveries(t.Context(), r); err != nil || n != want {
			t.Errorf("%+v: %d, %v; want %d", r, n, err, want)
		}
	}
	_, err := d.ReplayDeliveries(t.Context(), webhook.Replay{Change: by(d, "a"), ID: "msg_nothing"})
	wantError(t, "an id that nobody knows", err, webhook.ErrNotFound)
	replay(webhook.Replay{Since: now.Add(time.Minute)}, 0)
	replay(webhook.Replay{Since: now.Add(-time.Minute), FailedOnly: true}, 1)
	replay(webhook.Replay{ID: ids[0]}, 1)
	again := leaseSome(t, d, "a", d.Now(), 9).Deliveries
	got := deliveryIDs(again)
	slices.Sort(got)
	want := slices.Sorted(slices.Values(ids))
	if !slices.Equal(got, want) || again[0].Attempts != 0 {
		t.Errorf("leased %v, want %v", got, want)
	}
	replay(webhook.Replay{Since: now.Add(-time.Minute)}, 3)
	// Its receiver is back: what waits long for another attempt needn't.
	waits := leaseSome(t, d, "a", d.Now(), 1).Deliveries[0]
	now = d.Now()
	finishAs(t, d, waits, webhook.Result{Now: now, Error: "away", Next: now.Add(time.Hour)}, false)
	replay(webhook.Replay{Since: now.Add(-time.Hour), FailedOnly: true}, 1)
}

func testWebhookSecrets(t *testing.T, d Driver) {
	if err := d.OpenWebhook(t.Context(), "a", d.Now()); err != nil {
		t.Fatal(err)
	}
	appendOne(t, d, "a")
	start := d.Now()
	if l := leaseSome(t, d, "a", start, 1); len(l.Deliveries) != 0 {
		t.Error("leased without a secret")
	}
	one, two, three := webhook.NewSecret(start), webhook.NewSecret(start), webhook.NewSecret(start)
	rotate := func(s webhook.Secret, at time.Time, overlap time.Duration) {
		t.Helper()
		if err := d.RotateWebhookSecret(t.Context(), webhook.Change{Endpoint: "a", Now: at, By: "ada"}, s, overlap); err != nil {
			t.Fatal(err)
		}
	}
	signing := func(at time.Time, want ...webhook.Secret) {
		t.Helper()
		e, err := d.Webhook(t.Context(), "a", at)
		if err != nil {
			t.Fatal(err)
		}
		var got, texts []string
		for _, s := range e.Secrets {
			got = append(got, s.Text())
		}
		for _, s := range want {
			texts = append(texts, s.Text())
		}
		if !slices.Equal(got, texts) {
			t.Errorf("at %v %v sign, want %v", at.Sub(start), got, texts)
		}
	}
	rotate(one, start, time.Hour)
	signing(start, one)
	rotate(two, start, time.Hour)
	d = d.Reopen(t)
	signing(start.Add(time.Hour-time.Second), two, one)
	signing(start.Add(time.Hour), two)
	// A longer overlap doesn't keep one that was to end before.
	rotate(three, start, 2*time.Hour)
	signing(start.Add(time.Minute), three, two, one)
	signing(start.Add(time.Hour), three, two)
	rotate(one, start.Add(time.Minute), 0)
	signing(start.Add(time.Minute), one)
	if l := leaseSome(t, d, "a", start.Add(time.Minute), 1); len(l.Deliveries) != 1 || len(l.Secrets) != 1 || l.Secrets[0].Text() != one.Text() {
		t.Errorf("leased with %+v", l)
	}
}

func testWebhookSweep(t *testing.T, d Driver) {
	openHook(t, d, "a")
	for range 3 {
		appendOne(t, d, "a")
	}
	now := d.Now()
	l := leaseSome(t, d, "a", now, 2).Deliveries
	finishAs(t, d, l[0], webhook.Result{Now: now, Status: 200}, false)
	finishAs(t, d, l[1], webhook.Result{Now: now.Add(time.Minute), Error: "bad"}, true)
	for _, tc := range []struct {
		at   time.Duration
		want int64
	}{{-time.Second, 0}, {0, 1}, {time.Hour, 1}, {time.Hour, 0}} {
		if n, err := d.SweepDeliveries(t.Context(), now.Add(tc.at)); err != nil || n != tc.want {
			t.Errorf("swept %d, %v at %v, want %d", n, err, tc.at, tc.want)
		}
	}
	if e := readHook(t, d, "a"); e.Pending != 1 || e.Failed != 0 {
		t.Errorf("%+v", e)
	}
}
