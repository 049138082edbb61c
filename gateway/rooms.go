package gateway

import (
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/router"
)

// rowRooms hold what a call needs for each of its rows, one element of each kind per row. They are used again with the call: a batch
// would otherwise allocate more than a kilobyte for each row.
type rowRooms struct {
	rows     []row
	evidence []router.Evidence
	notes    []stageEvidence
	records  []rowRoom
	refs     []*candorv1.RowRecord
}

// maxKeptRows bounds what an unused call holds on to, some 2 MiB; a larger batch's memory goes with it.
const maxKeptRows = 1024

// resize makes room for as many fields of as many rows. Rooms come out zeroed: clear has seen to it.
func (r *rowRooms) resize(requestRows, fields int) {
	n := requestRows * fields
	if n > cap(r.rows) {
		*r = rowRooms{
			rows: make([]row, n), evidence: make([]router.Evidence, n), notes: make([]stageEvidence, n),
			records: make([]rowRoom, n), refs: make([]*candorv1.RowRecord, n),
		}
	}
	r.rows, r.evidence, r.notes, r.records, r.refs = r.rows[:n], r.evidence[:n], r.notes[:n], r.records[:n], r.refs[:n]
	for i := range r.rows {
		row := &r.rows[i]
		row.row, row.field = i/fields, i%fields
		row.evidence, row.answer = &r.evidence[i], &r.evidence[i]
	}
}

// clear forgets the rows, and the memory too if it is much.
func (r *rowRooms) clear() {
	if cap(r.rows) > maxKeptRows {
		*r = rowRooms{}
		return
	}
	clear(r.rows)
	clear(r.evidence)
	clear(r.notes)
	clear(r.records)
	clear(r.refs)
}
