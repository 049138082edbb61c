package simulate

import (
	"context"
	"testing"
)

func TestQuick(t *testing.T) {
	s := Suite{Streams: 100, Rows: 20000, Alpha: .05, Delta: .05, Seed: 1}
	tb, err := Promise(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range tb.Cases {
		t.Logf("%-24s %.2f %4d [%.3f %.3f] %.3f oracle %.3f rev %.0f", c.Name, c.Audit, c.Unsafe, c.Low, c.High, c.Coverage, c.Oracle, c.Reviewed)
	}
}

func TestQuickMutants(t *testing.T) {
	s := Suite{Streams: 100, Rows: 20000, Alpha: .05, Delta: .05, Seed: 1}
	tb, err := Mutants(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range tb.Cases {
		t.Logf("%-24s %-30s %.2f %4d [%.3f %.3f] %.3f oracle %.3f rev %.0f", c.Name, c.Mutant, c.Audit, c.Unsafe, c.Low, c.High, c.Coverage, c.Oracle, c.Reviewed)
	}
}
