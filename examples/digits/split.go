package digits

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/candor-gateway/candor/examples/digits/internal/exact"
)

// Seed is the recorded seed of the split that the models were trained on. (The year of the data set.)
const Seed = 1998

// Sizes of the parts; the other 800 images are held out. That many, so that the demo's figures rest on something: at an
// accuracy of 97 % the standard error over 800 is 0.6 points.
const (
	trainSize       = 600
	calibrationSize = 397
)

// Parts of a set; no image is in two of them.
type Parts struct {
	// Train is what models learn from: 600 images.
	Train Set
	// Calibration is what temperatures and thresholds are chosen on: 397 images.
	Calibration Set
	// HeldOut is what the demo plays and what accuracies are reported on: 800 images. No weight, temperature or threshold
	// is computed from it.
	HeldOut Set
}

// Split shuffles with the seed and cuts. The same seed gives the same parts on every machine.
func (s Set) Split(seed uint64) Parts {
	shuffled := make(Set, len(s))
	for i, j := range exact.NewSource(seed).Perm(len(s)) {
		shuffled[i] = s[j]
	}
	a := min(trainSize, len(s))
	b := min(trainSize+calibrationSize, len(s))
	return Parts{Train: shuffled[:a:a], Calibration: shuffled[a:b:b], HeldOut: shuffled[b:]}
}

// Digest is the hex SHA-256 over the images in order: 64 pixels and the label, a byte each. A model records that of
// its training part.
func (s Set) Digest() string {
	h := sha256.New()
	for _, img := range s {
		line := make([]byte, 0, Pixels+1)
		for _, p := range img.Pixels {
			line = append(line, byte(p))
		}
		h.Write(append(line, byte(img.Label)))
	}
	return hex.EncodeToString(h.Sum(nil))
}
