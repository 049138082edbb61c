package backend

import (
	"errors"
	"strings"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

func compile(t testing.TB, p *candorv1.ModelCard) *Card {
	t.Helper()
	c, err := CompileCard(p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// view builds and scans a request of zeros.
func view(t testing.TB, inputs ...wire.TensorData) *wire.Request {
	t.Helper()
	for i := range inputs {
		n := int64(1)
		for _, d := range inputs[i].Shape {
			n *= d
		}
		if inputs[i].Datatype == wire.BYTES {
			inputs[i].Texts = make([][]byte, n)
		} else {
			inputs[i].Floats = make([]float64, n)
		}
	}
	data, err := wire.BuildRequest("m", "1", "", nil, inputs, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	req, err := wire.ScanRequest(wire.NewFrame(data))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func in(name string, d wire.Datatype, shape ...int64) wire.TensorData {
	return wire.TensorData{Name: name, Datatype: d, Shape: shape}
}

func TestRows(t *testing.T) {
	pair := digitsCard()
	pair.Inputs = append(pair.Inputs,
		&candorv1.InputSpec{Name: "text", Datatype: "BYTES", Shape: []int64{-1}},
		&candorv1.InputSpec{Name: "scale", Datatype: "FP32", Shape: []int64{3}, Shared: true})
	single := digitsCard()
	single.Rows = candorv1.Rows_ROWS_NONE
	single.Inputs[0].Shape = []int64{8, 8}
	text, scale := in("text", wire.BYTES, 4), in("scale", wire.FP32, 3)

	for _, test := range []struct {
		name   string
		card   *candorv1.ModelCard
		inputs []wire.TensorData
		rows   int
		// field and problem of the error, when rows is 0.
		field, problem string
	}{
		{"one row", digitsCard(), []wire.TensorData{in("x", wire.FP32, 1, 2)}, 1, "", ""},
		{"many rows", digitsCard(), []wire.TensorData{in("x", wire.FP32, 32, 2)}, 32, "", ""},
		{"shared input, any order", pair, []wire.TensorData{scale, text, in("x", wire.FP32, 4, 2)}, 4, "", ""},
		{"no rows", single, []wire.TensorData{in("x", wire.FP32, 8, 8)}, 1, "", ""},

		{"nothing", digitsCard(), nil, 0, "inputs", `"x" is missing`},
		{"one missing", pair, []wire.TensorData{text, scale}, 0, "inputs", `"x" is missing`},
		{"unknown name", digitsCard(), []wire.TensorData{in("y", wire.FP32, 1, 2)}, 0, "inputs[0].name", `no input "y"`},
		{"twice", digitsCard(), []wire.TensorData{in("x", wire.FP32, 1, 2), in("x", wire.FP32, 1, 2)}, 0, "inputs[1].name", "twice"},
		{"datatype", digitsCard(), []wire.TensorData{in("x", wire.FP64, 1, 2)}, 0, "inputs[0].datatype", "is FP64, the model takes FP32"},
		{"dimensions", digitsCard(), []wire.TensorData{in("x", wire.FP32, 2)}, 0, "inputs[0].shape", "has 1 dimensions instead of 2"},
		{"size", digitsCard(), []wire.TensorData{in("x", wire.FP32, 1, 3)}, 0, "inputs[0].shape", "[1, 3] does not fit [-1, 2]"},
		{"no rows at all", digitsCard(), []wire.TensorData{in("x", wire.FP32, 0, 2)}, 0, "inputs[0].shape", "[0, 2] does not fit"},
		{"rows differ", pair, []wire.TensorData{scale, text, in("x", wire.FP32, 5, 2)}, 0, "inputs[2].shape", `has 5 rows, input "text" has 4`},
		{"too many rows", digitsCard(), []wire.TensorData{in("x", wire.FP32, MaxRows+1, 2)}, 0, "inputs[0].shape", "more than 65536"},
		{"shared of another size", pair, []wire.TensorData{in("scale", wire.FP32, 4), text, in("x", wire.FP32, 4, 2)}, 0, "inputs[0].shape", "does not fit"},
		{"no rows, another size", single, []wire.TensorData{in("x", wire.FP32, 8, 9)}, 0, "inputs[0].shape", "does not fit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rows, err := compile(t, test.card).Rows(view(t, test.inputs...))
			if rows != test.rows {
				t.Errorf("%d rows, want %d", rows, test.rows)
			}
			if test.rows > 0 {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var field *wire.FieldError
			if !errors.As(err, &field) || field.Field != test.field || !strings.Contains(field.Problem, test.problem) || field.Remedy == "" {
				t.Errorf("error %#v", err)
			}
		})
	}
}

// Rows whose elements need no bytes must not be allowed to claim memory, whatever the card leaves open.
func TestRowsOfNothing(t *testing.T) {
	card := digitsCard()
	card.Inputs[0].Shape = []int64{-1, -1}
	req := &wire.Request{Inputs: []wire.Tensor{{Name: "x", Datatype: wire.FP32, DatatypeName: "FP32", Shape: []int64{1 << 40, 0}}}}
	if rows, err := compile(t, card).Rows(req); err == nil {
		t.Errorf("%d rows", rows)
	}
	if rows, err := compile(t, card).Rows(&wire.Request{Inputs: []wire.Tensor{{
		Name: "x", Datatype: wire.FP32, DatatypeName: "FP32", Shape: []int64{-1, 2},
	}}}); err == nil {
		t.Errorf("%d rows of a negative dimension", rows)
	}
}
