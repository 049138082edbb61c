package wire

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/candor-gateway/candor/gen/inference"
)

func isShared(input string) bool { return input == "config" }

// Any rows of any batch: what is selected has those rows' elements, bit by bit, in the same form, and everything else
// as it was.
func TestSelectRows(t *testing.T) {
	rng := newRand(20)
	for range 40 {
		total, raw := rng.IntN(6), rng.IntN(2) == 0
		data, samples := sampleRequest(t, rng, total, raw)
		rows := someRows(rng, total)
		r := scanRequest(t, data)
		sub, err := r.SelectRows(rows, total, isShared, Forward{Model: "m2", Version: "1", StripOutputs: isOurs})
		if err != nil {
			t.Fatal(err)
		}
		got := compareRequest(t, sub.Bytes())
		if err := got.Validate(); err != nil {
			t.Fatalf("rows %v of %d: %v", rows, total, err)
		}
		if got.RawForm != raw {
			t.Fatalf("raw form %v, want %v", got.RawForm, raw)
		}
		for i := range got.Inputs {
			x := &got.Inputs[i]
			want := samples[x.Name].elements
			if !isShared(x.Name) {
				if x.Shape[0] != int64(len(rows)) {
					t.Fatalf("%s: shape %v for %d rows", x.Name, x.Shape, len(rows))
				}
				want = pickElements(want, rows, total)
			}
			if have := elementBytes(t, x); !slices.EqualFunc(have, want, bytes.Equal) {
				t.Fatalf("%s, rows %v of %d: %x, want %x", x.Name, rows, total, have, want)
			}
		}
		diff(t, withoutElements(t, sub.Bytes()), withoutElements(t, r.Forward(Forward{Model: "m2", Version: "1", StripOutputs: isOurs}).Bytes()))
	}
}

// Splitting a batch into parts and laying the parts together again gives the batch.
func TestSelectRowsRoundTrip(t *testing.T) {
	rng := newRand(21)
	for range 20 {
		total, raw := 1+rng.IntN(8), rng.IntN(2) == 0
		data, _ := sampleRequest(t, rng, total, raw)
		r := scanRequest(t, data)
		order := rng.Perm(total)
		cut := rng.IntN(total + 1)
		var parts []*Request
		for _, rows := range [][]int{order[:cut], order[cut:]} {
			sub, err := r.SelectRows(rows, total, isShared, Forward{})
			if err != nil {
				t.Fatal(err)
			}
			parts = append(parts, scanRequest(t, sub.Bytes()))
		}
		for i := range r.Inputs {
			x := &r.Inputs[i]
			if isShared(x.Name) {
				continue
			}
			laid := append(elementBytes(t, &parts[0].Inputs[i]), elementBytes(t, &parts[1].Inputs[i])...)
			if want := pickElements(elementBytes(t, x), order, total); !slices.EqualFunc(laid, want, bytes.Equal) {
				t.Fatalf("%s: %x, want %x", x.Name, laid, want)
			}
		}
	}
}

func TestSelectAllRowsChangesNothing(t *testing.T) {
	for _, raw := range []bool{true, false} {
		data, _ := sampleRequest(t, newRand(22), 3, raw)
		got, err := scanRequest(t, data).SelectRows([]int{0, 1, 2}, 3, isShared, Forward{})
		if err != nil {
			t.Fatal(err)
		}
		diff(t, unmarshalRequest(t, got.Bytes()), unmarshalRequest(t, data))
		if raw && !bytes.Equal(got.Bytes(), data) {
			t.Error("raw form: bytes differ")
		}
	}
}

// Dimensions and contents that come in several pieces, unpacked, around unknown fields.
func TestSelectRowsOfPieces(t *testing.T) {
	in := slices.Concat(
		appendBytes(nil, 5, "\x10\x01\x10\x02"), // int_contents 1, 2
		[]byte("\x18\x02"),                      // shape: 2
		appendBytes(nil, 1, "x"), unknown(),     // name
		appendBytes(nil, 3, "\x01\x02"),                 // shape: 1, 2
		appendBytes(nil, 5, "\x12\x02\x03\x04\x48\x01"), // int_contents 3, 4 packed; an unknown field
		appendBytes(nil, 2, "INT8"),
	)
	r := scanRequest(t, appendBytes(nil, requestInputs, in))
	got, err := r.SelectRows([]int{1}, 2, nil, Forward{})
	if err != nil {
		t.Fatal(err)
	}
	want := unmarshalRequest(t, r.Frame().Bytes())
	want.Inputs[0].Shape = []int64{1, 1, 2}
	want.Inputs[0].Contents.IntContents = []int32{3, 4}
	diff(t, unmarshalRequest(t, got.Bytes()), want)
}

func TestSelectRowsRefuses(t *testing.T) {
	build := func(raw bool, ins ...TensorData) *Request {
		data, err := BuildRequest("m", "", "", nil, ins, nil, raw)
		if err != nil {
			t.Fatal(err)
		}
		return scanRequest(t, data)
	}
	two := TensorData{Name: "x", Datatype: FP32, Shape: []int64{2}, Floats: []float64{1, 2}}
	scalar := TensorData{Name: "s", Datatype: FP32, Floats: []float64{1}}
	for _, raw := range []bool{true, false} {
		r := build(raw, two, scalar)
		if _, err := r.SelectRows([]int{2}, 2, nil, Forward{}); err == nil {
			t.Error("row 2 of 2 is selected")
		}
		if _, err := r.SelectRows([]int{-1}, 2, nil, Forward{}); err == nil {
			t.Error("row -1 is selected")
		}
		_, err := r.SelectRows([]int{0}, 3, nil, Forward{})
		wantField(t, err, "inputs[0].shape")
		_, err = r.SelectRows([]int{0}, 2, nil, Forward{})
		wantField(t, err, "inputs[1].shape")
		if _, err := r.SelectRows([]int{0}, 2, func(n string) bool { return n == "s" }, Forward{}); err != nil {
			t.Error(err)
		}
	}
	odd := scanRequest(t, marshal(t, &protoRequest{
		Inputs:           []*protoInput{{Name: "x", Datatype: "FP32", Shape: []int64{1}}},
		RawInputContents: [][]byte{make([]byte, 4), {}},
	}))
	_, err := odd.SelectRows([]int{0}, 1, nil, Forward{})
	wantField(t, err, "raw_input_contents")
}

// someRows returns some of the rows in any order, some of them more than once.
func someRows(rng *rand.Rand, total int) []int {
	rows := []int{}
	for total > 0 && rng.IntN(5) > 0 {
		rows = append(rows, rng.IntN(total))
	}
	return rows
}

func pickElements(elements [][]byte, rows []int, total int) [][]byte {
	var out [][]byte
	for _, row := range rows {
		perRow := len(elements) / total
		out = append(out, elements[row*perRow:(row+1)*perRow]...)
	}
	return out
}

// withoutElements returns the request without what SelectRows changes.
func withoutElements(t *testing.T, data []byte) *inference.ModelInferRequest {
	m := proto.CloneOf(unmarshalRequest(t, data))
	m.RawInputContents = nil
	for _, in := range m.Inputs {
		in.Contents = nil
		if !isShared(in.Name) {
			in.Shape[0] = 0
		}
	}
	return m
}
