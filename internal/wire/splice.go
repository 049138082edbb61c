package wire

import (
	"cmp"
	"fmt"
	"slices"
)

// Splice replaces the elements of one row of an output tensor, whose first dimension must be Rows. Floats holds them
// for every datatype but BYTES, Texts for BYTES; as many as a row has. They are converted to the tensor's datatype as
// in [TensorData].
type Splice struct {
	Output    string
	Row, Rows int
	Floats    []float64
	Texts     [][]byte
}

// spliced returns the elements of the outputs that have rows replaced, by the output's index. Outputs that are
// stripped are left out.
func (r *Response) spliced(w *Rewrite) (map[int]*run, error) {
	if len(w.Splices) == 0 {
		return nil, nil
	}
	byOutput := make(map[int][]Splice)
	for _, s := range w.Splices {
		if w.stripsOutput(s.Output) {
			continue
		}
		i := slices.IndexFunc(r.Outputs, func(t Tensor) bool { return t.Name == s.Output })
		if i < 0 {
			return nil, faultf("outputs", "", "no tensor is named %q", s.Output)
		}
		byOutput[i] = append(byOutput[i], s)
	}
	runs := make(map[int]*run, len(byOutput))
	for i, splices := range byOutput {
		elements, err := r.Outputs[i].splice(splices)
		if err != nil {
			return nil, err
		}
		runs[i] = &elements
	}
	return runs, nil
}

// splice returns the tensor's elements with rows replaced; the bits of the other rows stay.
func (t *Tensor) splice(splices []Splice) (run, error) {
	old, n, err := t.elements()
	if err != nil {
		return old, err
	}
	// In the order of the rows, so that elements of varying size are walked once.
	slices.SortStableFunc(splices, func(a, b Splice) int { return cmp.Compare(a.Row, b.Row) })
	out := old
	out.data = make([]byte, 0, len(old.data))
	at, row := 0, 0 // where old is read, always the start of a row
	for i, s := range splices {
		perRow, err := t.perRow(n, s.Rows)
		if err != nil {
			return old, err
		}
		if s.Row < 0 || s.Row >= s.Rows {
			return old, fmt.Errorf("wire: row %d of output %q replaced, of %d", s.Row, s.Output, s.Rows)
		}
		if i+1 < len(splices) && splices[i+1].Row == s.Row {
			continue // the later one counts
		}
		if perRow > 0 {
			start := old.seek(at, (s.Row-row)*int(perRow))
			out.data = append(out.data, old.data[at:start]...)
			at, row = old.seek(start, int(perRow)), s.Row+1
		}
		if err := out.add(s.Floats, s.Texts, perRow); err != nil {
			return old, within(t.dataPath(), -1, within(fmt.Sprintf("row %d", s.Row), -1, err))
		}
	}
	out.data = append(out.data, old.data[at:]...)
	return out, nil
}
