package payload

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gen/inference"
)

// edited is an answer to rows rows after a change.
func edited(t *testing.T, rows int, edit func(*inference.ModelInferResponse)) []byte {
	t.Helper()
	m := new(inference.ModelInferResponse)
	if err := proto.Unmarshal(Answer(Tabular, rows, nil), m); err != nil {
		t.Fatal(err)
	}
	edit(m)
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func setFloat(m *inference.ModelInferResponse, i int, v float32) {
	binary.LittleEndian.PutUint32(m.RawOutputContents[0][4*i:], math.Float32bits(v))
}

// Behind a gateway an answer is right when it is the model server's with something behind it, or one with other rows in it.
func TestValid(t *testing.T) {
	const rows = 4
	answer := Answer(Tabular, rows, nil)
	check := Valid(answer, rows)
	metadata, err := proto.Marshal(&inference.ModelInferResponse{Parameters: map[string]*inference.InferParameter{
		"k": {ParameterChoice: &inference.InferParameter_StringParam{StringParam: "v"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	spliced := edited(t, rows, func(m *inference.ModelInferResponse) { setFloat(m, 2, 0.3); setFloat(m, 3, 0.7) })
	for name, message := range map[string][]byte{
		"as it was": answer, "with metadata": append(bytes.Clone(answer), metadata...), "with a row of another": append(spliced, metadata...),
	} {
		if err := check(message); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := Exactly(answer)(message); (err == nil) != (name == "as it was") {
			t.Errorf("%s, exactly: %v", name, err)
		}
	}
	for name, test := range map[string]struct {
		message []byte
		want    string
	}{
		"nothing":        {nil, "without the tensor"},
		"half of it":     {answer[:len(answer)/2], "no ModelInferResponse"},
		"too few rows":   {Answer(Tabular, rows-1, nil), "24 bytes of probabilities; 4 rows have 32"},
		"another tensor": {edited(t, rows, func(m *inference.ModelInferResponse) { m.Outputs[0].Name = "p" }), "without the tensor"},
		"not a number":   {edited(t, rows, func(m *inference.ModelInferResponse) { setFloat(m, 5, float32(math.NaN())) }), "row 2"},
		"a sum above 1":  {edited(t, rows, func(m *inference.ModelInferResponse) { setFloat(m, 0, 0.5) }), "row 0"},
		"withheld as NaNs": {edited(t, rows, func(m *inference.ModelInferResponse) {
			setFloat(m, 6, float32(math.NaN()))
			setFloat(m, 7, float32(math.NaN()))
		}), "row 3"},
	} {
		if err := check(test.message); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Rows are as sure as the policies of the benchmark take them for.
func TestAnswer(t *testing.T) {
	m := new(inference.ModelInferResponse)
	if err := proto.Unmarshal(Answer(Tabular, 32, func(row int) bool { return row == 3 }), m); err != nil {
		t.Fatal(err)
	}
	frauds := 0
	for i := range 32 {
		fraud := math.Float32frombits(binary.LittleEndian.Uint32(m.RawOutputContents[0][8*i+4:]))
		if fraud > 0.5 {
			frauds++
		}
		if isSure := max(fraud, 1-fraud) >= Threshold; isSure == (i == 3) {
			t.Errorf("row %d has the probability %v", i, fraud)
		}
	}
	if frauds != 2 {
		t.Errorf("%d rows of 32 are labelled fraud", frauds)
	}
}

func TestPeriods(t *testing.T) {
	mixed, second := 0, 0
	for n := range uint64(Period * SecondPeriod) {
		if MixedUnsure(n) {
			mixed++
		}
		if SecondUnsure(n) {
			second++
		}
	}
	if mixed != 6*SecondPeriod || second != Period {
		t.Errorf("of %d rows the mixed model is unsure about %d, a second one about %d", Period*SecondPeriod, mixed, second)
	}
}
