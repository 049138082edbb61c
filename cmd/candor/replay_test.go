package main

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/candor-gateway/candor/cmd/candor/internal/datadir"
	"github.com/candor-gateway/candor/replay"
)

// cmdMoved compares what candor replay lists with what the log itself says.
func cmdMoved(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: moved STORE LOW HIGH ROUTE")
	}
	low, err := strconv.ParseFloat(args[1], 64)
	ts.Check(err)
	high, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	var report replay.Report
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &report))
	got := map[string]bool{}
	for _, m := range report.Models {
		for _, c := range m.Changes {
			got[c.PredictionID] = true
			if (c.From == replay.Outcome(args[3])) == (c.To == replay.Outcome(args[3])) {
				ts.Fatalf("%s: %s -> %s, want one of them %s", c.PredictionID, c.From, c.To, args[3])
			}
		}
	}
	ctx := context.Background()
	store, err := datadir.Open(ctx, ts.MkAbs(args[0]))
	ts.Check(err)
	defer store.Close(ctx)
	log, err := store.Scan(ctx, time.Time{}, time.Time{})
	ts.Check(err)
	want := map[string]bool{}
	for rec, err := range log.All(ctx) {
		ts.Check(err)
		p := rec.GetPrediction()
		for _, row := range p.GetRows() {
			ppm := row.GetConfidencePpm()
			for _, a := range row.GetAnswers() {
				if a.GetStage() == 0 {
					ppm = a.GetConfidencePpm()
				}
			}
			if c := float64(ppm) / 1e6; c >= low && c < high {
				want[uuid.UUID(p.GetPredictionId()).String()] = true
			}
		}
	}
	if len(want) == 0 || !maps.Equal(got, want) {
		ts.Fatalf("changed: %v\nin between: %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}
