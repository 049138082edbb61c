package gateway_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// What a batch of deferred rows takes in memory grows with its bytes, and not with its bytes times its rows: the tensor is put together and
// looked through once. Each item has its own row.
func TestDeferredRowsAreReadOnce(t *testing.T) {
	const rows, width = 512, 1024
	for _, form := range []oiptest.Form{oiptest.RawForm, oiptest.TypedForm} {
		t.Run(fmt.Sprint("form ", form), func(t *testing.T) {
			w := start(t, "shape: [-1, 4]", "shape: [-1, -1]", "fallback: {ensemble: both, threshold: {probability: 0.8}}", "",
				"desk: {deadline: 1h, lease: 5m", "desk: {coalesce: {max_rows: 2}, deadline: 1h, lease: 5m")
			values := make([]float32, rows*width)
			probs := slices.Repeat([]float32{.4, .6}, rows)
			for i := range rows {
				values[i*width] = float32(i)
			}
			labels := slices.Repeat([]string{"bad"}, rows)
			w.primary.Script(oiptest.Always(oiptest.Response(form, oiptest.FP32("probabilities", []int64{rows, 2}, probs...), oiptest.BYTES("label", []int64{rows}, labels...))))
			req := oiptest.Request("fraud", "", form, oiptest.FP32("x", []int64{rows, width}, values...))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := w.predictions().Predict(as(clientToken), &candorv1.PredictRequest{Request: req})
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Fatal(err)
			}
			size := uint64(4 * len(values))
			// All that is done with the bytes, by client, model server and store, too, is some dozen times as much.
			if took := after.TotalAlloc - before.TotalAlloc; took > 100*size {
				t.Errorf("%d MiB were allocated for a request of %d MiB", took>>20, size>>20)
			}
			for range 3 {
				item := w.claim(reviewerToken, "")
				x := item.GetPayload().GetTensors()[0]
				stored := w.reviewedRow(item.GetName())
				if len(x.GetValues()) != width || x.GetValues()[0] != float64(stored) || x.GetValues()[1] != 0 {
					t.Errorf("the item of row %d shows %v", stored, x.GetValues()[:2])
				}
			}
		})
	}
}

// reviewedRow is the row that an item is of, which its reviewer doesn't know.
func (w *world) reviewedRow(item string) uint32 {
	w.t.Helper()
	resp, err := w.reviews().GetReviewItem(as(auditorToken), &candorv1.GetReviewItemRequest{Name: item})
	if err != nil {
		w.t.Fatal(err)
	}
	return resp.GetItem().GetRow()
}
