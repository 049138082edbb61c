package digits

import "strings"

// shades from paper to ink.
const shades = " .:-=+*#%@"

// Draw is an image for a terminal: eight lines of sixteen characters (a character is about twice as high as wide), each
// ended by a newline. Pixels outside 0 to 16 are drawn as the nearest of them, and missing ones as paper.
func Draw(pixels []float64) string {
	var b strings.Builder
	for y := range Height {
		for x := range Width {
			var ink float64
			if i := y*Width + x; i < len(pixels) {
				ink = pixels[i] / MaxPixel
			}
			if !(ink > 0) { // NaN, too
				ink = 0
			}
			shade := shades[int(min(ink, 1)*float64(len(shades)-1)+0.5)]
			b.WriteByte(shade)
			b.WriteByte(shade)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
