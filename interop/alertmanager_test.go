package interop_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/heldport"
)

// alertConfig groups nothing and waits for nothing, so that every notification is of one alert and comes at once. That what was notified
// isn't notified again is Alertmanager's own doing.
const alertConfig = `
route: {receiver: desk, group_by: ["..."], group_wait: 0s, group_interval: 1s, repeat_interval: 4h}
receivers: [{name: desk, webhook_configs: [{url: %q, send_resolved: true}]}]
`

// alertmanager is a running Alertmanager, as Debian has it.
type alertmanager struct {
	t                        *testing.T
	program, dir, addr, file string
	cmd                      *exec.Cmd
}

func startAlertmanager(t *testing.T, program, desk string) *alertmanager {
	t.Helper()
	a := &alertmanager{t: t, program: program, dir: t.TempDir()}
	a.file = filepath.Join(a.dir, "alertmanager.yml")
	if err := os.WriteFile(a.file, fmt.Appendf(nil, alertConfig, desk), 0o600); err != nil {
		t.Fatal(err)
	}
	a.addr = heldport.For(t)
	a.start()
	t.Cleanup(a.stop)
	return a
}

func (a *alertmanager) start() {
	a.t.Helper()
	a.cmd = exec.Command(a.program, "--config.file="+a.file, "--storage.path="+filepath.Join(a.dir, "data"),
		"--web.listen-address="+a.addr, "--cluster.listen-address=", "--log.level=warn")
	a.cmd.Stdout, a.cmd.Stderr = a.t.Output(), a.t.Output()
	if err := a.cmd.Start(); err != nil {
		a.t.Fatal(err)
	}
	eventually(a.t, "Alertmanager is ready", func() bool {
		resp, err := http.Get("http://" + a.addr + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// stop ends it in good order: it keeps what it has notified of, and forgets all alerts.
func (a *alertmanager) stop() {
	if a.cmd == nil {
		return
	}
	_ = a.cmd.Process.Signal(syscall.SIGTERM)
	_ = a.cmd.Wait()
	a.cmd = nil
}

// gettableAlert is one of its API's answer.
type gettableAlert struct {
	Labels, Annotations map[string]string
	StartsAt, EndsAt    time.Time
	UpdatedAt           time.Time
	Fingerprint         string
	Status              struct{ State string }
}

// alerts are those that fire.
func (a *alertmanager) alerts() (out []gettableAlert) {
	a.t.Helper()
	resp, err := http.Get("http://" + a.addr + "/api/v2/alerts")
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		a.t.Fatal(err)
	}
	return out
}

// notice is what an Alertmanager posts to a webhook of its configuration.
type notice struct {
	Status string
	Alerts []struct {
		Status              string
		Labels, Annotations map[string]string
		StartsAt, EndsAt    time.Time
		Fingerprint         string
	}
}

// desk is where an Alertmanager's route leads.
type desk struct {
	*httptest.Server
	mu  sync.Mutex
	got []notice
}

func newDesk(t *testing.T) *desk {
	d := &desk{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var n notice
		if err == nil {
			err = json.Unmarshal(body, &n)
		}
		if err != nil || len(n.Alerts) != 1 {
			t.Errorf("a notification %s: %v; want one alert", body, err)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.got = append(d.got, n)
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *desk) notices() []notice {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]notice(nil), d.got...)
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(clientTimeout); !f(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so after %v: %s", clientTimeout, what)
		}
	}
}

// limited bounds every answer of the example to one, so that the second trips the limit.
func limited(alerts ...*candorv1.AlertReceiver) func(*candorv1.Config) {
	return func(cfg *candorv1.Config) {
		cfg.Models[modelName].Policy.Actions[0].When.LabelIn = []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}
		l := cfg.Limits["nines"]
		l.MaxCount = proto.Int64(1)
		l.Window, l.OnTrip, l.Alerts = durationpb.New(time.Hour), candorv1.OnTrip_ON_TRIP_REJECT, alerts
	}
}

// tripper trips the limit of a world and resets it.
type tripper struct {
	t    *testing.T
	conn *grpc.ClientConn
	p    *plan
}

func newTripper(t *testing.T, w *world) *tripper {
	t.Helper()
	conn, err := grpc.NewClient(w.gateway, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &tripper{t, conn, newPlan(t, w)}
}

// trip answers the id of the prediction that was withheld first.
func (tr *tripper) trip() string {
	tr.t.Helper()
	var pixels []float32
	for _, v := range tr.p.Accept.Pixels {
		pixels = append(pixels, float32(v))
	}
	for range 3 {
		_, _ = candorv1.NewPredictionServiceClient(tr.conn).Predict(tr.t.Context(), &candorv1.PredictRequest{Request: &inference.ModelInferRequest{
			ModelName: tr.p.Model,
			Inputs: []*inference.ModelInferRequest_InferInputTensor{{
				Name: "image", Datatype: "FP32", Shape: []int64{1, int64(len(pixels))}, Contents: &inference.InferTensorContents{Fp32Contents: pixels},
			}},
		}})
	}
	events, err := candorv1.NewLimitServiceClient(tr.conn).ListLimitEvents(as(tr.t.Context(), operatorToken), &candorv1.ListLimitEventsRequest{Name: "limits/nines"})
	if err != nil || len(events.GetEvents()) == 0 || events.GetEvents()[0].GetEvent() != candorv1.LimitEvent_LIMIT_EVENT_TRIPPED {
		tr.t.Fatalf("it has not tripped: %v, %v", events, err)
	}
	return events.GetEvents()[0].GetPredictionId()
}

func (tr *tripper) reset(request string) {
	tr.t.Helper()
	_, err := candorv1.NewLimitServiceClient(tr.conn).ResetLimit(as(tr.t.Context(), operatorToken), &candorv1.ResetLimitRequest{
		Name: "limits/nines", Reason: "looked at them", RequestId: request,
	})
	if err != nil {
		tr.t.Fatal(err)
	}
}

// TestAlertmanager: a trip fires in a real Alertmanager with the labels that the documentation names, goes on firing though that restarts,
// and is resolved by the reset; whoever its route leads to is notified once of each.
func TestAlertmanager(t *testing.T) {
	needsInterop(t)
	d := newDesk(t)
	am := startAlertmanager(t, required(t, "CANDOR_ALERTMANAGER"), d.URL)
	w := startWith(t, limited(&candorv1.AlertReceiver{
		Name: "everybody", To: &candorv1.AlertReceiver_Alertmanager{Alertmanager: "http://" + am.addr}, AllowPrivate: true,
		Timeout: durationpb.New(5 * time.Second), EscalateAfter: durationpb.New(time.Hour), RepeatEvery: durationpb.New(time.Second),
	}))
	tr := newTripper(t, w)
	prediction := tr.trip()

	firing := func() bool { return len(am.alerts()) == 1 }
	eventually(t, "one alert fires", firing)
	first := am.alerts()[0]
	want := map[string]string{
		"alertname": "CandorLimitTripped", "severity": "critical", "limit": "nines", "action": "post_nine", "model": modelName,
		"trip": first.Labels["trip"], "consumer": first.Labels["consumer"],
	}
	if !maps.Equal(first.Labels, want) || want["trip"] == "" || want["consumer"] == "" {
		t.Errorf("labels %v, want %v", first.Labels, want)
	}
	if first.Annotations["summary"] == "" || first.Annotations["description"] == "" || first.Annotations["prediction_id"] != prediction {
		t.Errorf("annotations %v, about prediction %s", first.Annotations, prediction)
	}
	if first.Status.State != "active" || first.EndsAt.Before(time.Now().AddDate(1, 0, 0)) {
		t.Errorf("%s until %v; want it to end by a reset alone", first.Status.State, first.EndsAt)
	}
	told := func(n int, status string) func() bool {
		return func() bool { all := d.notices(); return len(all) == n && all[n-1].Status == status }
	}
	eventually(t, "the desk is notified", told(1, "firing"))
	eventually(t, "it is told again while it holds", func() bool { return firing() && am.alerts()[0].UpdatedAt.After(first.UpdatedAt) })

	am.stop()
	am.start()
	eventually(t, "it fires after a restart", firing)
	if again := am.alerts()[0]; again.Fingerprint != first.Fingerprint || !again.StartsAt.Equal(first.StartsAt) {
		t.Errorf("another alert after a restart: %+v after %+v", again, first)
	}
	since := am.alerts()[0].UpdatedAt
	eventually(t, "it is told again", func() bool { return am.alerts()[0].UpdatedAt.After(since) })

	tr.reset("r1")
	eventually(t, "nothing fires", func() bool { return len(am.alerts()) == 0 })
	eventually(t, "the desk is notified of the end", told(2, "resolved"))
	if end := d.notices()[1].Alerts[0]; !maps.Equal(end.Labels, first.Labels) || end.Fingerprint != first.Fingerprint || end.EndsAt.After(time.Now()) {
		t.Errorf("resolved: %+v", end)
	}
	// The next trip is another alert; that one still is over.
	tr.trip()
	eventually(t, "the next trip fires", func() bool { return firing() && am.alerts()[0].Labels["trip"] != first.Labels["trip"] })
	eventually(t, "the desk is notified of the next", told(3, "firing"))
}

// TestLimitWebhook: what a receiver in Python is told of a trip and of its reset verifies with the specification's own library, after a
// failure too.
func TestLimitWebhook(t *testing.T) {
	needsInterop(t)
	in := startReceiver(t, required(t, "CANDOR_PYTHON_WEBHOOKS"))
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintln(in.stdin, secret); err != nil {
		t.Fatal(err)
	}
	tr := newTripper(t, startWith(t, limited(&candorv1.AlertReceiver{
		Name: "python", To: &candorv1.AlertReceiver_Webhook{Webhook: fmt.Sprintf("http://127.0.0.1:%d/candor", in.port)}, AllowPrivate: true,
		SecretFile: file, Timeout: durationpb.New(5 * time.Second), EscalateAfter: durationpb.New(time.Hour),
	})))
	prediction := tr.trip()
	one, again := in.next(), in.next()
	if one.Status != 503 || again.Status != 204 || one.ID != again.ID || again.Type != "limit.tripped" || again.PredictionID != prediction || again.Error != "" {
		t.Errorf("got %+v, then %+v, about prediction %s", one, again, prediction)
	}
	tr.reset("r1")
	if q := in.next(); q.Status != 204 || q.Error != "" || q.Type != "limit.reset" || q.ID != one.ID+"-reset" {
		t.Errorf("of the reset: %+v after %s", q, one.ID)
	}
}
