package gateway_test

import (
	"bytes"
	"image"
	"image/png"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
	"github.com/candor-gateway/candor/internal/oiptest"
)

// A picture and a document reach the reviewer byte by byte, with the view that the card declares; the row's own, of several.
func TestPicturesAndDocumentsOfAnItem(t *testing.T) {
	w := start(t, "inputs: [{name: x, datatype: FP32, shape: [-1, 4]}]",
		"inputs: [{name: x, datatype: FP32, shape: [-1, 4]}, {name: scan, datatype: BYTES, shape: [-1, 1], view: image}, {name: meta, datatype: BYTES, shape: [-1], view: json}]")
	var scan bytes.Buffer
	if err := png.Encode(&scan, image.NewGray(image.Rect(0, 0, 3, 2))); err != nil {
		t.Fatal(err)
	}
	req := requestIn(oiptest.TypedForm, [][4]float32{sureRow, deferredRow}, "candor_route")
	meta := []byte("{\"page\": 2, \"\\u0000\": \"\xff\"}")
	add := func(name string, shape []int64, texts ...[]byte) {
		in := input(name, "BYTES", shape...)
		in.Contents = &inference.InferTensorContents{BytesContents: texts}
		req.Inputs = append(req.Inputs, in)
	}
	add("scan", []int64{2, 1}, []byte("the first row's"), scan.Bytes())
	add("meta", []int64{2}, []byte("{}"), meta)
	a := w.infer(t.Context(), req)
	if a.err != nil {
		t.Fatal(a.err)
	}
	item := w.claim(reviewerToken, "")
	tensors := item.GetPayload().GetTensors()
	if len(tensors) != 3 {
		t.Fatalf("payload %v", item.GetPayload())
	}
	for i, want := range map[int]struct {
		view candorv1.PayloadView
		text []byte
	}{
		1: {candorv1.PayloadView_PAYLOAD_VIEW_IMAGE, scan.Bytes()},
		2: {candorv1.PayloadView_PAYLOAD_VIEW_JSON, meta},
	} {
		if got := tensors[i]; got.GetView() != want.view || len(got.GetTexts()) != 1 || !bytes.Equal(got.GetTexts()[0], want.text) || got.GetDatatype() != "BYTES" {
			t.Errorf("tensor %s: %v %q", got.GetName(), got.GetView(), got.GetTexts())
		}
	}
}
