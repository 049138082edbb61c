package sqlite

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/google/uuid"

	"github.com/candor-gateway/candor/audit"
)

// Most of the log are plain accepts, which nobody waits for. A row for each, and its places in the indexes of ids and of decisions, are
// three inserts into trees, nearly all that recording one costs; so consecutive ones make a run, a row of log_runs, and are found by what
// the run spans (docs/adr/0074).
const (
	// maxRun is how many records a run has at most: whoever wants one of them reads all.
	maxRun = 256
	// maxRunBytes is what makes a run of fewer: records of many rows are large.
	maxRunBytes = 256 << 10
	// maxRunSpan bounds how far the times of a run's records are apart, and those in its predictions' ids: it bounds in turn how many runs
	// have to be looked at for a moment or an id.
	maxRunSpan = time.Minute
)

// run is one that the writer fills.
type run struct {
	first, last uint64
	from, to    int64
	// least and most are ids; nil: none of the records is a prediction's.
	least, most []byte
	records     []byte
	kinds       []runKind
	known       map[audit.Kind]int // indexes into kinds
}

// runKind is how many rows, of how many predictions, of a run are of a kind.
type runKind struct {
	kind              audit.Kind
	rows, predictions int64
	example           []byte
}

// takes says whether a record still fits.
func (r *run) takes(q *queued) bool {
	if r.first == 0 {
		return true
	}
	least, most := r.ids(q.prediction)
	return r.last-r.first+1 < maxRun && len(r.records) < maxRunBytes &&
		max(r.to, q.timeUS)-min(r.from, q.timeUS) <= maxRunSpan.Microseconds() &&
		idMillis(most)-idMillis(least) <= maxRunSpan.Milliseconds()
}

// add takes a record, which the chain made e of.
func (r *run) add(q *queued, e audit.Entry) {
	if r.first == 0 {
		r.first, r.from, r.to = e.Seq, q.timeUS, q.timeUS
	}
	r.last, r.from, r.to = e.Seq, min(r.from, q.timeUS), max(r.to, q.timeUS)
	r.least, r.most = r.ids(q.prediction)
	r.records = binary.AppendUvarint(r.records, uint64(len(e.Data)))
	r.records = append(r.records, e.Data...)
	r.records = append(r.records, e.Hash[:]...)
	for i := range q.kinds {
		k := r.kind(&q.kinds[i].Kind)
		k.rows += q.kinds[i].Rows
		k.predictions++
		k.example = q.prediction
	}
}

// ids are the run's least and greatest with one more; nil is none.
func (r *run) ids(id []byte) (least, most []byte) {
	switch {
	case id == nil:
		return r.least, r.most
	case r.least == nil:
		return id, id
	case bytes.Compare(id, r.least) < 0:
		return id, r.most
	case bytes.Compare(id, r.most) > 0:
		return r.least, id
	}
	return r.least, r.most
}

// kind is the count of a kind. Mostly it is the one that was counted last.
func (r *run) kind(k *audit.Kind) *runKind {
	if n := len(r.kinds); n > 0 && r.kinds[n-1].kind == *k {
		return &r.kinds[n-1]
	}
	i, ok := r.known[*k]
	if !ok {
		i = len(r.kinds)
		r.kinds = append(r.kinds, runKind{kind: *k})
		r.known[*k] = i
	}
	return &r.kinds[i]
}

// clear empties the run, and keeps its memory.
func (r *run) clear() {
	clear(r.known)
	clear(r.kinds)
	*r = run{records: r.records[:0], kinds: r.kinds[:0], known: r.known}
}

// idMillis is the time in an id of version 7 (RFC 9562), milliseconds since the epoch; of another id it is a number that orders likewise.
func idMillis(id []byte) int64 {
	if len(id) < 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(id) >> 16)
}

// latestBeside is the greatest id that a run with this one can have.
func latestBeside(id uuid.UUID) uuid.UUID {
	const most = 1<<48 - 1
	out := uuid.Max
	binary.BigEndian.PutUint64(out[:], uint64(min(idMillis(id[:])+maxRunSpan.Milliseconds(), most))<<16|0xffff)
	return out
}

// unpack calls each for a run's records in order. What can't be read comes last, whole and without a hash.
func unpack(records []byte, each func(data, hash []byte)) {
	for len(records) > 0 {
		size, n := binary.Uvarint(records)
		if n <= 0 || size > uint64(len(records)-n) || uint64(len(records)-n)-size < sha256.Size {
			each(records, nil)
			return
		}
		end := n + int(size)
		each(records[n:end], records[end:end+sha256.Size])
		records = records[end+sha256.Size:]
	}
}
