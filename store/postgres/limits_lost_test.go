package postgres_test

import (
	"testing"
	"time"

	"github.com/candor-gateway/candor/limits"
	"github.com/candor-gateway/candor/store/postgres"
)

// TestLostBeginsAnew: where a limit's time has lost more than it may in all, what a ratio is counted against is deleted, what was seen is void, and a
// report that is told again still counts nothing.
func TestLostBeginsAnew(t *testing.T) {
	server := initialised(t)
	s := open(t, server, postgres.Options{})
	if err := s.Declare(t.Context(), map[string]string{"a": "a ratio"}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	asks := func(seq int64) limits.Grant {
		t.Helper()
		r := limits.LeaseRequest{
			Lease: limits.Lease{Limit: "a", From: began, Until: began.Add(time.Second)}, Window: time.Hour, Clock: time.Now,
			Share:  &limits.Share{PPM: 500_000, Min: 2},
			Report: &limits.Report{By: "x", Seq: seq, Width: time.Second, Tallies: []limits.Tally{{From: began, Count: 8}}},
		}
		g, err := s.Lease(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	db := connect(t, server)
	for _, c := range []struct {
		seq    int64
		lost   string
		others int64
		voided bool
	}{
		{1, "0", 8, false},
		{1, "0", 8, false},
		{1, "0 + 100001 * 3600000000::bigint", 0, true}, // 100,001 h
		{1, "lost_us", 0, false},
		{2, "lost_us", 8, false},
		{2, "0 - 1", 0, true}, // what an overflow has left
		{3, "lost_us", 8, false},
	} {
		exec(t, db, `UPDATE candor.limit_accounts SET lost_us = `+c.lost)
		if g := asks(c.seq); g.Others != c.others || g.Voided != c.voided || g.Seen.Lost != 0 {
			t.Errorf("report %d, %s lost: counted against %d, want %d; void %t; %v lost", c.seq, c.lost, g.Others, c.others, g.Voided, g.Seen.Lost)
		}
	}
}
