package gateway

import (
	"reflect"
	"testing"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// What a batch leaves behind must not be found by the next call that gets its memory, and a huge batch keeps none.
func TestRowRooms(t *testing.T) {
	var r rowRooms
	for _, n := range []int{3, 1, 2, 5, maxKeptRows, 4} {
		r.resize(n)
		for i := range n {
			if len(r.rows) != n || !reflect.ValueOf(r.rows[i]).IsZero() || !reflect.ValueOf(r.evidence[i]).IsZero() ||
				!reflect.ValueOf(r.notes[i]).IsZero() || !reflect.ValueOf(&r.records[i]).Elem().IsZero() || r.refs[i] != nil {
				t.Fatalf("row %d of %d is not empty", i, n)
			}
			r.rows[i].itemID, r.evidence[i].Stage, r.notes[i].stage = "left", "left", 1
			r.records[i].row.Label, r.records[i].confidence, r.refs[i] = "left", 1, new(candorv1.RowRecord)
		}
		r.clear()
	}
	if cap(r.rows) != maxKeptRows {
		t.Errorf("room for %d rows is kept, want %d", cap(r.rows), maxKeptRows)
	}
	r.resize(maxKeptRows + 1)
	if r.clear(); cap(r.rows) != 0 {
		t.Errorf("room for %d rows is kept", cap(r.rows))
	}
}
