package sqlite_test

import (
	"os"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/store/sqlite"
	"github.com/candor-gateway/candor/store/storetest"
)

// BenchmarkEnqueue is the whole cost of a plain accept's record, until it is durable, with many on the way.
func BenchmarkEnqueue(b *testing.B) {
	d := open(b, initialised(b), sqlite.Options{})
	before := d.Stats().Batches
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := d.Enqueue(b.Context(), storetest.Accept(uuid.Must(uuid.NewV7()))); err != nil {
				b.Error(err)
				return
			}
		}
	})
	if err := d.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.StopTimer()
	st := d.Stats()
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(st.Committed), "µs/record")
	b.ReportMetric(float64(st.Committed)/float64(max(st.Batches-before, 1)), "records/commit")
	file, err := os.Stat(d.path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(file.Size())/float64(st.Committed), "B/record")
}

// BenchmarkRecord is a deferral that waits until it is durable: alone, and beside many others.
func BenchmarkRecord(b *testing.B) {
	for _, tc := range []struct {
		name    string
		callers int
	}{{"one caller", 1}, {"64 callers", 64}} {
		b.Run(tc.name, func(b *testing.B) {
			d := open(b, initialised(b), sqlite.Options{})
			record := func() {
				rec, items := storetest.Deferral(d.Now(), "q", 1)
				if err := d.Record(b.Context(), rec, items); err != nil {
					b.Error(err)
				}
			}
			b.ResetTimer()
			if tc.callers == 1 {
				for b.Loop() {
					record()
				}
			} else {
				b.SetParallelism(tc.callers)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						record()
					}
				})
			}
			st := d.Stats()
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(st.Committed), "µs/record")
			b.ReportMetric(float64(st.Committed)/float64(st.Batches), "records/commit")
		})
	}
}

// BenchmarkSummarize counts among 200,000 decisions of 40 kinds.
func BenchmarkSummarize(b *testing.B) {
	d := open(b, initialised(b), sqlite.Options{})
	const n, kinds = 200_000, 40
	start := time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		rec := storetest.Accept(uuid.Must(uuid.NewV7()))
		rec.TimeUs = start.Add(time.Duration(i) * time.Millisecond).UnixMicro()
		rec.GetPrediction().Stages[0].Version = string(rune('A' + i%kinds))
		if err := d.Enqueue(b.Context(), rec); err != nil {
			b.Fatal(err)
		}
	}
	q := audit.Query{
		Since: start.Add(n / 2 * time.Millisecond), Until: start.Add(n * time.Millisecond),
		By: []candorv1.GroupBy{candorv1.GroupBy_GROUP_BY_REASON, candorv1.GroupBy_GROUP_BY_VERSION},
	}
	for b.Loop() {
		got, err := d.Summarize(b.Context(), q)
		if err != nil || got.Total != n/2 || got.TotalBefore != n/2 || len(got.Groups) != kinds {
			b.Fatalf("%d, %d in %d groups: %v", got.Total, got.TotalBefore, len(got.Groups), err)
		}
	}
}
