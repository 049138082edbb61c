package digits

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strings"
	"testing"
)

func load(t *testing.T) Set {
	t.Helper()
	set, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestLoad(t *testing.T) {
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != DataSHA256 {
		t.Errorf("data/digits.csv.gz has the digest %s; data/README.md promises %s", got, DataSHA256)
	}
	set := load(t)
	if len(set) != 1797 {
		t.Fatalf("%d images, want 1797", len(set))
	}
	counts := make([]int, Classes)
	for i, img := range set {
		if img.Line != i+1 || len(img.Pixels) != Pixels {
			t.Fatalf("image %d: line %d, %d pixels", i, img.Line, len(img.Pixels))
		}
		counts[img.Label]++
	}
	for digit, n := range counts {
		if n < 170 || n > 190 { // the description says about 180 of each
			t.Errorf("%d images of %d", n, digit)
		}
	}
}

func TestSplitIsDisjointCompleteAndRecorded(t *testing.T) {
	set := load(t)
	parts := set.Split(Seed)
	seen := make(map[int]bool)
	for _, part := range []Set{parts.Train, parts.Calibration, parts.HeldOut} {
		for _, img := range part {
			if seen[img.Line] {
				t.Fatalf("line %d is in two parts", img.Line)
			}
			seen[img.Line] = true
		}
	}
	if len(seen) != len(set) || len(parts.HeldOut) < 800 {
		t.Errorf("%d of %d images, %d held out", len(seen), len(set), len(parts.HeldOut))
	}
	// Whoever changes the split changes what the models learned from: their files would lie.
	m, err := LoadModel("mlp")
	if err != nil {
		t.Fatal(err)
	}
	if got := parts.Train.Digest(); got != m.Training.Digest {
		t.Errorf("the training part's digest is %s; the mlp learned from %s", got, m.Training.Digest)
	}
	if other := set.Split(Seed + 1); other.Train.Digest() == parts.Train.Digest() {
		t.Error("another seed gives the same split")
	}
	if parts.HeldOut[0].Line == parts.HeldOut[1].Line-1 && parts.HeldOut[1].Line == parts.HeldOut[2].Line-1 {
		t.Error("the held-out part isn't shuffled")
	}
}

func TestSplitOfASmallSet(t *testing.T) {
	parts := load(t)[:700].Split(Seed)
	if len(parts.Train) != 600 || len(parts.Calibration) != 100 || len(parts.HeldOut) != 0 {
		t.Errorf("%d, %d, %d", len(parts.Train), len(parts.Calibration), len(parts.HeldOut))
	}
}

func TestDraw(t *testing.T) {
	const zero = "" + // the first image of the file
		"    --##++..    \n" +
		"    ##%%**%%--  \n" +
		"  ::%%..  **++  \n" +
		"  ::##    ++++  \n" +
		"  --++    ++++  \n" +
		"  ::**  ..##==  \n" +
		"  ..%%--**##    \n" +
		"    --##**      \n"
	if got := Draw(load(t)[0].Pixels); got != zero {
		t.Errorf("got\n%s\nwant\n%s", got, zero)
	}
	odd := Draw([]float64{math.NaN(), -3, 99, math.Inf(1)})
	if lines := strings.Split(odd, "\n"); len(lines) != 9 || lines[0] != "    @@@@        " {
		t.Errorf("got\n%s", odd)
	}
}
