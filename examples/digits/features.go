package digits

import (
	"fmt"

	"github.com/candor-gateway/candor/examples/digits/internal/exact"
)

// FeatureKind names what a model sees of an image.
type FeatureKind string

const (
	// Plain is the pixels: 64 numbers from 0 to 1.
	Plain FeatureKind = "plain"
	// Kernel is the likeness e^(-γ d²) to each of the landmarks, where d² is the squared distance of the images in
	// pixels from 0 to 1.
	Kernel FeatureKind = "kernel"
)

// Features is a fixed function from pixels to numbers.
type Features struct {
	Kind FeatureKind `json:"kind"`
	// Gamma and Landmarks of Kernel; a landmark is 64 pixels from 0 to 1.
	Gamma     float64 `json:"gamma,omitempty"`
	Landmarks Array   `json:"landmarks,omitempty"`
}

// Len is how many numbers Of gives.
func (f Features) Len() int {
	switch f.Kind {
	case Kernel:
		return len(f.Landmarks) / Pixels
	default:
		return Pixels
	}
}

// Of is the features of 64 pixels from 0 to 16, in a slice of its own.
func (f Features) Of(pixels []float64) []float64 {
	out := make([]float64, f.Len())
	switch f.Kind {
	case Kernel:
		plain := Features{Kind: Plain}.Of(pixels)
		for i := range out {
			d2 := exact.SquaredDistance(plain, f.Landmarks[i*Pixels:(i+1)*Pixels])
			out[i] = exact.Exp(float64(-f.Gamma * d2))
		}
	default:
		for i, p := range pixels {
			out[i] = p / MaxPixel
		}
	}
	return out
}

func (f Features) check() error {
	switch f.Kind {
	case Plain:
		return nil
	case Kernel:
		if len(f.Landmarks) == 0 || len(f.Landmarks)%Pixels != 0 {
			return fmt.Errorf("features.landmarks: %d numbers are not images of %d", len(f.Landmarks), Pixels)
		}
		if !(f.Gamma > 0) {
			return fmt.Errorf("features.gamma: %v is not positive", f.Gamma)
		}
		return nil
	default:
		return fmt.Errorf("features.kind: unknown kind %q", f.Kind)
	}
}
