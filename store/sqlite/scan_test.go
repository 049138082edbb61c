package sqlite_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/store/sqlite"
	"github.com/candor-gateway/candor/store/storetest"
)

// A scan has every record of its span once, whoever wrote it, and none that came later.
func TestScan(t *testing.T) {
	d := open(t, initialised(t), sqlite.Options{})
	begin := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	n := 0
	write := func(d driver, count int) {
		t.Helper()
		for range count {
			rec := storetest.Accept(uuid.Must(uuid.NewV7()))
			// Neighbours are not in order: they waited for company.
			rec.TimeUs = begin.Add(time.Duration(n^1) * time.Second).UnixMicro()
			if err := d.Record(t.Context(), rec, nil); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	write(d, 700)
	d = d.Reopen(t).(driver)
	write(d, 300)

	ro, err := sqlite.OpenReadOnly(t.Context(), d.path)
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close(t.Context())
	for name, c := range map[string]struct{ from, to int }{
		"all": {0, 1000}, "the middle": {101, 900}, "one writer": {100, 200}, "one": {500, 501}, "none": {2000, 3000},
	} {
		scan, err := ro.Scan(t.Context(), begin.Add(time.Duration(c.from)*time.Second), begin.Add(time.Duration(c.to)*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if least := uint64(max(0, min(c.to, 1000)-min(c.from, 1000))); scan.Records < least || scan.Records > least+4*60 {
			t.Errorf("%s: %d records are read for %d", name, scan.Records, least)
		}
		seen := map[int64]bool{}
		for rec, err := range scan.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			seen[rec.GetTimeUs()] = true
		}
		for i := range 1000 {
			at := begin.Add(time.Duration(i) * time.Second).UnixMicro()
			if want := i >= c.from && i < c.to; seen[at] != want {
				t.Fatalf("%s: second %d is there: %v", name, i, seen[at])
			}
		}
	}

	scan, err := ro.Scan(t.Context(), time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	write(d, 10)
	for range 2 {
		count := 0
		for _, err := range scan.All(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			count++
		}
		if count != 1000 || scan.Records != 1000 {
			t.Errorf("%d of %d records: what came later doesn't belong to it", count, scan.Records)
		}
	}
	for rec := range scan.All(t.Context()) {
		if rec.GetPrediction().GetMode() != candorv1.Mode_MODE_ENFORCE {
			t.Error(rec)
		}
		break
	}
}
