package wire

import (
	"bytes"
	"slices"
	"testing"
)

func TestTranscode(t *testing.T) {
	rng := newRand(40)
	for range 20 {
		data, samples := sampleResponse(t, rng, rng.IntN(4), false)
		typed := scanResponse(t, data)
		rawData, err := typed.Transcode(true)
		if err != nil {
			t.Fatal(err)
		}
		raw := compareResponse(t, rawData.Bytes())
		if err := raw.Validate(); err != nil || !raw.RawForm {
			t.Fatalf("raw form %v, %v", raw.RawForm, err)
		}
		for name, s := range samples {
			if got := raw.Output(name).Raw(); !bytes.Equal(got, s.raw) {
				t.Fatalf("%s: %x, want %x", name, got, s.raw)
			}
		}
		back, err := raw.Transcode(false)
		if err != nil {
			t.Fatal(err)
		}
		diff(t, unmarshalResponse(t, back.Bytes()), unmarshalResponse(t, data))
	}
}

func TestTranscodeKeepsWhatHasTheForm(t *testing.T) {
	for _, raw := range []bool{true, false} {
		data, _ := sampleResponse(t, newRand(41), 2, raw)
		if got, err := scanResponse(t, data).Transcode(raw); err != nil || &got.Bytes()[0] != &data[0] {
			t.Errorf("raw=%v: changed, %v", raw, err)
		}
	}
	data, _ := sampleResponse(t, newRand(41), 2, true)
	r := scanResponse(t, data)
	half := slices.IndexFunc(r.Outputs, func(x Tensor) bool { return x.Datatype == FP16 })
	_, err := r.Transcode(false)
	wantField(t, err, r.Outputs[half].at("contents"))
}
