// Package digits is the real input of Candor's demo: the UCI handwritten digits, and three small models of different
// strength that recognise them.
//
//   - [Load] and [Set.Split] give the images, [Draw] shows one in a terminal.
//   - [LoadModel] gives a trained model; examples/digits/train trained it and can do so again, to the same bits.
//   - examples/digits/modelserver serves models over the Open Inference Protocol; examples/digits/serve is its command.
//
// Data: Alpaydin, E. & Kaynak, C. (1998). Optical Recognition of Handwritten Digits. UCI Machine Learning Repository.
// https://doi.org/10.24432/C50P49. CC BY 4.0; see data/README.md.
package digits

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
)

const (
	// Width and Height of an image.
	Width, Height = 8, 8
	// Pixels of an image.
	Pixels = Width * Height
	// MaxPixel is full ink; 0 is paper.
	MaxPixel = 16
	// Classes are the digits 0 to 9.
	Classes = 10
)

// DataSHA256 is the digest of data/digits.csv.gz.
const DataSHA256 = "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22"

//go:embed data/digits.csv.gz
var data []byte

// Image is one handwritten digit.
type Image struct {
	// Line in the file, from 1: its name for people.
	Line int
	// Pixels, row by row from the top left; 64 of them, 0 to 16. Shared: don't change them.
	Pixels []float64
	// Label is the digit that was meant, 0 to 9.
	Label int
}

// Set is images in the order of the file.
type Set []Image

// Load reads the embedded data set: 1,797 images. An error means that the binary was built from a damaged file.
func Load() (Set, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("digits: data/digits.csv.gz: %w", err)
	}
	reader := csv.NewReader(unzipped)
	reader.FieldsPerRecord = Pixels + 1
	records, err := reader.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("digits: data/digits.csv.gz: %w", err)
	}
	set := make(Set, len(records))
	for i, record := range records {
		img := Image{Line: i + 1, Pixels: make([]float64, Pixels)}
		for j, field := range record {
			most := MaxPixel
			if j == Pixels {
				most = Classes - 1
			}
			v, err := strconv.Atoi(field)
			if err != nil || v < 0 || v > most {
				return nil, fmt.Errorf("digits: data/digits.csv.gz: line %d, column %d: %q is not a number from 0 to %d", i+1, j+1, field, most)
			}
			if j == Pixels {
				img.Label = v
			} else {
				img.Pixels[j] = float64(v)
			}
		}
		set[i] = img
	}
	return set, nil
}
