package draw

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func drawn(t *testing.T, colour bool, p *candorv1.ReviewPayload) string {
	t.Helper()
	var b strings.Builder
	if err := Payload(&b, p, colour); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func payload(tensors ...*candorv1.PayloadTensor) *candorv1.ReviewPayload {
	return &candorv1.ReviewPayload{Tensors: tensors}
}

func grayImage(shape []int64, values ...float64) *candorv1.PayloadTensor {
	return &candorv1.PayloadTensor{Name: "image", Datatype: "FP32", Shape: shape, Values: values, View: candorv1.PayloadView_PAYLOAD_VIEW_GRAY_IMAGE}
}

func TestDrawn(t *testing.T) {
	for _, tt := range []struct {
		name   string
		in     *candorv1.ReviewPayload
		colour bool
		want   string
	}{
		{name: "an image, two columns a pixel", in: payload(grayImage([]int64{2, 3}, 0, 8, 16, 16, 8, 0)),
			want: "image  FP32 [2 3]\n    ++@@\n  @@++\n"},
		{name: "an image in shades of grey", colour: true, in: payload(grayImage([]int64{2, 1}, 0, 16)),
			want: "image  FP32 [2 1]\n" + strings.Repeat("  "+strings.Repeat("\x1b[38;5;232;48;5;232m▀", 4)+"\x1b[0m\n", 2) +
				strings.Repeat("  "+strings.Repeat("\x1b[38;5;255;48;5;255m▀", 4)+"\x1b[0m\n", 2)},
		{name: "an image with a channel", in: payload(grayImage([]int64{1, 2, 1}, 0, 1)),
			want: "image  FP32 [1 2 1]\n    @@\n"},
		{name: "an image without contrast, and what can't be", in: payload(grayImage([]int64{1, 3}, math.NaN(), math.Inf(1), 0)),
			want: "image  FP32 [1 3]\n    @@\n"},
		{name: "an image whose shape is wrong is a table", in: payload(grayImage([]int64{7, 7}, 1, 2)),
			want: "image  FP32 [7 7]\n  [0]  1\n  [1]  2\n"},
		{name: "a table", in: payload(&candorv1.PayloadTensor{
			Name: "features", Datatype: "FP64", Shape: []int64{3}, Values: []float64{1200, 3, 0.5}, View: candorv1.PayloadView_PAYLOAD_VIEW_TABLE,
			Features: []*candorv1.FeatureSpec{
				{Name: "amount", Unit: "EUR", TypicalMin: proto.Float64(1), TypicalMax: proto.Float64(900)},
				{Name: "age", Unit: "d", TypicalMin: proto.Float64(30)},
			},
		}), want: "features  FP64 [3]\n" +
			"  amount  1200 EUR  typically 1 to 900  high\n" +
			"  age     3 d       typically from 30   low\n" +
			"  [2]     0.5\n"},
		{name: "text, and nothing of it reaches the terminal as it came", in: payload(&candorv1.PayloadTensor{
			Name: "mail", Datatype: "BYTES", Shape: []int64{1}, Texts: [][]byte{[]byte("Dear\tyou,\r\nclick \x1b[31mhere\xff")}, View: candorv1.PayloadView_PAYLOAD_VIEW_TEXT,
		}), want: "mail  BYTES [1]\n  | Dear    you,\n  | click \\x1b[31mhere\\xff\n"},
		{name: "what was left out", in: payload(&candorv1.PayloadTensor{Name: "scan", Datatype: "UINT8", Shape: []int64{9000, 9000}}),
			want: "scan  UINT8 [9000 9000]\n  too large to be kept with the item\n"},
		{name: "what retention removed", in: &candorv1.ReviewPayload{Deleted: true, Sha256: "ab"},
			want: "the input has been removed by retention or by request; its SHA-256 was ab\n"},
		{name: "what the card redacts", in: nil, want: "the input is not kept: its model's card redacts it\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, drawn(t, tt.colour, tt.in)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestLargeInputsAreCut(t *testing.T) {
	long := &candorv1.PayloadTensor{Name: "t", Datatype: "BYTES", Texts: [][]byte{[]byte(strings.Repeat("x\n", 10_000))}}
	if lines := strings.Count(drawn(t, false, payload(long)), "\n"); lines != maxTextLines+2 {
		t.Errorf("a long text takes %d lines", lines)
	}
	wide := &candorv1.PayloadTensor{Name: "t", Datatype: "FP32", Values: make([]float64, 10_000)}
	if lines := strings.Count(drawn(t, false, payload(wide)), "\n"); lines != maxValues+2 {
		t.Errorf("a long table takes %d lines", lines)
	}
	big := grayImage([]int64{224, 224}, make([]float64, 224*224)...)
	for y := range 224 {
		big.Values[y*224+y] = 255 // a diagonal
	}
	for _, colour := range []bool{false, true} {
		lines := strings.Split(strings.TrimSuffix(drawn(t, colour, payload(big)), "\n"), "\n")[1:]
		for _, line := range lines {
			if columns := len([]rune(stripped(line))); columns > 2+maxHalfBlocks {
				t.Fatalf("a large image is %d columns wide", columns)
			}
		}
		if !colour && (strings.TrimSpace(lines[0]) == "" || len(lines[0]) >= len(lines[len(lines)-1])) {
			t.Errorf("the diagonal is lost: from %q to %q", lines[0], lines[len(lines)-1])
		}
	}
}

// stripped takes the colours out.
func stripped(s string) string {
	var b strings.Builder
	for i, part := range strings.Split(s, "\x1b[") {
		if i > 0 {
			_, part, _ = strings.Cut(part, "m")
		}
		b.WriteString(part)
	}
	return b.String()
}

func FuzzImage(f *testing.F) {
	f.Add(int64(8), int64(8), 64)
	f.Add(int64(-1), int64(1)<<62, 3)
	f.Add(int64(0), int64(0), 0)
	f.Fuzz(func(t *testing.T, height, width int64, values int) {
		p := payload(grayImage([]int64{height, width}, make([]float64, min(max(values, 0), 1<<12))...))
		drawn(t, false, p)
		drawn(t, true, p)
	})
}
