package storetest

import (
	"sync"
	"testing"
	"time"

	"github.com/candor-gateway/candor/limits"
)

var ratioTests = []test{
	{"what a ratio is counted against is stored once", testTallies},
	{"tallies leave with their window", testTalliesLeave},
	{"a shared store grants a ratio's share", testSharedRatio},
	{"many reports at once all count", testReportRace},
	{"reports that no store may take", testBadReports},
}

// ratio asks for permits of at most a quarter, of 8 at least, in an hour.
func ratio(d Driver, count int64, p *limits.Report) limits.LeaseRequest {
	r := asks(count)
	if !d.Shared() {
		now := d.Now()
		r.From, r.Until, r.Forget = now, now.Add(time.Second), now.Add(-time.Hour)
		r.ID = now.UnixMicro()
	}
	r.Max, r.Share, r.Report = 0, &limits.Share{PPM: 250_000, Min: 8}, p
	return r
}

func report(by string, seq int64, tallies ...limits.Tally) *limits.Report {
	return &limits.Report{By: by, Seq: seq, Width: time.Second, Tallies: tallies}
}

// ago is a tally as a gateway of the store has it.
func ago(d Driver, age time.Duration, count int64) limits.Tally {
	if d.Shared() {
		return limits.Tally{From: time.Now().Add(-age), Count: count}
	}
	return limits.Tally{From: d.Now().Add(-age).Truncate(time.Microsecond), Count: count}
}

// told answers what the store has, by what it knows after a restart or says itself.
func told(t *testing.T, d Driver) (n int64) {
	t.Helper()
	if d.Shared() {
		return grant(t, d, ratio(d, 0, nil)).Others
	}
	for _, one := range load(t, d, "a").Tallies {
		n += one.Count
	}
	return n
}

func testTallies(t *testing.T, d Driver) {
	first := report("x", 1, ago(d, time.Minute, 5), ago(d, time.Second, 2))
	for range 3 { // the answer may have been lost
		grant(t, d, ratio(d, 0, first))
		if n := told(t, d); n != 7 {
			t.Errorf("%d, want 7", n)
		}
		d = d.Reopen(t)
	}
	grant(t, d, ratio(d, 0, report("x", 2, ago(d, time.Second, 4), ago(d, 0, -1))))
	if n := told(t, d); n != 10 {
		t.Errorf("%d, want 4 more, and one less", n)
	}
	grant(t, d, ratio(d, 0, first))
	if n := told(t, d); n != 10 {
		t.Errorf("%d after a report from before, want 10", n)
	}
	d = d.Reopen(t)
	grant(t, d, ratio(d, 0, report("y", 1, ago(d, time.Second, 10))))
	if n := told(t, d); n != 20 {
		t.Errorf("%d, want 10 more of another process", n)
	}
	other := ratio(d, 0, report("x", 1, ago(d, 0, 3)))
	other.Limit = "b"
	grant(t, d, other)
	if n := told(t, d); n != 20 {
		t.Errorf("%d, want nothing of another limit", n)
	}
	if d.Shared() {
		return
	}
	tallies := load(t, d, "a").Tallies
	if len(tallies) == 0 || !tallies[0].From.Equal(first.Tallies[0].From) || tallies[0].Count != 5 {
		t.Errorf("tallies %v, want the first from %v", tallies, first.Tallies[0].From)
	}
}

func testTalliesLeave(t *testing.T, d Driver) {
	grant(t, d, ratio(d, 0, report("x", 1, ago(d, 59*time.Minute, 5), ago(d, 50*time.Minute, 2))))
	if n := told(t, d); n != 7 {
		t.Errorf("%d, want 7", n)
	}
	shorter := ratio(d, 0, nil)
	shorter.Window, shorter.Forget = 55*time.Minute, d.Now().Add(-55*time.Minute)
	if g := grant(t, d, shorter); d.Shared() && g.Others != 2 {
		t.Errorf("%d in 55 minutes, want 2", g.Others)
	}
	want := int64(2)
	if d.Shared() { // others ask about an hour
		want = 7
	}
	if n := told(t, d); n != want {
		t.Errorf("%d, want %d", n, want)
	}
	grant(t, d, ratio(d, 0, report("x", 2, ago(d, 2*time.Hour, 5))))
	if n := told(t, d); d.Shared() && n != want {
		t.Errorf("%d, want nothing of two hours ago", n)
	}
}

func testSharedRatio(t *testing.T, d Driver) {
	if !d.Shared() {
		return // its one gateway decides
	}
	if g := grant(t, d, ratio(d, 1, nil)); g.Count != 1 || g.Max != 2 || g.Others != 0 {
		t.Errorf("%+v, want 1 of the 2 that the least allows", g)
	}
	if g := grant(t, d, ratio(d, 9, report("x", 1, ago(d, 0, 80)))); g.Count != 2 || g.Used != 3 || g.Max != 20 || g.Others != 80 {
		t.Errorf("%+v, want an eighth of the 19 that are left of 20", g)
	}
	rest := ratio(d, 17, nil)
	rest.Need = 17
	if g := grant(t, d, rest); g.Count != 17 || g.Used != 20 {
		t.Errorf("%+v, want all that is left", g)
	}
	if g := grant(t, d, ratio(d, 1, nil)); g.Count != 0 || g.Used != 20 || g.Max != 20 {
		t.Errorf("%+v, want none", g)
	}
	if g := grant(t, d, ratio(d, 1, report("y", 1, ago(d, time.Second, 4)))); g.Count != 1 || g.Max != 21 {
		t.Errorf("%+v, want one more, for four of another gateway", g)
	}
	if g := grant(t, d, ratio(d, 1, report("y", 2, ago(d, 0, -84)))); g.Count != 0 || g.Max != 2 || g.Others != 0 {
		t.Errorf("%+v, want none when all was taken back", g)
	}
	own := ratio(d, 0, report("y", 3, ago(d, 0, 84)))
	own.Share.Own = true
	if g := grant(t, d, own); g.Max != 28 {
		t.Errorf("%+v, want 28 to 84", g)
	}
}

func testReportRace(t *testing.T, d Driver) {
	if !d.Shared() {
		return // its one gateway reports one after the other
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for seq := range int64(10) {
				p := report(string(rune('a'+i)), seq+1, ago(d, time.Minute, 1), ago(d, 0, 1))
				for range 2 {
					if _, err := d.Lease(t.Context(), ratio(d, 0, p)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := told(t, d); n != 160 {
		t.Errorf("%d, want 160", n)
	}
}

func testBadReports(t *testing.T, d Driver) {
	for _, p := range []*limits.Report{{Seq: 1}, {By: "x"}} {
		if _, err := d.Lease(t.Context(), ratio(d, 0, p)); err == nil {
			t.Errorf("accepted %+v", p)
		}
	}
	r := ratio(d, 0, report("x", 1))
	r.Share = nil
	if _, err := d.Lease(t.Context(), r); err == nil {
		t.Error("accepted the report of a limit that is no ratio")
	}
}
