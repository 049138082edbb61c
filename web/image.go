package web

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/gif"  // decoders of what a card may declare
	_ "image/jpeg" // and no others: SVG is a program
	"image/png"
	"math"
	"net/http"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Bounds on a picture that is decoded: what a header claims is looked at before anything is allocated for it.
const (
	maxSide        = 8192
	maxPixels      = 24 << 20
	maxImageBytes  = 16 << 20
	maxPictures    = 20
	decodersAtOnce = 2 // a picture of the largest size takes 100 MB
)

// picture is an element of a tensor that is shown as one.
type picture struct {
	// Href of the PNG; empty: there is none, and Problem says why.
	Href          string
	Grey          bool
	Width, Height int
	Problem       string
	// File is the address of the bytes as they are; empty: there are none.
	File string
	// N is its number, from 1.
	N int
}

func picturesOf(t *candorv1.PayloadTensor, imageHref, file string) ([]picture, string) {
	var out []picture
	for i, data := range first(t.GetTexts(), maxPictures) {
		p := picture{N: i + 1, File: fmt.Sprintf("%s/%d", file, i)}
		c, err := configOf(data)
		if err != nil {
			p.Problem = "It is declared as a picture, and can't be shown as one: " + err.Error() + "."
		} else {
			p.Href, p.Width, p.Height = fmt.Sprintf("%s/%d", imageHref, i), c.Width, c.Height
		}
		out = append(out, p)
	}
	return out, leftOut(len(t.GetTexts()), maxPictures, "picture")
}

// configOf reads an encoded picture's header and holds it against the bounds.
func configOf(data []byte) (image.Config, error) {
	if len(data) > maxImageBytes {
		return image.Config{}, fmt.Errorf("it has %d MiB, more than %d", len(data)>>20, maxImageBytes>>20)
	}
	c, _, err := image.DecodeConfig(bytes.NewReader(data))
	switch {
	case errors.Is(err, image.ErrFormat):
		return c, errors.New("it is neither PNG nor JPEG nor GIF")
	case err != nil:
		return c, errors.New("its header is broken")
	case c.Width < 1 || c.Height < 1:
		return c, errors.New("it has no pixels")
	case c.Width > maxSide || c.Height > maxSide || c.Width*c.Height > maxPixels:
		return c, fmt.Errorf("it would have %d×%d pixels, more than are decoded here", c.Width, c.Height)
	}
	return c, nil
}

// greySize is the size of an image of shape [height, width], where a channel of 1 may stand before or behind; not ok: the tensor
// has another shape, another number of values, or too many.
func greySize(t *candorv1.PayloadTensor) (height, width int, ok bool) {
	shape := t.GetShape()
	if len(shape) == 3 {
		switch {
		case shape[2] == 1:
			shape = shape[:2]
		case shape[0] == 1:
			shape = shape[1:]
		}
	}
	n := int64(len(t.GetValues()))
	// The bounds keep the product from overflowing.
	if len(shape) != 2 || shape[0] < 1 || shape[0] > maxSide || shape[1] < 1 || shape[1] > maxSide || shape[0]*shape[1] != n || n > maxPixels {
		return 0, 0, false
	}
	return int(shape[0]), int(shape[1]), true
}

// greyImage draws numbers. Black is 0, or the least where that is lower; white is the largest value that a pixel can have, or the
// largest that is there where the card doesn't tell. What is no number is black.
func greyImage(t *candorv1.PayloadTensor) (image.Image, bool) {
	height, width, ok := greySize(t)
	if !ok {
		return nil, false
	}
	low, high := 0.0, max(0, t.GetImageMax())
	for _, v := range t.GetValues() {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			low = min(low, v)
			if t.GetImageMax() <= 0 {
				high = max(high, v)
			}
		}
	}
	img := image.NewGray(image.Rect(0, 0, width, height))
	for i, v := range t.GetValues() {
		if v > low && high > low { // NaN isn't
			img.Pix[i] = uint8(math.Round(min(1, (v-low)/(high-low)) * math.MaxUint8))
		}
	}
	return img, true
}

// imageOf answers a picture of the item as a PNG that was made here: no byte of the payload is passed on.
func (s *Server) imageOf(w http.ResponseWriter, r *http.Request, v *visit) error {
	t, n, err := s.element(r, v)
	if err != nil {
		return err
	}
	var img image.Image
	switch {
	case t.GetView() == candorv1.PayloadView_PAYLOAD_VIEW_GRAY_IMAGE && n == 0:
		var ok bool
		if img, ok = greyImage(t); !ok {
			return errNoPage
		}
	case t.GetView() == candorv1.PayloadView_PAYLOAD_VIEW_IMAGE && n < len(t.GetTexts()):
		data := t.GetTexts()[n]
		if _, err := configOf(data); err != nil {
			return &fault{Status: http.StatusUnsupportedMediaType, Title: "This can't be shown as a picture", Detail: err.Error()}
		}
		select {
		case s.decoding <- struct{}{}:
			defer func() { <-s.decoding }()
		case <-r.Context().Done():
			return r.Context().Err()
		}
		if img, _, err = image.Decode(bytes.NewReader(data)); err != nil {
			return &fault{Status: http.StatusUnsupportedMediaType, Title: "This can't be shown as a picture", Detail: "Its contents are broken."}
		}
	default:
		return errNoPage
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, img); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "image/png")
	_, _ = w.Write(b.Bytes()) // the reader has gone
	return nil
}

// fileOf answers an element's bytes as they are, to be stored and not to be opened.
func (s *Server) fileOf(w http.ResponseWriter, r *http.Request, v *visit) error {
	t, n, err := s.element(r, v)
	if err != nil {
		return err
	}
	if n >= len(t.GetTexts()) {
		return errNoPage
	}
	h := w.Header()
	h.Set("Content-Security-Policy", sandboxPolicy)
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", fmt.Sprintf(`attachment; filename="item-%s-%s-%d.bin"`, shortID("x/"+r.PathValue("id")), r.PathValue("tensor"), n))
	_, _ = w.Write(t.GetTexts()[n]) // the reader has gone
	return nil
}
