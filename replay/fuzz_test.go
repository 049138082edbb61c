package replay

import (
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Whatever a log holds, a replay ends, and counts every row once.
func FuzzDecide(f *testing.F) {
	rng := rand.New(rand.NewPCG(11, 12))
	for range 20 {
		p := randomPolicy(rng, 2, nil)
		_, compiled := modelOf(f, p, "old")
		data, err := proto.Marshal(record(compiled, "old", randomCall(rng, 2)))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	next := randomPolicy(rng, 2, randomConditions(rng))
	f.Fuzz(func(t *testing.T, data []byte) {
		p := &candorv1.PredictionRecord{}
		if proto.Unmarshal(data, p) != nil {
			return
		}
		p.Model = "m"
		m, _ := modelOf(t, next, "old")
		r := New([]*Model{m}, Options{Limit: 3})
		r.Learn(&candorv1.Record{Entry: &candorv1.Record_Verdict{Verdict: &candorv1.VerdictRecord{PredictionId: p.GetPredictionId(), Label: "a"}}})
		r.Decide(&candorv1.Record{TimeUs: 1, Entry: &candorv1.Record_Prediction{Prediction: p}})
		report := r.Report()
		var rows uint64
		for _, model := range report.Models {
			for _, c := range model.Decided {
				rows += c.Rows
			}
		}
		if rows != uint64(len(p.GetRows())) {
			t.Errorf("%d rows of %d", rows, len(p.GetRows()))
		}
	})
}
