package wire

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

func addOddMessages(f *testing.F, sample func(raw bool) []byte) {
	for _, data := range oddMessages() {
		if len(data) < 1000 {
			f.Add(data)
		}
	}
	f.Add(sample(true))
	f.Add(sample(false))
}

func FuzzScanRequest(f *testing.F) {
	addOddMessages(f, func(raw bool) []byte {
		data, _ := sampleRequest(f, newRand(50), 2, raw)
		return data
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := compareRequest(t, data)
		if r == nil {
			return
		}
		if err := r.Validate(); err == nil {
			readAll(t, r.Inputs)
		}
		fwd := Forward{Model: "m", Version: "v", StripOutputs: isOurs, StripParams: isOurs, AddOutputs: []string{"scores"}}
		compareRequest(t, r.Forward(fwd).Bytes())
	})
}

func FuzzScanResponse(f *testing.F) {
	addOddMessages(f, func(raw bool) []byte {
		data, _ := sampleResponse(f, newRand(51), 2, raw)
		return data
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := compareResponse(t, data)
		if r == nil {
			return
		}
		if err := r.Validate(); err == nil {
			readAll(t, r.Outputs)
		}
		for _, raw := range []bool{true, false} {
			if other, err := r.Transcode(raw); err == nil {
				compareResponse(t, other.Bytes())
			}
		}
	})
}

// readAll reads tensors that were found valid: only a typed number beyond its datatype may still be refused.
func readAll(t *testing.T, ts []Tensor) {
	for i := range ts {
		x := &ts[i]
		n, err := x.Elements()
		if err != nil {
			t.Fatal(err)
		}
		if x.Datatype == BYTES {
			if texts, err := x.Texts(); err != nil || int64(len(texts)) != n {
				t.Fatalf("%d texts of %d: %v", len(texts), n, err)
			}
			continue
		}
		floats, err := x.Floats(nil)
		if err == nil && int64(len(floats)) != n || err != nil && x.HasRaw {
			t.Fatalf("%d numbers of %d: %v", len(floats), n, err)
		}
	}
}

// FuzzTensor decodes anything as any datatype of any shape, with rows of any number.
func FuzzTensor(f *testing.F) {
	for _, tt := range exact {
		f.Add(tt.raw, uint8(tt.datatype), true, binary.LittleEndian.AppendUint64(nil, 2), 1, 2)
	}
	f.Add([]byte("\x10\x01\x12\x03\x01\x80\x01"), uint8(INT32), false, []byte{}, 0, 1)
	f.Add([]byte("\x42\x01a\x42\x00"), uint8(BYTES), false, binary.LittleEndian.AppendUint64(nil, 2), 1, 2)
	f.Fuzz(func(t *testing.T, data []byte, datatype uint8, raw bool, dims []byte, row, rows int) {
		x := Tensor{Datatype: Datatype(datatype)}
		for ; len(dims) >= 8; dims = dims[8:] {
			x.Shape = append(x.Shape, int64(binary.LittleEndian.Uint64(dims)))
		}
		if raw {
			x.raw, x.HasRaw = rawContents{near: data, size: len(data)}, true
		} else if err := x.addContents(data); err != nil {
			return
		}
		floats, err := x.Floats(nil)
		if err == nil && len(floats) > len(data) || err != nil && floats != nil {
			t.Fatalf("%d numbers in %d bytes, %v", len(floats), len(data), err)
		}
		part, rowErr := floatRow(&x, row, rows)
		switch {
		case rowErr == nil && (len(part)*rows != len(floats) && err == nil || len(part) > len(data)):
			t.Fatalf("a row of %d, of %d rows, in %d numbers", len(part), rows, len(floats))
		case rowErr == nil && err == nil && !slices.EqualFunc(part, floats[row*len(part):][:len(part)], sameFloat):
			t.Fatalf("row %d is %v in %v", row, part, floats)
		}
		texts, err := x.Texts()
		if len(texts) > len(data) {
			t.Fatalf("%d texts in %d bytes", len(texts), len(data))
		}
		part2, rowErr := textRow(&x, row, rows)
		if rowErr == nil && (err != nil || !slices.EqualFunc(part2, texts[row*len(part2):][:len(part2)], bytes.Equal)) {
			t.Fatalf("row %d is %q in %q, %v", row, part2, texts, err)
		}
	})
}

func sameFloat(a, b float64) bool { return a == b || a != a && b != b }

func FuzzSelectRows(f *testing.F) {
	for _, raw := range []bool{true, false} {
		data, _ := sampleRequest(f, newRand(52), 3, raw)
		f.Add(data, []byte{2, 0}, 3)
	}
	f.Fuzz(func(t *testing.T, data []byte, picks []byte, total int) {
		r, err := ScanRequest(chopped(data))
		if err != nil || len(picks) > 64 {
			return
		}
		rows := make([]int, len(picks))
		for i, p := range picks {
			rows[i] = int(p)
		}
		sub, err := r.SelectRows(rows, total, isShared, Forward{Model: "m", StripOutputs: isOurs})
		if err != nil {
			return
		}
		got := compareRequest(t, sub.Bytes())
		if r.Validate() == nil {
			if err := got.Validate(); err != nil {
				t.Fatalf("a valid request became invalid: %v", err)
			}
		}
		for i := range got.Inputs {
			if x := &got.Inputs[i]; !isShared(x.Name) && x.Shape[0] != int64(len(rows)) {
				t.Fatalf("%s has the shape %v for %d rows", x.Name, x.Shape, len(rows))
			}
		}
	})
}

func FuzzRewrite(f *testing.F) {
	for _, raw := range []bool{true, false} {
		data, _ := sampleResponse(f, newRand(53), 2, raw)
		f.Add(data, "out_FP32", "out_INT8", 1, 2, 0.5)
		f.Add(data, "", "out_BYTES", 0, 2, 0.5)
	}
	f.Fuzz(func(t *testing.T, data []byte, strip, splice string, row, rows int, value float64) {
		r, err := ScanResponse(chopped(data))
		if err != nil {
			return
		}
		s := Splice{Output: splice, Row: row, Rows: rows}
		if x := r.Output(splice); x != nil && rows > 0 {
			if n, err := x.Elements(); err == nil && n/int64(rows) < 1000 {
				for range n / int64(rows) {
					if x.Datatype == BYTES {
						s.Texts = append(s.Texts, []byte(splice))
					} else {
						s.Floats = append(s.Floats, value)
					}
				}
			}
		}
		rewritten, err := r.Rewrite(Rewrite{
			StripOutputs:  func(name string) bool { return name == strip },
			StripParams:   isOurs,
			Splices:       []Splice{s},
			AppendParams:  appends(StringParam("candor_route", "accept")),
			AppendOutputs: []TensorData{{Name: "candor_confidence", Datatype: FP32, Shape: []int64{1}, Floats: []float64{1}}},
		})
		if err != nil {
			return
		}
		got := compareResponse(t, rewritten.Bytes())
		if p, ok := got.Param("candor_route"); !ok || p.Str != "accept" {
			t.Fatalf("the appended parameter is %v, %v", p, ok)
		}
		if r.Validate() == nil && strip != "candor_confidence" && r.Output("candor_confidence") == nil {
			if err := got.Validate(); err != nil {
				t.Fatalf("a valid response became invalid: %v", err)
			}
		}
	})
}
