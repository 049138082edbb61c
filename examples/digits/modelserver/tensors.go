package modelserver

import (
	"context"
	"encoding/binary"
	"math"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/examples/digits"
	"github.com/candor-gateway/candor/gen/inference"
)

// answer is a model's answer to a batch.
type answer struct {
	scores []float32 // row by row
	labels []string
}

// infer asks the model for each row, and stops when the caller has gone: nobody waits for the rest.
func infer(ctx context.Context, m *digits.Model, images [][]float64) (answer, error) {
	score := m.Probabilities
	if m.Output == digits.Logits {
		score = m.Logits
	}
	a := answer{
		scores: make([]float32, 0, len(images)*digits.Classes),
		labels: make([]string, 0, len(images)),
	}
	for _, image := range images {
		if err := ctx.Err(); err != nil {
			return answer{}, status.FromContextError(err).Err()
		}
		scores, err := score(image)
		if err != nil {
			return answer{}, status.Errorf(codes.Internal, "model %q: %v", m.Name, err)
		}
		for _, s := range scores {
			a.scores = append(a.scores, float32(s))
		}
		a.labels = append(a.labels, m.Labels[digits.Top(scores)])
	}
	return a, nil
}

// encode writes the wanted outputs, in their order, typed or raw.
func (a answer) encode(m *digits.Model, wanted []string, raw bool) *inference.ModelInferResponse {
	rows := int64(len(a.labels))
	resp := &inference.ModelInferResponse{ModelName: m.Name, ModelVersion: m.Version}
	for _, name := range wanted {
		out := &inference.ModelInferResponse_InferOutputTensor{Name: name}
		var rawContents []byte
		if name == labelName {
			out.Datatype, out.Shape = bytesType, []int64{rows}
			out.Contents, rawContents = a.encodeLabels(raw)
		} else {
			out.Datatype, out.Shape = fp32, []int64{rows, digits.Classes}
			out.Contents, rawContents = a.encodeScores(raw)
		}
		if raw {
			resp.RawOutputContents = append(resp.RawOutputContents, rawContents)
		}
		resp.Outputs = append(resp.Outputs, out)
	}
	return resp
}

// encodeScores gives one of the two forms.
func (a answer) encodeScores(raw bool) (*inference.InferTensorContents, []byte) {
	if !raw {
		return &inference.InferTensorContents{Fp32Contents: a.scores}, nil
	}
	b := make([]byte, 0, 4*len(a.scores))
	for _, s := range a.scores {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(s))
	}
	return nil, b
}

// encodeLabels gives one of the two forms; raw, each label is preceded by its length in four bytes.
func (a answer) encodeLabels(raw bool) (*inference.InferTensorContents, []byte) {
	if !raw {
		contents := new(inference.InferTensorContents)
		for _, label := range a.labels {
			contents.BytesContents = append(contents.BytesContents, []byte(label))
		}
		return contents, nil
	}
	var b []byte
	for _, label := range a.labels {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(label)))
		b = append(b, label...)
	}
	return nil, b
}

// floats reads little-endian FP32; the length is a multiple of four.
func floats(raw []byte) []float32 {
	values := make([]float32, len(raw)/4)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return values
}
