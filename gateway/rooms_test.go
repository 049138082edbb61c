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
		r.resize(n, 1)
		for i := range n {
			if r.rows[i].row != i || r.rows[i].field != 0 {
				t.Fatalf("row %d of %d is field %d of row %d", i, n, r.rows[i].field, r.rows[i].row)
			}
			if r.rows[i].evidence != &r.evidence[i] || r.rows[i].answer != &r.evidence[i] {
				t.Fatalf("row %d of %d doesn't have its own Evidence", i, n)
			}
			r.rows[i].row, r.rows[i].evidence, r.rows[i].answer = 0, nil, nil
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
	r.resize(2, 3)
	for i, want := range [][2]int{{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}} {
		if got := [2]int{r.rows[i].row, r.rows[i].field}; got != want {
			t.Errorf("cell %d is row and field %v, want %v", i, got, want)
		}
	}
	r.clear()
	r.resize(maxKeptRows+1, 1)
	if r.clear(); cap(r.rows) != 0 {
		t.Errorf("room for %d rows is kept", cap(r.rows))
	}
}
