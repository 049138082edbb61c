package wire

// RowBytes returns the elements of each row, where rows is the first dimension, as raw contents hold them, whichever form they
// came in: equal numbers have equal bytes. With rows 0 there is one slice, of all elements. The bytes may alias the message.
// It fails as Floats does.
func (t *Tensor) RowBytes(rows int) ([][]byte, error) {
	r, n, err := t.elements()
	if err != nil {
		return nil, err
	}
	if !t.HasRaw {
		if r, err = t.reform(r, true); err != nil {
			return nil, err
		}
	}
	if rows == 0 {
		return [][]byte{r.data}, nil
	}
	perRow, err := t.perRow(n, rows)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, rows)
	start := 0
	for i := range out {
		end := r.seek(start, int(perRow))
		out[i] = r.data[start:end:end]
		start = end
	}
	return out, nil
}
