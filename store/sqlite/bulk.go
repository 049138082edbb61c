package sqlite

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"

	"github.com/candor-gateway/candor/audit"
)

// bulkRows is how many rows one statement inserts. Each has its parameters bound and its rows stored in one go, which halves
// what a record costs; more save little, and SQLite compiles a statement for each number of rows.
const bulkRows = 64

// bulk inserts rows into one table, many with each statement. It talks to the driver itself: database/sql copies and converts
// every value anew, which takes a tenth of what a record costs.
type bulk struct {
	head    string
	columns int
	// statements by number of rows, made when first needed.
	statements [bulkRows + 1]driver.StmtExecContext
	args       []driver.NamedValue
}

func newBulk(table string, columns ...string) *bulk {
	return &bulk{
		columns: len(columns), args: make([]driver.NamedValue, 0, bulkRows*len(columns)),
		head: "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES ",
	}
}

// add takes a row, as many values as there are columns, each an int64 or []byte.
func (b *bulk) add(row ...any) {
	for _, v := range row {
		b.args = append(b.args, driver.NamedValue{Ordinal: len(b.args) + 1, Value: v})
	}
}

func (b *bulk) rows() int { return len(b.args) / b.columns }

// insert stores the rows taken, all or none, and forgets them.
func (b *bulk) insert(t *tx) error {
	if len(b.args) == 0 {
		return nil
	}
	defer func() {
		clear(b.args)
		b.args = b.args[:0]
	}()
	st, err := b.statement(t.w.conn)
	if err != nil {
		return err
	}
	_, err = st.ExecContext(background, b.args)
	t.dirty = t.dirty || err == nil
	return err
}

// statement is the one for the rows taken.
func (b *bulk) statement(conn *sql.Conn) (driver.StmtExecContext, error) {
	n := b.rows()
	if b.statements[n] != nil {
		return b.statements[n], nil
	}
	row := "(?" + strings.Repeat(", ?", b.columns-1) + ")"
	err := conn.Raw(func(c any) error {
		st, err := c.(driver.ConnPrepareContext).PrepareContext(background, b.head+row+strings.Repeat(", "+row, n-1))
		if err == nil {
			b.statements[n] = st.(driver.StmtExecContext)
		}
		return err
	})
	return b.statements[n], err
}

// close gives the statements back.
func (b *bulk) close() {
	for _, st := range b.statements {
		if st, ok := st.(driver.Stmt); ok {
			_ = st.Close()
		}
	}
}

// bulks are the writer's statements for plain records.
type bulks struct{ log, decisions *bulk }

func newBulks() bulks {
	return bulks{
		log:       newBulk("log", "writer", "seq", "prediction_id", "data", "hash"),
		decisions: newBulk("decisions", "kind", "time_us", "prediction_id", "row_count"),
	}
}

// recordAll stores some plain records, at most bulkRows of them, all or none. An error that isConstraint says that one of them
// can't be stored, and nothing of them is.
func (t *tx) recordAll(some []queued) error {
	b, before := &t.w.bulks, t.chain
	var hashes [bulkRows]audit.Entry
	var ids [bulkRows]any // each is bound twice
	for i := range some {
		e := &hashes[i]
		*e = t.chain.Append(some[i].data)
		ids[i] = some[i].prediction
		b.log.add(t.w.ordinal, int64(e.Seq), ids[i], e.Data, e.Hash[:])
	}
	if err := b.log.insert(t); err != nil {
		t.chain = before
		return fmt.Errorf("append to the decision log: %w", err)
	}
	for i := range some {
		for _, k := range some[i].kinds {
			id, err := t.kind(k.Kind)
			if err != nil {
				return err
			}
			b.decisions.add(id, some[i].timeUS, ids[i], k.Rows)
			if b.decisions.rows() == bulkRows {
				if err := b.decisions.insert(t); err != nil {
					return indexing(err)
				}
			}
		}
	}
	if err := b.decisions.insert(t); err != nil {
		return indexing(err)
	}
	t.predictions += uint64(len(some))
	return nil
}

// indexing is an error after the log has taken the records, so it must not look like one that left them out: what the log takes
// has places of its own in the index.
func indexing(err error) error { return fmt.Errorf("index decisions: %v", err) }
