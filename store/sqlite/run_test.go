package sqlite

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/store/storetest"
)

// idAt is an id of version 7 that was made at a time.
func idAt(at time.Time) uuid.UUID {
	id := uuid.Must(uuid.NewV7())
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(at.UnixMilli())<<16)
	copy(id[:6], ms[:6])
	return id
}

// mixed is a store with records of all kinds, some of them plain, in runs of many lengths, and what was written by id. Times are apart by
// up to some seconds, and some by more than a run may span.
func mixed(t *testing.T, n int) (*Store, map[uuid.UUID]*candorv1.Record) {
	t.Helper()
	s := fresh(t, Options{MaxLinger: time.Hour})
	rng := rand.New(rand.NewPCG(1, 2))
	all := map[uuid.UUID]*candorv1.Record{}
	at := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	for i := range n {
		at = at.Add(time.Duration(rng.Int64N(int64(20 * time.Millisecond))))
		made := at.Add(-time.Duration(rng.Int64N(int64(5 * time.Second))))
		switch i % 997 {
		case 150:
			made = made.Add(-time.Hour) // a call that lasted long
		case 570:
			at = at.Add(2 * time.Minute)
		}
		id := idAt(made)
		if i%611 == 0 {
			id = uuid.New() // of another version
		}
		rec := storetest.Accept(id)
		rec.TimeUs = at.UnixMicro()
		p := rec.GetPrediction()
		p.Consumer = []string{"shop", "desk"}[rng.IntN(2)]
		for range rng.IntN(3) {
			p.Rows = append(p.Rows, &candorv1.RowRecord{Route: candorv1.Route_ROUTE_FALLBACK, AnsweredBy: 1, Action: "decline"})
		}
		var err error
		if rng.IntN(600) == 0 {
			err = s.Record(t.Context(), rec, nil)
		} else {
			err = s.Enqueue(t.Context(), rec)
		}
		if err != nil {
			t.Fatal(err)
		}
		all[id] = rec
	}
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, all
}

// Whether a record lies in a run or alone, everybody finds it: by its id, in its place, in the chain, and counted.
func TestRuns(t *testing.T) {
	s, all := mixed(t, 12000)
	var runs, longest int
	if err := s.reader(t.Context())(`SELECT count(*), max(last_seq - first_seq + 1) FROM log_runs`, nil, func(row scanner) error {
		return row.Scan(&runs, &longest)
	}); err != nil || runs < 30 || longest < maxRun || longest > maxRun {
		t.Fatalf("%d runs, the longest of %d records, %v", runs, longest, err)
	}
	report, err := s.VerifyLog(t.Context())
	if err != nil || report.Fault() != nil || report.Writers[0].Entries != uint64(len(all)) {
		t.Fatalf("verified: %+v, %v", report, err)
	}
	scan, err := s.Scan(t.Context(), time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	seq, places := uint64(0), map[uuid.UUID]uint64{}
	for rec, err := range scan.All(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		seq++
		places[uuid.UUID(rec.GetPrediction().GetPredictionId())] = seq
	}
	for id := range all {
		found, err := s.Find(t.Context(), id.String())
		if err != nil || uuid.UUID(found.Record.GetPrediction().GetPredictionId()) != id || found.Seq != places[id] || found.Writer == "" {
			t.Fatalf("%s: %+v, %v; want record %d", id, found, err, places[id])
		}
	}
	if _, err := s.Find(t.Context(), idAt(time.Date(2026, 11, 20, 0, 0, 1, 0, time.UTC)).String()); !errors.Is(err, audit.ErrNotFound) {
		t.Errorf("a prediction that isn't there: %v", err)
	}
}

// A run of large records has few of them.
func TestRunsOfLargeRecords(t *testing.T) {
	s := fresh(t, Options{MaxLinger: time.Hour})
	for range 40 {
		rec := storetest.Accept(uuid.Must(uuid.NewV7()))
		p := rec.GetPrediction()
		for range 1000 {
			p.Rows = append(p.Rows, p.GetRows()[0])
		}
		if err := s.Enqueue(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var largest, most int
	if err := s.reader(t.Context())(`SELECT max(length(records)), max(last_seq - first_seq + 1) FROM log_runs`, nil, func(row scanner) error {
		return row.Scan(&largest, &most)
	}); err != nil || largest < maxRunBytes || largest > 2*maxRunBytes || most >= 40 {
		t.Errorf("%d bytes and %d records at most, %v", largest, most, err)
	}
}

// What is counted is what the records say, wherever a span begins and ends.
func TestRunsAreCounted(t *testing.T) {
	s, all := mixed(t, 12000)
	records := slices.Collect(maps.Values(all))
	first := slices.MinFunc(records, func(a, b *candorv1.Record) int { return int(a.TimeUs - b.TimeUs) }).TimeUs
	last := slices.MaxFunc(records, func(a, b *candorv1.Record) int { return int(a.TimeUs - b.TimeUs) }).TimeUs
	rng := rand.New(rand.NewPCG(3, 4))
	for range 60 {
		from := first + rng.Int64N(last-first)
		to := from + 1 + rng.Int64N([]int64{1e4, 1e6, 1e8, last - first}[rng.IntN(4)])
		if rng.IntN(3) == 0 {
			from = records[rng.IntN(len(records))].TimeUs // exactly
			to = max(to, from+1)
		}
		q := audit.Query{Since: time.UnixMicro(from), Until: time.UnixMicro(to), By: []candorv1.GroupBy{candorv1.GroupBy_GROUP_BY_ACTION}}
		if rng.IntN(2) == 0 {
			q.Consumer = "shop"
		}
		if rng.IntN(3) == 0 {
			q.Route = candorv1.Route_ROUTE_FALLBACK
		}
		c, err := audit.NewCounter(q)
		if err != nil {
			t.Fatal(err)
		}
		before := c.Before().UnixMicro()
		for _, rec := range records {
			for _, k := range audit.KindsOf(rec.GetPrediction(), nil) {
				if !wanted(q, k.Kind) {
					continue
				}
				switch at := rec.TimeUs; {
				case at >= from && at < to:
					c.Add(k.Kind, k.Rows, 0, "")
				case at >= before && at < from:
					c.Add(k.Kind, 0, k.Rows, "")
				}
			}
		}
		want := c.Summary()
		got, err := s.Summarize(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for i, g := range got.Groups {
			switch rec := all[uuid.MustParse(max(g.Example, uuid.Nil.String()))]; {
			case g.Count > 0 && (rec == nil || rec.TimeUs < from || rec.TimeUs >= to):
				t.Errorf("%v: the example %q isn't of the span", g.Keys, g.Example)
			case g.Count == 0 && g.Example != "":
				t.Errorf("%v: the example %q of nothing", g.Keys, g.Example)
			}
			got.Groups[i].Example = ""
		}
		if got.Total != want.Total || got.TotalBefore != want.TotalBefore ||
			!slices.EqualFunc(got.Groups, want.Groups, func(a, b audit.Group) bool {
				return slices.Equal(a.Keys, b.Keys) && a.Count == b.Count && a.CountBefore == b.CountBefore
			}) {
			t.Errorf("%d to %d: %+v, want %+v", from, to, got, want)
		}
	}
}

// Moved away, a record of a run is a row like every other.
func TestRunsAreExportedAsRows(t *testing.T) {
	s, all := mixed(t, 1000)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	moved, err := OpenExport(t.Context(), s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer moved.Close(context.Background())
	rows, decisions, counted := map[int64]uuid.UUID{}, map[uuid.UUID]int64{}, map[string]int64{}
	err = moved.Export(t.Context(), func(table string, columns []string, count int64, from iter.Seq2[[]any, error]) error {
		for row, err := range from {
			if err != nil {
				return err
			}
			counted[table]++
			at := func(column string) any { return row[slices.Index(columns, column)] }
			switch table {
			case "log":
				rows[at("seq").(int64)] = uuid.UUID(at("prediction_id").([]byte))
			case "decisions":
				decisions[uuid.UUID(at("prediction_id").([]byte))] += at("row_count").(int64)
			}
		}
		if counted[table] != count {
			t.Errorf("%s has %d rows, and says %d", table, counted[table], count)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(all) || counted["log"] != int64(len(all)) || counted["log_runs"] != 0 {
		t.Errorf("%d records in %d rows, want %d", len(rows), counted["log"], len(all))
	}
	for id, rec := range all {
		if n := int64(len(rec.GetPrediction().GetRows())); decisions[id] != n {
			t.Errorf("%s: %d decisions, want %d", id, decisions[id], n)
		}
	}
}
