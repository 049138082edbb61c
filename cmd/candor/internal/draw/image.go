package draw

import (
	"fmt"
	"math"
	"strings"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// shades from dark to bright, for terminals of which nothing is known.
const shades = " .:-=+*#%@"

// A larger image is shown smaller, so that it fits into a terminal: 80 columns at two a pixel, or at one with half blocks.
const (
	maxPixels     = 40
	maxHalfBlocks = 80
)

// The 24 greys of a 256-colour terminal.
const (
	firstGrey = 232
	greys     = 24
)

// drawable says whether the tensor is an image: see sizeOf.
func drawable(t *candorv1.PayloadTensor) bool {
	_, _, ok := sizeOf(t)
	return ok
}

// sizeOf answers the size of an image of shape [height, width], where a channel of 1 may stand before or behind; not ok: the
// tensor has another shape, or another number of values.
func sizeOf(t *candorv1.PayloadTensor) (height, width int, ok bool) {
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
	if len(shape) != 2 || shape[0] < 1 || shape[0] > n || shape[1] < 1 || shape[1] > n || shape[0]*shape[1] != n {
		return 0, 0, false
	}
	return int(shape[0]), int(shape[1]), true
}

// mostWide is how many pixels fit into a line.
func mostWide(colour bool) int {
	if colour {
		return maxHalfBlocks
	}
	return maxPixels
}

// gray draws a grey image. The brightest is the largest value that a pixel can have, or, where the card doesn't tell, the
// largest that is there.
func gray(b *strings.Builder, t *candorv1.PayloadTensor, colour bool) {
	height, width, _ := sizeOf(t)
	shaded(b, shrink(grid{t.GetValues(), height, width}, mostWide(colour)), t.GetImageMax(), colour)
}

// shaded draws an image that is small enough. brightest is the largest value that a pixel can have; 0: the largest that is there.
func shaded(b *strings.Builder, g grid, brightest float64, colour bool) {
	low, high := 0.0, max(0, brightest)
	for _, v := range g.values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			low, high = min(low, v), max(high, v)
		}
	}
	level := func(v float64, steps int) int {
		switch {
		case math.IsInf(v, 1):
			return steps - 1
		case !(v > low): // NaN, too
			return 0
		}
		return int(min(1, (v-low)/(high-low))*float64(steps-1) + 0.5)
	}
	if colour {
		halfBlocks(b, enlarge(g), level)
		return
	}
	for y := range g.height {
		line := []byte("  ")
		for x := range g.width {
			// A character is about twice as high as wide.
			shade := shades[level(g.at(y, x), len(shades))]
			line = append(line, shade, shade)
		}
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
}

// halfBlocks puts two pixels into a character: the upper one's shade in front, the lower one's behind.
func halfBlocks(b *strings.Builder, g grid, level func(float64, int) int) {
	for y := 0; y < g.height; y += 2 {
		b.WriteString("  ")
		for x := range g.width {
			lower := 0
			if y+1 < g.height {
				lower = level(g.at(y+1, x), greys)
			}
			fmt.Fprintf(b, "\x1b[38;5;%d;48;5;%dm▀", firstGrey+level(g.at(y, x), greys), firstGrey+lower)
		}
		b.WriteString("\x1b[0m\n")
	}
}

// grid is an image, row by row.
type grid struct {
	values        []float64
	height, width int
}

func (g grid) at(y, x int) float64 { return g.values[y*g.width+x] }

// A smaller image is shown larger, each pixel as a square of at most maxSquare.
const (
	easyWidth = 24
	maxSquare = 4
)

// enlarge repeats the pixels of an image that is too small to be seen.
func enlarge(g grid) grid {
	times := min(maxSquare, easyWidth/g.width, maxTall/g.height)
	if times <= 1 {
		return g
	}
	out := grid{height: g.height * times, width: g.width * times}
	for y := range out.height {
		for x := range out.width {
			out.values = append(out.values, g.at(y/times, x/times))
		}
	}
	return out
}

// maxTall is how many pixels an image may be high, so that it doesn't bury the rest.
const maxTall = 120

// stepOf is the side of the squares that an image is cut into, for it to be small enough.
func stepOf(height, width, most int) int {
	return max((width+most-1)/most, (height+maxTall-1)/maxTall)
}

// shrink makes an image at most that wide, each pixel the mean of a square of the original.
func shrink(g grid, most int) grid {
	step := stepOf(g.height, g.width, most)
	if step <= 1 {
		return g
	}
	out := grid{height: (g.height + step - 1) / step, width: (g.width + step - 1) / step}
	for y := range out.height {
		for x := range out.width {
			var sum float64
			var n int
			for dy := range min(step, g.height-y*step) {
				for dx := range min(step, g.width-x*step) {
					sum += g.at(y*step+dy, x*step+dx)
					n++
				}
			}
			out.values = append(out.values, sum/float64(n))
		}
	}
	return out
}
