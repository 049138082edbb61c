package certificate

import (
	"testing"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

const day = int64(usPerDay)

// keyOf makes a key with fixed levels.
func keyOf(alpha, delta float64, maxRows uint32, levels ...float64) *candorv1.CertificateKey {
	return &candorv1.CertificateKey{
		Model: "m", Stage: "s", StageVersion: "1", Alpha: alpha, Delta: delta, MaxRows: maxRows, AlarmRunLength: 1000,
		Grid: &candorv1.ThresholdGrid{Levels: levels},
	}
}

// burning makes a key whose levels are quantiles.
func burning(rows, steps uint32, start float64) *candorv1.CertificateKey {
	k := keyOf(.05, .05, 1)
	k.Grid = &candorv1.ThresholdGrid{BurnIn: proto.Uint32(rows), Steps: proto.Uint32(steps), StartCoverage: proto.Float64(start)}
	return k
}

func open(t testing.TB, key *candorv1.CertificateKey) *candorv1.CertificateState {
	t.Helper()
	s, err := Open(key, 1, nil, day)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// take draws a unit and consumes it at once.
func take(t testing.TB, s *candorv1.CertificateState, least float64, nowUS int64, rows ...Row) Change {
	t.Helper()
	number, counts, err := Draw(s, least, rows, nowUS)
	if err != nil || !counts {
		t.Fatalf("Draw: counts %v, %v", counts, err)
	}
	c, err := Consume(s, Unit{Number: number, Least: least, Rows: rows}, nowUS)
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(s); err != nil {
		t.Fatal(err)
	}
	return c
}
