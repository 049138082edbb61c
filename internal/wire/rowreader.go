package wire

import "fmt"

// RowReader reads the rows of a tensor, in any order. Where they lie is found once: that takes a pass over the elements, and a copy of
// them where they lie in several buffers. It aliases the message, and belongs to one goroutine.
type RowReader struct {
	t    *Tensor
	run  run
	rows int
	// perRow is how many elements a row has.
	perRow int
	// starts has where each row begins, and where the last ends, for elements that vary in size; nil: all are of one size.
	starts []int
	// numbers of the one row, once they are read, where it is the whole tensor.
	numbers []float64
	whole   bool
}

// Rows reads the tensor by its rows, where rows is the first dimension; with 0 rows all of the tensor is one row. It fails if the elements sent
// aren't as many as the shape claims.
func (t *Tensor) Rows(rows int) (*RowReader, error) {
	r, n, err := t.elements()
	if err != nil {
		return nil, err
	}
	out := &RowReader{t: t, run: r, rows: rows, whole: rows == 0}
	perRow := n
	if out.whole {
		out.rows = 1
	} else if perRow, err = t.perRow(n, rows); err != nil {
		return nil, err
	}
	out.perRow = int(perRow)
	if r.layout != fixedWidth && perRow > 0 {
		out.starts = r.starts(out.perRow)
	}
	return out, nil
}

// starts are where rows of so many elements, at least one, begin, and where the last ends.
func (r run) starts(perRow int) []int {
	starts := []int{0}
	for at := 0; at < len(r.data); {
		at = r.seek(at, perRow)
		starts = append(starts, at)
	}
	return starts
}

// PerRow is how many elements a row has.
func (r *RowReader) PerRow() int { return r.perRow }

// row returns the elements of one row.
func (r *RowReader) row(row int) (run, error) {
	if row < 0 || row >= r.rows {
		return run{}, fmt.Errorf("wire: row %d asked for, of %d", row, r.rows)
	}
	one := r.run
	start, end := 0, 0
	switch {
	case r.perRow == 0:
	case r.starts == nil:
		start, end = row*r.perRow*one.width, (row+1)*r.perRow*one.width
	default:
		start, end = r.starts[row], r.starts[row+1]
	}
	one.data = one.data[start:end:end]
	return one, nil
}

// Floats returns the elements of a row as [Tensor.Floats] reads them. Nobody changes them: where the row is the whole tensor they are the same
// each time.
func (r *RowReader) Floats(row int) ([]float64, error) {
	if r.t.Datatype == BYTES {
		return nil, r.t.noNumbers()
	}
	one, err := r.row(row)
	if err != nil || r.numbers != nil {
		return r.numbers, err
	}
	out, err := r.t.decode(make([]float64, 0, r.perRow), one)
	if err != nil {
		return nil, err
	}
	if r.whole {
		r.numbers = out
	}
	return out, nil
}

// Texts returns the elements of a row of BYTES. They alias the message.
func (r *RowReader) Texts(row int) ([][]byte, error) {
	if r.t.Datatype != BYTES {
		return nil, r.t.noTexts()
	}
	one, err := r.row(row)
	if err != nil {
		return nil, err
	}
	return one.texts(make([][]byte, 0, r.perRow)), nil
}

// Bytes returns the elements of a row as [Tensor.RowBytes] does.
func (r *RowReader) Bytes(row int) ([]byte, error) {
	one, err := r.row(row)
	if err == nil && !r.t.HasRaw {
		one, err = r.t.reform(one, true)
	}
	return one.data, err
}
