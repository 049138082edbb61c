package wire

import (
	"fmt"
	"testing"
)

// benchTensors are one row of four scores, and an image of 3x224x224 (602 kB as FP32).
func benchTensors() map[string]TensorData {
	image := TensorData{Name: "image", Datatype: FP32, Shape: []int64{1, 3, 224, 224}, Floats: make([]float64, 3*224*224)}
	for i := range image.Floats {
		image.Floats[i] = float64(i) / 255
	}
	return map[string]TensorData{
		"small": {Name: "scores", Datatype: FP32, Shape: []int64{1, 4}, Floats: []float64{0.1, 0.2, 0.3, 0.4}},
		"image": image,
	}
}

func bench(b *testing.B, build func(TensorData, bool) ([]byte, error), run func(*Frame) error) {
	for name, tensor := range benchTensors() {
		for _, raw := range []bool{true, false} {
			data, err := build(tensor, raw)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(fmt.Sprintf("%s/raw=%v", name, raw), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					if err := run(NewFrame(data)); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func buildBenchRequest(x TensorData, raw bool) ([]byte, error) {
	return BuildRequest("digits", "3", "request-1", []Param{Int64Param("n", 1)}, []TensorData{x}, []string{"scores"}, raw)
}

func buildBenchResponse(x TensorData, raw bool) ([]byte, error) {
	return BuildResponse("digits", "3", "request-1", []Param{Int64Param("n", 1)}, []TensorData{x}, raw)
}

func BenchmarkScanRequest(b *testing.B) {
	bench(b, buildBenchRequest, func(data *Frame) error {
		r, err := ScanRequest(data)
		if err != nil {
			return err
		}
		defer r.Free()
		return r.Validate()
	})
}

func BenchmarkScanResponse(b *testing.B) {
	bench(b, buildBenchResponse, func(data *Frame) error {
		r, err := ScanResponse(data)
		if err != nil {
			return err
		}
		defer r.Free()
		return r.Validate()
	})
}

func BenchmarkRewrite(b *testing.B) {
	bench(b, buildBenchResponse, func(data *Frame) error {
		r, err := ScanResponse(data)
		if err != nil {
			return err
		}
		defer r.Free()
		_, err = r.Rewrite(Rewrite{StripParams: isOurs, AppendParams: appends(StringParam("candor_route", "accept"))})
		return err
	})
}

func BenchmarkFloats(b *testing.B) {
	bench(b, buildBenchResponse, func(data *Frame) error {
		r, err := ScanResponse(data)
		if err != nil {
			return err
		}
		defer r.Free()
		_, err = r.Outputs[0].Floats(nil)
		return err
	})
}

// What a scan allocates doesn't grow with the tensors, and is next to nothing.
func TestScanAllocatesLittle(t *testing.T) {
	// The frame, the bytes in it as a buffer, and now and then a view that the garbage collector took out of the pool.
	const limit = 4
	for name, tensor := range benchTensors() {
		for _, raw := range []bool{true, false} {
			data, err := buildBenchRequest(tensor, raw)
			if err != nil {
				t.Fatal(err)
			}
			if n := testing.AllocsPerRun(20, func() {
				r, err := ScanRequest(NewFrame(data))
				if err != nil {
					t.Fatal(err)
				}
				if err := r.Validate(); err != nil {
					t.Fatal(err)
				}
				r.Free()
			}); n > limit {
				t.Errorf("%s raw=%v: %v allocations, want at most %d", name, raw, n, limit)
			}
		}
	}
}
