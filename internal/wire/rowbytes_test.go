package wire

import (
	"bytes"
	"testing"
)

// A row's bytes are the same in both forms, for numbers of fixed and of varying size, and for text.
func TestRowBytes(t *testing.T) {
	for name, in := range map[string]TensorData{
		"FP32":  {Name: "x", Datatype: FP32, Shape: []int64{2, 2}, Floats: []float64{1, -2.5, 3, 4}},
		"INT64": {Name: "x", Datatype: INT64, Shape: []int64{2, 1}, Floats: []float64{-1, 1 << 40}},
		"BYTES": {Name: "x", Datatype: BYTES, Shape: []int64{2, 1}, Texts: [][]byte{[]byte("long"), nil}},
	} {
		t.Run(name, func(t *testing.T) {
			var forms [2][][]byte
			for i, raw := range []bool{true, false} {
				data, err := BuildRequest("m", "", "", nil, []TensorData{in}, nil, raw)
				if err != nil {
					t.Fatal(err)
				}
				req := scanRequest(t, data)
				rows, err := req.Inputs[0].RowBytes(2)
				if err != nil {
					t.Fatal(err)
				}
				forms[i] = rows
				all, err := req.Inputs[0].RowBytes(0)
				if err != nil || !bytes.Equal(bytes.Join(rows, nil), all[0]) {
					t.Errorf("raw %v: all elements are %x, %v, not the rows one after the other %x", raw, all, err, rows)
				}
				if _, err := req.Inputs[0].RowBytes(3); err == nil {
					t.Errorf("raw %v: three rows of two were answered", raw)
				}
			}
			for r := range 2 {
				if !bytes.Equal(forms[0][r], forms[1][r]) {
					t.Errorf("row %d is %x raw and %x typed", r, forms[0][r], forms[1][r])
				}
			}
		})
	}
}
