package certificate

import (
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

func TestVersionsSpendDelta(t *testing.T) {
	// 6·0.05/π², from Euler's Σ1/v² = π²/6.
	if got, want := VersionDelta(.05, 1), .05*6/9.869604401089358; math.Abs(got-want) > 1e-15 {
		t.Errorf("first version: %v, want %v", got, want)
	}
	sum := 0.0
	for v := uint32(1); v <= 100000; v++ {
		sum += VersionDelta(.05, v)
	}
	if sum > .05 || sum < .05*(1-1e-4) {
		t.Errorf("all versions: %v", sum)
	}
	s := open(t, keyOf(.05, .05, 1, .5))
	End(s, candorv1.CertificateStatus_CERTIFICATE_STATUS_SUPERSEDED, "me", "because", day)
	next, err := Next(s, proto.Float64(.7), 2*day)
	if err != nil {
		t.Fatal(err)
	}
	if next.GetVersion() != 2 || next.GetDelta() != VersionDelta(.05, 2) || next.GetUpstreamThreshold() != .7 || Digest(next.GetKey()) != Digest(s.GetKey()) {
		t.Errorf("next: %v", next)
	}
}

func TestShares(t *testing.T) {
	for _, c := range []struct {
		tiers, segments int
		heldOut         bool
		want            float64
	}{{1, 1, false, .06}, {2, 3, false, .01}, {2, 3, true, .005}, {0, 0, false, .06}} {
		if got := Shares(.06, c.tiers, c.segments, c.heldOut); math.Abs(got-c.want) > 1e-15 {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestIDs(t *testing.T) {
	s := open(t, keyOf(.05, .05, 1, .5))
	for _, name := range []string{ID(s), Name(ID(s))} {
		digest, version, err := SplitID(name)
		if err != nil || digest != Digest(s.GetKey()) || version != 1 {
			t.Errorf("%s: %s, %d, %v", name, digest, version, err)
		}
	}
	for _, id := range []string{
		"", ".", "0123456789abcdef", "0123456789abcdef.", "0123456789abcdef.0", "0123456789abcdef.01", "0123456789abcdef.+1",
		"0123456789ABCDEF.1", "0123456789abcde.1", "0123456789abcdeg.1", "0123456789abcdef.4294967296", "0123456789abcdef.1.1",
	} {
		if _, _, err := SplitID(id); err == nil {
			t.Errorf("%q is an id", id)
		}
	}
}

// TestDigestNamesWhatIsMeasured: each part of the key makes another certificate.
func TestDigestNamesWhatIsMeasured(t *testing.T) {
	seen := map[string]string{}
	for name, change := range map[string]func(*candorv1.CertificateKey){
		"nothing": func(*candorv1.CertificateKey) {},
		"version": func(k *candorv1.CertificateKey) { k.StageVersion = "2" },
		"labels":  func(k *candorv1.CertificateKey) { k.Labels = []string{"a", "b"} },
		"one":     func(k *candorv1.CertificateKey) { k.Labels = []string{"ab"} },
		"exact":   func(k *candorv1.CertificateKey) { k.Tolerance = proto.Float64(0) },
		"alpha":   func(k *candorv1.CertificateKey) { k.Alpha = .06 },
		"grid":    func(k *candorv1.CertificateKey) { k.Grid.Levels = []float64{.6} },
		"tier":    func(k *candorv1.CertificateKey) { k.Tier = 1 },
		"alarm":   func(k *candorv1.CertificateKey) { k.AlarmRunLength = 999 },
	} {
		key := keyOf(.05, .05, 1, .5)
		change(key)
		if other, ok := seen[Digest(key)]; ok {
			t.Errorf("%s and %s have the same digest", name, other)
		}
		seen[Digest(key)] = name
	}
}

func TestOpenRefuses(t *testing.T) {
	for want, change := range map[string]func(*candorv1.CertificateKey){
		"alpha is 0":                  func(k *candorv1.CertificateKey) { k.Alpha = 0 },
		"alpha is 1":                  func(k *candorv1.CertificateKey) { k.Alpha = 1 },
		"alpha is NaN":                func(k *candorv1.CertificateKey) { k.Alpha = math.NaN() },
		"delta is 0":                  func(k *candorv1.CertificateKey) { k.Delta = 0 },
		"max_rows is 0":               func(k *candorv1.CertificateKey) { k.MaxRows = 0 },
		"alarm_run_length is 0.5":     func(k *candorv1.CertificateKey) { k.AlarmRunLength = .5 },
		"alarm_run_length is +Inf":    func(k *candorv1.CertificateKey) { k.AlarmRunLength = math.Inf(1) },
		"level 1 of the grid is 0.5":  func(k *candorv1.CertificateKey) { k.Grid.Levels = []float64{.5, .5} },
		"level 0 of the grid is 1.5":  func(k *candorv1.CertificateKey) { k.Grid.Levels = []float64{1.5} },
		"65 levels":                   func(k *candorv1.CertificateKey) { k.Grid.Levels = make([]float64, 65) },
		"burn_in is 0":                func(k *candorv1.CertificateKey) { k.Grid = nil },
		"grid.steps is 65":            func(k *candorv1.CertificateKey) { k.Grid = burning(50, 65, .5).GetGrid() },
		"grid.steps is 0":             func(k *candorv1.CertificateKey) { k.Grid = burning(50, 0, .5).GetGrid() },
		"grid.start_coverage is 0":    func(k *candorv1.CertificateKey) { k.Grid = burning(50, 5, 0).GetGrid() },
		"the key can't be named":      func(k *candorv1.CertificateKey) { k.Model = "\xff" },
		"grid.start_coverage is +Inf": func(k *candorv1.CertificateKey) { k.Grid = burning(50, 5, math.Inf(1)).GetGrid() },
	} {
		key := keyOf(.05, .05, 1, .5)
		change(key)
		if _, err := Open(key, 1, nil, day); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := Open(keyOf(.05, .05, 1, .5), 0, nil, day); err == nil {
		t.Error("version 0 was opened")
	}
}
