package certificate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Digest names what is measured: 16 hex digits of the SHA-256 of the key's deterministic encoding. Certificates with the same
// digest differ in their version only.
func Digest(key *candorv1.CertificateKey) string {
	data, err := proto.MarshalOptions{Deterministic: true}.Marshal(key)
	if err != nil {
		// Only text that isn't UTF-8 can do that: no configuration has it, and Open refuses it.
		data = nil
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// ID is the certificate's name without "certificates/": digest and version.
func ID(s *candorv1.CertificateState) string {
	return Digest(s.GetKey()) + "." + strconv.FormatUint(uint64(s.GetVersion()), 10)
}

// Name is the resource name of an id; empty for an empty id.
func Name(id string) string {
	if id == "" {
		return ""
	}
	return "certificates/" + id
}

// SplitID parts an id, or a resource name, into digest and version. Only what [ID] writes is one, so that no certificate has two
// names.
func SplitID(id string) (digest string, version uint32, err error) {
	digest, number, ok := strings.Cut(strings.TrimPrefix(id, "certificates/"), ".")
	v, nerr := strconv.ParseUint(number, 10, 32)
	if !ok || !isDigest(digest) || nerr != nil || v == 0 || number[0] == '0' {
		return "", 0, fmt.Errorf("%q is no certificate's id; it has 16 hex digits, a dot and the version, as `candor certificate list` shows", id)
	}
	return digest, uint32(v), nil
}

func isDigest(s string) bool {
	return len(s) == 16 && strings.Trim(s, "0123456789abcdef") == ""
}

// VersionDelta is the share of delta that version v, from 1, spends: 6δ/(π²v²), which sums to δ over all versions.
func VersionDelta(delta float64, v uint32) float64 {
	n := float64(max(v, 1))
	return 6 * delta / (math.Pi * math.Pi * n * n)
}

// Shares divides a policy's delta: equally over tiers and segments, and half of it to a held-out start where there is one.
// tiers and segments are at least 1.
func Shares(delta float64, tiers, segments int, heldOut bool) float64 {
	each := delta / float64(max(tiers, 1)) / float64(max(segments, 1))
	if heldOut {
		each /= 2
	}
	return each
}

// check says what of a key is not fit to be measured.
func check(key *candorv1.CertificateKey) error {
	grid := key.GetGrid()
	switch a, d := key.GetAlpha(), key.GetDelta(); {
	case !(a > 0 && a < 1):
		return fmt.Errorf("certificate: alpha is %v; it is an error rate in (0,1)", a)
	case !(d > 0 && d < 1):
		return fmt.Errorf("certificate: delta is %v; it is a probability in (0,1)", d)
	case key.GetMaxRows() < 1:
		return fmt.Errorf("certificate: max_rows is %d; a call has at least one row", key.GetMaxRows())
	case !(key.GetAlarmRunLength() >= 1) || math.IsInf(key.GetAlarmRunLength(), 1):
		return fmt.Errorf("certificate: alarm_run_length is %v; it is a number of units, at least 1", key.GetAlarmRunLength())
	case len(grid.GetLevels()) > maxLevels:
		return fmt.Errorf("certificate: the grid has %d levels; at most %d", len(grid.GetLevels()), maxLevels)
	}
	if _, err := proto.Marshal(key); err != nil {
		return fmt.Errorf("certificate: the key can't be named: %w; texts are UTF-8", err)
	}
	if len(grid.GetLevels()) == 0 {
		return checkBurnIn(grid)
	}
	for i, l := range grid.GetLevels() {
		if !(l >= 0 && l <= 1) || i > 0 && l >= grid.GetLevels()[i-1] {
			return fmt.Errorf("certificate: level %d of the grid is %v; levels are confidences in [0,1], each below the one before", i, l)
		}
	}
	return nil
}

// checkBurnIn looks at a grid whose levels are to be found.
func checkBurnIn(grid *candorv1.ThresholdGrid) error {
	switch start := grid.GetStartCoverage(); {
	case grid.GetBurnIn() < 1:
		return errors.New("certificate: grid.burn_in is 0; give the number of confidences that levels are quantiles of, or levels")
	case grid.GetSteps() < 1 || grid.GetSteps() > maxLevels:
		return fmt.Errorf("certificate: grid.steps is %d; it is the number of levels, from 1 to %d", grid.GetSteps(), maxLevels)
	case !(start > 0 && start <= 1):
		return fmt.Errorf("certificate: grid.start_coverage is %v; it is the share of rows that the strictest level keeps, in (0,1]", start)
	}
	return nil
}
