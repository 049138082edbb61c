package draw

import (
	"bytes"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func encoded(view candorv1.PayloadView, texts ...[]byte) *candorv1.ReviewPayload {
	return payload(&candorv1.PayloadTensor{Name: "x", Datatype: "BYTES", Shape: []int64{int64(len(texts))}, Texts: texts, View: view})
}

// half is black on its left, and white on its right.
func half(width, height int) image.Image {
	img := image.NewGray(image.Rect(0, 0, width, height))
	for y := range height {
		for x := width / 2; x < width; x++ {
			img.SetGray(x, y, color.Gray{Y: 255})
		}
	}
	return img
}

func TestPictures(t *testing.T) {
	for name, encode := range map[string]func(*bytes.Buffer, image.Image) error{
		"PNG":  func(b *bytes.Buffer, i image.Image) error { return png.Encode(b, i) },
		"JPEG": func(b *bytes.Buffer, i image.Image) error { return jpeg.Encode(b, i, &jpeg.Options{Quality: 100}) },
		"GIF":  func(b *bytes.Buffer, i image.Image) error { return gif.Encode(b, i, nil) },
	} {
		for _, size := range []int{8, 400} {
			var b bytes.Buffer
			if err := encode(&b, half(size, size/4)); err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(drawn(t, false, encoded(candorv1.PayloadView_PAYLOAD_VIEW_IMAGE, b.Bytes())), "\n")
			wide := min(size, maxPixels) * 2
			if !strings.HasPrefix(lines[1], "  "+name+", ") || !strings.Contains(lines[1], "pixels") {
				t.Errorf("%s is described as %q", name, lines[1])
			}
			if want := "  " + strings.Repeat(" ", wide/2) + strings.Repeat("@", wide/2); lines[2] != want {
				t.Errorf("%s of %d: drawn as\n%q, want\n%q", name, size, lines[2], want)
			}
			if rows := len(lines) - 3; rows > maxPixels {
				t.Errorf("%s of %d takes %d lines", name, size, rows)
			}
		}
	}
}

// What claims to be a picture is not trusted with memory.
func TestPicturesThatAreNone(t *testing.T) {
	var b bytes.Buffer
	if err := png.Encode(&b, half(8, 8)); err != nil {
		t.Fatal(err)
	}
	bomb := bytes.Clone(b.Bytes())
	const size = 16 // Where a PNG says its width and height.
	copy(bomb[size:], []byte{0, 0, 0x7f, 0xff, 0, 0, 0x7f, 0xff})
	sum := crc32.ChecksumIEEE(bomb[12:29])
	copy(bomb[29:], []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"too large":     {bomb, "too large to be drawn"},
		"cut":           {b.Bytes()[:40], "it can't be decoded: "},
		"an SVG":        {[]byte(`<svg onload="x()">`), "18 bytes that begin as no PNG, JPEG or GIF does"},
		"nothing":       {[]byte{}, "0 bytes that"},
		"an escape":     {[]byte("\x1b[2J"), "4 bytes that"},
		"not an image!": {[]byte("GIF89a\xff\xff\xff\xff"), "  "},
	} {
		got := drawn(t, true, encoded(candorv1.PayloadView_PAYLOAD_VIEW_IMAGE, tt.data))
		if !strings.Contains(got, tt.want) || strings.Contains(got, "\x1b[2J") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// A picture of one column is as long as any other.
func TestTallPictures(t *testing.T) {
	var b bytes.Buffer
	if err := png.Encode(&b, half(1, 50_000)); err != nil {
		t.Fatal(err)
	}
	for _, colour := range []bool{false, true} {
		got := drawn(t, colour, encoded(candorv1.PayloadView_PAYLOAD_VIEW_IMAGE, b.Bytes()))
		if lines := strings.Count(got, "\n"); lines > maxTall+2 {
			t.Errorf("it takes %d lines", lines)
		}
	}
}

func TestDocuments(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"members in their order", `{"b":1.50,"a":{"list":["x",true,null,[]],"none":{}},"":2}`, `
  | "b": 1.50
  | "a":
  |   "list":
  |     [0]: "x"
  |     [1]: true
  |     [2]: null
  |     [3]:
  |       (empty)
  |   "none":
  |     (empty)
  | "": 2
`},
		{"a scalar", `"\u202eevil\u001b[2J"`, `
  | "\u202eevil\x1b[2J"
`},
		{"quotes", `{"a\"b":"c\\n\"d"}`, `
  | "a\"b": "c\\n\"d"
`},
		{"numbers are as they came", `[123456789012345678901234567890]`, `
  | [0]: 123456789012345678901234567890
`},
		{"no JSON", `{"a":`, `
  no JSON, and shown as text: unexpected EOF
  | {"a":
`},
		{"a stray end", `]`, `
  no JSON, and shown as text: invalid character ']' looking for beginning of value
  | ]
`},
	} {
		got := drawn(t, false, encoded(candorv1.PayloadView_PAYLOAD_VIEW_JSON, []byte(tt.in)))
		if diff := cmp.Diff("x  BYTES [1]"+tt.want, got); diff != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, diff)
		}
	}
	deep := []byte(strings.Repeat("[", 1<<20))
	if got := drawn(t, false, encoded(candorv1.PayloadView_PAYLOAD_VIEW_JSON, deep)); strings.Count(got, "\n") > maxTextLines+3 || len(got) > 1<<14 {
		t.Errorf("a deep document takes %d bytes", len(got))
	}
}

// Nothing that is shown of a payload reaches the terminal as it came.
func FuzzEncoded(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":null}],"c":""}`))
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00"))
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, view := range []candorv1.PayloadView{candorv1.PayloadView_PAYLOAD_VIEW_IMAGE, candorv1.PayloadView_PAYLOAD_VIEW_JSON, candorv1.PayloadView_PAYLOAD_VIEW_TEXT} {
			got := drawn(t, false, encoded(view, data))
			if strings.ContainsAny(got, "\x1b\u202e\u2066\x07\x00") {
				t.Errorf("%v of %q: %q", view, data, got)
			}
			if strings.Count(got, "\n") > maxTextLines+maxTall {
				t.Errorf("%v of %d bytes takes %d lines", view, len(data), strings.Count(got, "\n"))
			}
		}
	})
}
