package wire

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"testing"
)

// Every column of every datatype, in both forms, is what Floats and Texts read of it.
func TestColumnReadsWhatRowsHold(t *testing.T) {
	const rows, columns = 3, 2
	for _, tt := range exact {
		for _, raw := range []bool{true, false} {
			if !raw && onlyRaw(tt.datatype) {
				continue
			}
			t.Run(fmt.Sprintf("%v raw=%v", tt.datatype, raw), func(t *testing.T) {
				in := TensorData{Name: "x", Datatype: tt.datatype, Shape: []int64{rows, columns}}
				for i := range rows * columns {
					if tt.datatype == BYTES {
						in.Texts = append(in.Texts, tt.texts[(i+i/columns)%2])
					} else {
						in.Floats = append(in.Floats, tt.floats[(i+i/columns)%2])
					}
				}
				data, err := BuildResponse("m", "", "", nil, []TensorData{in}, raw)
				if err != nil {
					t.Fatal(err)
				}
				x := scanResponse(t, data).Output("x")
				for column := range columns {
					got, err := x.Column(rows, column)
					if err != nil || len(got) != rows {
						t.Fatalf("column %d: %v, %v", column, got, err)
					}
					for row, e := range got {
						if i := row*columns + column; tt.datatype == BYTES && !bytes.Equal(e.Text, in.Texts[i]) || tt.datatype != BYTES && e.Float() != in.Floats[i] {
							t.Errorf("row %d, column %d: %v", row, column, e)
						}
					}
					whole, err := x.Column(0, columns+column)
					if err != nil || len(whole) != 1 || whole[0].Float() != got[1].Float() && tt.datatype != BYTES || !bytes.Equal(whole[0].Text, got[1].Text) {
						t.Errorf("as one row: %v, %v, want %v", whole, err, got[1])
					}
				}
				for _, column := range []int{-1, columns} {
					if _, err := x.Column(rows, column); err == nil {
						t.Errorf("column %d is read", column)
					}
				}
				if _, err := x.Column(rows+1, 0); err == nil {
					t.Error("rows are read that aren't there")
				}
			})
		}
	}
}

func TestElementDecimal(t *testing.T) {
	for _, tt := range []struct {
		datatype Datatype
		value    float64
		want     string
	}{
		{FP32, float64(float32(20.01)), "20.01"},
		{FP64, 20.01, "20.01"},
		{FP32, math.Inf(1), "+Inf"},
		{INT64, math.MinInt64, strconv.Itoa(math.MinInt64)},
		{UINT64, 1 << 63, "9223372036854775808"},
		{INT8, -3, "-3"},
		{BOOL, 1, "1"},
	} {
		data, err := BuildResponse("m", "", "", nil, []TensorData{{Name: "x", Datatype: tt.datatype, Shape: []int64{1}, Floats: []float64{tt.value}}}, true)
		if err != nil {
			t.Fatal(err)
		}
		got, err := scanResponse(t, data).Output("x").Column(1, 0)
		if err != nil || got[0].Decimal() != tt.want {
			t.Errorf("%v %v: %v, %v", tt.datatype, tt.value, got, err)
		}
	}
	if e := (Element{Datatype: BYTES}); e.Decimal() != "" || !math.IsNaN(e.Float()) {
		t.Errorf("text is a number: %v", e)
	}
}
