package wire

import (
	"bytes"
	"testing"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/gen/inference"
)

func TestPredictEnvelope(t *testing.T) {
	request := &inference.ModelInferRequest{ModelName: "m", Id: "7"}
	data, err := proto.Marshal(&candorv1.PredictRequest{Request: request})
	if err != nil {
		t.Fatal(err)
	}
	want, _ := proto.Marshal(request)
	inner, err := PredictRequest(NewFrame(data))
	if err != nil || !bytes.Equal(inner.Bytes(), want) {
		t.Fatalf("inner %q, %v; want %q", inner.Bytes(), err, want)
	}
	// Standing twice, the field is merged.
	second, _ := proto.Marshal(&candorv1.PredictRequest{Request: &inference.ModelInferRequest{ModelVersion: "2"}})
	inner, err = PredictRequest(chopped(append(data, second...)))
	if err != nil {
		t.Fatal(err)
	}
	got := &inference.ModelInferRequest{}
	if err := proto.Unmarshal(inner.Bytes(), got); err != nil || got.GetModelName() != "m" || got.GetModelVersion() != "2" {
		t.Errorf("merged: %v, %v", got, err)
	}

	response, _ := proto.Marshal(&inference.ModelInferResponse{ModelName: "m", Id: "7"})
	whole, err := PredictResponse(NewFrame(response[:2], response[2:]), &candorv1.PredictResponse{
		Predictions: []*candorv1.Prediction{{PredictionId: "p"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	out := &candorv1.PredictResponse{}
	if err := proto.Unmarshal(whole.Bytes(), out); err != nil {
		t.Fatal(err)
	}
	if out.GetResponse().GetId() != "7" || out.GetPredictions()[0].GetPredictionId() != "p" {
		t.Errorf("got %v", out)
	}
}

func FuzzPredictRequest(f *testing.F) {
	seed, _ := proto.Marshal(&candorv1.PredictRequest{Request: &inference.ModelInferRequest{ModelName: "m"}})
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		inner, err := PredictRequest(chopped(data))
		msg := &candorv1.PredictRequest{}
		if proto.Unmarshal(data, msg) != nil {
			return // The inner message is scanned later; only its envelope is read here.
		}
		if err != nil {
			t.Fatalf("refused what protobuf accepts: %v", err)
		}
		got := &inference.ModelInferRequest{}
		if err := proto.Unmarshal(inner.Bytes(), got); err != nil {
			t.Fatal(err)
		}
		want := msg.GetRequest()
		if want == nil {
			want = &inference.ModelInferRequest{}
		}
		a, _ := proto.MarshalOptions{Deterministic: true}.Marshal(got)
		b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(want)
		if !bytes.Equal(a, b) {
			t.Fatalf("inner %v, want %v", got, want)
		}
	})
}
