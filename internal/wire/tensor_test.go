package wire

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
)

// Values that each datatype holds exactly, and their raw bytes.
var exact = []struct {
	datatype Datatype
	floats   []float64
	texts    [][]byte
	raw      []byte
}{
	{BOOL, []float64{1, 0}, nil, []byte{1, 0}},
	{UINT8, []float64{0, 255}, nil, []byte{0, 255}},
	{UINT16, []float64{258, 65535}, nil, []byte{2, 1, 255, 255}},
	{UINT32, []float64{1, math.MaxUint32}, nil, []byte{1, 0, 0, 0, 255, 255, 255, 255}},
	{UINT64, []float64{1 << 63, 3}, nil, []byte{0, 0, 0, 0, 0, 0, 0, 128, 3, 0, 0, 0, 0, 0, 0, 0}},
	{INT8, []float64{-128, 127}, nil, []byte{128, 127}},
	{INT16, []float64{-32768, -1}, nil, []byte{0, 128, 255, 255}},
	{INT32, []float64{math.MinInt32, 5}, nil, []byte{0, 0, 0, 128, 5, 0, 0, 0}},
	{INT64, []float64{math.MinInt64, -2}, nil, []byte{0, 0, 0, 0, 0, 0, 0, 128, 254, 255, 255, 255, 255, 255, 255, 255}},
	{FP16, []float64{1, -2}, nil, []byte{0, 0x3c, 0, 0xc0}},
	{FP32, []float64{1, -0.5}, nil, []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xbf}},
	{FP64, []float64{1, math.Inf(-1)}, nil, []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0xf0, 0xff}},
	{BF16, []float64{1, 3.140625}, nil, []byte{0x80, 0x3f, 0x49, 0x40}},
	{BYTES, nil, [][]byte{[]byte("candor"), {}}, []byte("\x06\x00\x00\x00candor\x00\x00\x00\x00")},
}

func TestTensorReadsEveryDatatypeInBothForms(t *testing.T) {
	for _, tt := range exact {
		for _, raw := range []bool{true, false} {
			if !raw && onlyRaw(tt.datatype) {
				continue
			}
			t.Run(fmt.Sprintf("%v raw=%v", tt.datatype, raw), func(t *testing.T) {
				data, err := BuildResponse("m", "", "", nil, []TensorData{
					{Name: "x", Datatype: tt.datatype, Shape: []int64{2, 1}, Floats: tt.floats, Texts: tt.texts},
				}, raw)
				if err != nil {
					t.Fatal(err)
				}
				r := scanResponse(t, data)
				if err := r.Validate(); err != nil {
					t.Fatal(err)
				}
				x := r.Output("x")
				if raw && !bytes.Equal(x.Raw(), tt.raw) {
					t.Errorf("raw bytes %v, want %v", x.Raw(), tt.raw)
				}
				if tt.datatype == BYTES {
					checkTexts(t, x, tt.texts)
				} else {
					checkFloats(t, x, tt.floats)
				}
			})
		}
	}
}

var errNoRows = errors.New("there are no rows")

// floatRow and textRow read one row of rows, of which there is at least one.
func floatRow(x *Tensor, row, rows int) ([]float64, error) {
	r, err := x.Rows(rows)
	if err != nil || rows == 0 {
		return nil, cmp.Or(err, errNoRows)
	}
	return r.Floats(row)
}

func textRow(x *Tensor, row, rows int) ([][]byte, error) {
	r, err := x.Rows(rows)
	if err != nil || rows == 0 {
		return nil, cmp.Or(err, errNoRows)
	}
	return r.Texts(row)
}

func checkFloats(t *testing.T, x *Tensor, want []float64) {
	t.Helper()
	got, err := x.Floats([]float64{42})
	if err != nil || !slices.Equal(got, append([]float64{42}, want...)) {
		t.Errorf("Floats = %v, %v; want 42 and %v", got, err, want)
	}
	for row := range want {
		got, err := floatRow(x, row, len(want))
		if err != nil || !slices.Equal(got, want[row:row+1]) {
			t.Errorf("FloatRow(%d) = %v, %v; want %v", row, got, err, want[row])
		}
	}
	if _, err := x.Texts(); err == nil {
		t.Error("Texts reads numbers")
	}
	if _, err := floatRow(x, len(want), len(want)); err == nil {
		t.Error("FloatRow reads a row that isn't there")
	}
	if _, err := floatRow(x, 0, 1); err == nil {
		t.Error("FloatRow accepts the wrong number of rows")
	}
}

func checkTexts(t *testing.T, x *Tensor, want [][]byte) {
	t.Helper()
	got, err := x.Texts()
	if err != nil || !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("Texts = %q, %v; want %q", got, err, want)
	}
	for row := range want {
		got, err := textRow(x, row, len(want))
		if err != nil || !slices.EqualFunc(got, want[row:row+1], bytes.Equal) {
			t.Errorf("TextRow(%d) = %q, %v; want %q", row, got, err, want[row])
		}
	}
	if _, err := x.Floats(nil); err == nil {
		t.Error("Floats reads BYTES")
	}
	if _, err := textRow(x, -1, len(want)); err == nil {
		t.Error("TextRow reads a row that isn't there")
	}
}

// Random elements are read with all their bits, in both forms.
func TestTensorKeepsBits(t *testing.T) {
	rng := newRand(1)
	for range 20 {
		for _, raw := range []bool{true, false} {
			data, samples := sampleResponse(t, rng, 1+rng.IntN(5), raw)
			r := scanResponse(t, data)
			if err := r.Validate(); err != nil {
				t.Fatal(err)
			}
			for name, s := range samples {
				if got := elementBytes(t, r.Output(name)); !slices.EqualFunc(got, s.elements, bytes.Equal) {
					t.Fatalf("%s raw=%v: %x, want %x", name, raw, got, s.elements)
				}
			}
		}
	}
}

func TestTensorReadsUnpackedContents(t *testing.T) {
	// shape [3]; int_contents: 1 alone, a packed run of nothing, -1 and 300 packed.
	contents := []byte{0x10, 0x01, 0x12, 0x00, 0x12, 0x0c}
	contents = append(contents, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0xac, 0x02)
	x := Tensor{Datatype: INT16, Shape: []int64{3}}
	if err := x.addContents(contents); err != nil {
		t.Fatal(err)
	}
	got, err := x.Floats(nil)
	if want := []float64{1, -1, 300}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Floats = %v, %v; want %v", got, err, want)
	}
	x.Datatype = INT8
	if got, err := x.Floats(nil); err == nil || len(got) != 0 {
		t.Errorf("Floats = %v, %v; want an error: INT8 can't hold 300", got, err)
	}
}

func TestElements(t *testing.T) {
	for _, tt := range []struct {
		shape []int64
		want  int64
		ok    bool
	}{
		{nil, 1, true},
		{[]int64{0}, 0, true},
		{[]int64{2, 3, 4}, 24, true},
		{[]int64{1 << 62, 1}, 1 << 62, true},
		{[]int64{1 << 62, 2}, 0, false},
		{[]int64{1 << 32, 1 << 32}, 0, false},
		{[]int64{1 << 32, 1 << 32, 0}, 0, true},
		{[]int64{0, -1}, 0, false},
		{[]int64{math.MaxInt64, math.MaxInt64, math.MaxInt64}, 0, false},
	} {
		x := Tensor{Shape: tt.shape}
		got, err := x.Elements()
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("Elements(%v) = %d, %v; want %d, ok %v", tt.shape, got, err, tt.want, tt.ok)
		}
	}
}

func TestParseDatatype(t *testing.T) {
	for _, d := range allDatatypes {
		if got, ok := ParseDatatype(d.String()); got != d || !ok {
			t.Errorf("ParseDatatype(%q) = %v, %v", d.String(), got, ok)
		}
		if (d.Size() == 0) != (d == BYTES) {
			t.Errorf("%v has size %d", d, d.Size())
		}
	}
	for _, name := range []string{"", "fp32", "FP8", "unknown datatype"} {
		if got, ok := ParseDatatype(name); got != 0 || ok {
			t.Errorf("ParseDatatype(%q) = %v, %v; want none", name, got, ok)
		}
	}
}

func TestDatatypeNone(t *testing.T) {
	for _, d := range []Datatype{0, BYTES + 1} {
		if d.Size() != 0 || d.IsFloat() || d.content() != 0 || d.String() != "unknown datatype" {
			t.Errorf("Datatype(%d): %d bytes, float %v, %v, %v; want none", uint8(d), d.Size(), d.IsFloat(), d.content(), d)
		}
	}
	var floats []Datatype
	for _, d := range allDatatypes {
		if d.IsFloat() {
			floats = append(floats, d)
		}
	}
	if want := []Datatype{FP16, FP32, FP64, BF16}; !slices.Equal(floats, want) {
		t.Errorf("floats are %v, want %v", floats, want)
	}
}

// Tensors that are no part of a scanned message are refused by their name.
func TestTensorOnItsOwn(t *testing.T) {
	x := Tensor{Name: "x", Datatype: FP32, Shape: []int64{2}, raw: rawContents{near: make([]byte, 4), size: 4}, HasRaw: true}
	_, err := x.Floats(nil)
	wantField(t, err, `tensor "x".raw`)
	_, err = floatRow(&x, 0, 2)
	wantField(t, err, `tensor "x".raw`)
	x.Shape = []int64{1}
	if _, err := floatRow(&x, 0, 2); err == nil {
		t.Error("2 rows in a shape of 1")
	}
	x.Shape, x.raw, x.Contents = []int64{-1}, rawContents{}, []byte{0x0e}
	_, err = x.Floats(nil)
	wantField(t, err, `tensor "x".shape`)
	x.Shape, x.HasRaw = []int64{0}, false
	_, err = x.Floats(nil)
	wantField(t, err, `tensor "x".contents`)
	x.Datatype = 0
	_, err = x.Floats(nil)
	if err == nil {
		t.Error("numbers of no datatype")
	}
}
