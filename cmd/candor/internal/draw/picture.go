package draw

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // Only these three are decoded: what a card may declare.
	_ "image/jpeg"
	_ "image/png"
	"strings"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
)

// maxDecoded bounds a picture that is decoded, in pixels: a few bytes can claim to be a picture of any size.
const maxDecoded = 1 << 24

// pictures describes encoded pictures, and draws those that can be decoded, in shades of grey.
func pictures(b *strings.Builder, encoded [][]byte, colour bool) {
	for _, data := range encoded {
		cfg, format, err := image.DecodeConfig(bytes.NewReader(data))
		switch {
		case err != nil:
			fmt.Fprintf(b, "  %s that begin as no PNG, JPEG or GIF does; candor review show --json has them\n", cli.Count(len(data), "byte"))
			continue
		case cfg.Width < 1 || cfg.Height < 1 || cfg.Width > maxDecoded/cfg.Height:
			fmt.Fprintf(b, "  %s, %d by %d pixels: too large to be drawn\n", strings.ToUpper(format), cfg.Width, cfg.Height)
			continue
		}
		fmt.Fprintf(b, "  %s, %d by %d pixels, %s\n", strings.ToUpper(format), cfg.Width, cfg.Height, cli.Count(len(data), "byte"))
		img, _, err := image.Decode(bytes.NewReader(data))
		if err != nil {
			fmt.Fprintf(b, "  it can't be decoded: %s\n", cli.Plain(err.Error()))
			continue
		}
		shaded(b, sampled(img, mostWide(colour)), white, colour)
	}
}

const (
	// white is the largest brightness of color.Gray16.
	white = 0xffff
	// samples of a square, per side, that its mean is made of: enough for a picture of that few squares.
	samples = 4
)

// sampled makes a grey image at most that wide.
func sampled(img image.Image, most int) grid {
	r := img.Bounds()
	step := stepOf(r.Dy(), r.Dx(), most)
	out := grid{height: (r.Dy() + step - 1) / step, width: (r.Dx() + step - 1) / step}
	every := max(1, step/samples)
	for y := range out.height {
		for x := range out.width {
			var sum, n float64
			for dy := 0; dy < min(step, r.Dy()-y*step); dy += every {
				for dx := 0; dx < min(step, r.Dx()-x*step); dx += every {
					at := img.At(r.Min.X+x*step+dx, r.Min.Y+y*step+dy)
					sum += float64(color.Gray16Model.Convert(at).(color.Gray16).Y)
					n++
				}
			}
			out.values = append(out.values, sum/n)
		}
	}
	return out
}
