package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// told is everything that an error says beside its code; what it doesn't say is nil.
type told struct {
	info     *errdetails.ErrorInfo
	bad      *errdetails.BadRequest
	retry    *errdetails.RetryInfo
	resource *errdetails.ResourceInfo
}

// toldBy reads an error's details, which hold exactly one ErrorInfo, of our domain, and no more than clients can take.
func toldBy(t *testing.T, err error) told {
	t.Helper()
	var out told
	st := status.Convert(err)
	infos := 0
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			out.info = d
			infos++
		case *errdetails.BadRequest:
			out.bad = d
		case *errdetails.RetryInfo:
			out.retry = d
		case *errdetails.ResourceInfo:
			out.resource = d
		}
	}
	if infos != 1 || out.info.GetDomain() != "candor" || out.info.GetReason() == "" {
		t.Fatalf("%d ErrorInfo (%v) in %v, want one of domain candor", infos, out.info, err)
	}
	return out
}

func (w *world) reviews() candorv1.ReviewServiceClient {
	return candorv1.NewReviewServiceClient(w.conn)
}

func (w *world) predictions() candorv1.PredictionServiceClient {
	return candorv1.NewPredictionServiceClient(w.conn)
}

func (w *world) limits() candorv1.LimitServiceClient { return candorv1.NewLimitServiceClient(w.conn) }

// deferOne defers one row of payments' and answers the item's name and the prediction's id.
func (w *world) deferOne(row [4]float32) (item, prediction string) {
	w.t.Helper()
	a := w.infer(as(clientToken), request([][4]float32{row}, "candor_route"))
	if a.err != nil || a.param("candor_route") != "DEFER" {
		w.t.Fatalf("not deferred: %v %v", a.resp, a.err)
	}
	return a.param("candor_review_item"), a.param("candor_prediction_id")
}

// claim leases the named item, or the next one when name is empty.
func (w *world) claim(token, name string) *candorv1.ReviewItem {
	w.t.Helper()
	resp, err := w.reviews().ClaimReviewItem(as(token), &candorv1.ClaimReviewItemRequest{Name: name})
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.GetItem()
}

func label(l string) *candorv1.Verdict {
	return &candorv1.Verdict{Answer: &candorv1.Verdict_Label{Label: l}}
}

// resolve claims an item and gives it a verdict.
func (w *world) resolve(token, name, verdict string) *candorv1.ReviewItem {
	w.t.Helper()
	item := w.claim(token, name)
	resp, err := w.reviews().ResolveReviewItem(as(token), &candorv1.ResolveReviewItemRequest{
		Name: item.GetName(), Epoch: item.GetEpoch(), Verdict: label(verdict), RequestId: "resolve " + item.GetName(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.GetItem()
}

// prediction is the first row of a prediction, as its consumer sees it.
func (w *world) prediction(id string) *candorv1.Prediction {
	w.t.Helper()
	resp, err := w.predictions().GetPrediction(as(clientToken), &candorv1.GetPredictionRequest{PredictionId: id})
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.GetPredictions()[0]
}

// bounded is as with an end, so that a test that waits for nothing fails by itself.
func bounded(t *testing.T, token string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	if token == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}

// get asks the gateway's HTTP side. Connections aren't kept, so that none outlives its test.
func (w *world) get(path string) (code int, body string) {
	w.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + w.addr.HTTP + path)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// metric scrapes one series, written as Prometheus does; -1: it isn't there.
func (w *world) metric(series string) float64 {
	w.t.Helper()
	code, body := w.get("/metrics")
	if code != http.StatusOK {
		w.t.Fatalf("/metrics answers %d: %s", code, body)
	}
	for line := range strings.Lines(body) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), series+" "); ok {
			f, err := strconv.ParseFloat(v, 64)
			if err != nil {
				w.t.Fatal(err)
			}
			return f
		}
	}
	return -1
}

// limit is the state of one limit.
func (w *world) limit(name string) *candorv1.Limit {
	w.t.Helper()
	resp, err := w.limits().ListLimits(as(operatorToken), &candorv1.ListLimitsRequest{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, l := range resp.GetLimits() {
		if l.GetName() == "limits/"+name {
			return l
		}
	}
	w.t.Fatalf("no limit %q in %v", name, resp.GetLimits())
	return nil
}

// withLimit edits a world's configuration: a limit named declines on the action decline.
func withLimit(maxCount int, more string) []string {
	const queues = "queues: {desk: {deadline: 1h, lease: 5m}}"
	return []string{queues, queues + fmt.Sprintf("\nlimits: {declines: {action: decline, window: 1h, max_count: %d%s}}", maxCount, more)}
}
