package backend

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/leaktest"
	"github.com/candor-gateway/candor/internal/oiptest"
	"github.com/candor-gateway/candor/internal/wire"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// patience bounds waits for what must happen; it is never the measure of anything.
const patience = time.Minute

// digitsCard is a card with two labels: input x FP32 [-1,2], output probabilities FP32 [-1,2].
func digitsCard() *candorv1.ModelCard {
	return &candorv1.ModelCard{
		CreatedAt: timestamppb.New(time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)),
		Owner:     "team-vision",
		Rows:      candorv1.Rows_ROWS_FIRST_DIM,
		Inputs:    []*candorv1.InputSpec{{Name: "x", Datatype: "FP32", Shape: []int64{-1, 2}}},
		Outputs:   []*candorv1.OutputSpec{{Name: oiptest.ProbabilitiesOutput, Datatype: "FP32", Shape: []int64{-1, 2}}},
		Scores: []*candorv1.Score{{
			Output: oiptest.ProbabilitiesOutput, Kind: candorv1.ScoreKind_SCORE_KIND_PROBABILITY, Labels: []string{"no", "yes"},
		}},
	}
}

// digitsConfig is a backend that opens its breaker after 4 failures of 4 calls, and closes it after 1 probe.
func digitsConfig(addr string) *candorv1.Backend {
	return &candorv1.Backend{
		Address: addr, Model: "digits", Version: "1", Card: digitsCard(),
		Breaker: &candorv1.BreakerConfig{
			MinCalls: proto.Uint32(4), Probes: proto.Uint32(1), OpenFor: durationpb.New(20 * time.Millisecond),
		},
	}
}

// digitsModel answers 0.25, 0.75 for each row.
func digitsModel() oiptest.Model {
	return oiptest.Model{Name: "digits", Infer: oiptest.Const(0.25, 0.75)}
}

func dial(t *testing.T, cfg *candorv1.Backend, o Options) *Backend {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	b, err := Dial("primary", cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

// digitsRequest is a request of n rows.
func digitsRequest(t testing.TB, n int) []byte {
	t.Helper()
	data, err := proto.Marshal(oiptest.Request("digits", "1", oiptest.RawForm,
		oiptest.FP32("x", []int64{int64(n), 2}, make([]float32, 2*n)...)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// infer calls without a check and demands a *Failure for an error.
func infer(t testing.TB, ctx context.Context, b *Backend, request []byte) (*Answer, *Failure) {
	t.Helper()
	answer, err := b.Infer(ctx, Terms{}, wire.NewFrame(request), nil)
	return answer, failureOf(t, err)
}

func failureOf(t testing.TB, err error) *Failure {
	t.Helper()
	if err == nil {
		return nil
	}
	var f *Failure
	if !errors.As(err, &f) {
		t.Fatalf("the error is %T, not *Failure: %v", err, err)
	}
	return f
}

// eventually polls until ok, or fails the test when patience ends.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("still not: %s", what)
		}
	}
}
