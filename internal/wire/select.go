package wire

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// SelectRows returns the request for some rows of a batch, in the order of rows; f applies as in Forward. Each input's
// first dimension must be total, and becomes len(rows), but for the inputs that shared reports to be the same for all
// rows (nil: none); those, parameters, ids and unknown fields keep their bytes. Elements keep their bits and their
// form. Problems with the message are *FieldError.
func (r *Request) SelectRows(rows []int, total int, shared func(input string) bool, f Forward) (*Frame, error) {
	for _, row := range rows {
		if row < 0 || row >= total {
			return nil, fmt.Errorf("wire: row %d asked for, of %d", row, total)
		}
	}
	if r.RawForm && len(r.raws) != len(r.Inputs) {
		return nil, miscounted(rawInputs, len(r.raws), len(r.Inputs))
	}
	selected := make([]*run, len(r.Inputs)) // nil: shared
	for i := range r.Inputs {
		t := &r.Inputs[i]
		if shared != nil && shared(t.Name) {
			continue
		}
		chosen, err := t.selectRows(rows, total)
		if err != nil {
			return nil, err
		}
		selected[i] = &chosen
	}
	return r.withRows(selected, int64(len(rows)), f), nil
}

// withRows returns the request with the selected elements in place of each input's own; nil keeps an input.
func (r *Request) withRows(selected []*run, rows int64, f Forward) *Frame {
	a := assemble(r.frame)
	inputs, outputs, raws := 0, 0, 0
	c := walk(r.frame, requestRaw)
	for c.next() {
		switch {
		case c.is(requestOutputs, protowire.BytesType):
			a.output(&c, f, &r.Outputs[outputs])
			outputs++
		case !f.keeps(&c.cursor):
			a.replace(c.start, c.end, nil)
		case c.is(requestInputs, protowire.BytesType):
			t, chosen := &r.Inputs[inputs], selected[inputs]
			inputs++
			if chosen == nil {
				a.stripped(&c, tensorParameters, f.StripParams, t.Params)
				continue
			}
			shape := slices.Clone(t.Shape)
			shape[0] = rows
			data := strip(f.StripParams).from(c.data, tensorParameters, t.Params)
			a.replace(c.start, c.end, appendBytes(nil, requestInputs, t.edited(data, shape, chosen)))
		case c.is(requestRaw, protowire.BytesType):
			chosen := selected[raws]
			raws++
			if chosen != nil {
				a.replace(c.start, c.end, appendBytes(nil, requestRaw, chosen.data))
			}
		}
	}
	return a.finish(r.appended(f))
}

// selectRows returns the elements of some of the tensor's rows.
func (t *Tensor) selectRows(rows []int, total int) (run, error) {
	r, n, err := t.elements()
	if err != nil {
		return r, err
	}
	perRow, err := t.perRow(n, total)
	if err != nil {
		return r, err
	}
	return r.pick(rows, perRow), nil
}

// pick returns the run of the given rows, each of perRow elements; the run must have them.
func (r run) pick(rows []int, perRow int64) run {
	picked := r
	picked.data = nil
	switch {
	case perRow == 0:
	case r.layout == fixedWidth:
		stride := int(perRow) * r.width
		picked.data = make([]byte, 0, len(rows)*stride)
		for _, row := range rows {
			picked.data = append(picked.data, r.data[row*stride:(row+1)*stride]...)
		}
	default:
		// Elements vary in size: find where each row starts, once.
		starts := r.starts(int(perRow))
		for _, row := range rows {
			picked.data = append(picked.data, r.data[starts[row]:starts[row+1]]...)
		}
	}
	return picked
}

// edited returns the tensor, whose encoding is message, with another shape and other elements. A nil shape stays.
// Raw elements are not part of the tensor's own message. Everything else keeps its bytes.
func (t *Tensor) edited(message []byte, shape []int64, elements *run) []byte {
	var dst []byte
	shapeDone, contentsDone := false, false
	c := cursor{rest: message}
	for c.next() {
		switch {
		case shape != nil && (c.is(3, protowire.BytesType) || c.is(3, protowire.VarintType)):
			// The dimensions may come in several fields; the first one's place takes all.
			if !shapeDone {
				dst = appendShape(dst, shape)
			}
			shapeDone = true
		case !t.HasRaw && c.is(5, protowire.BytesType):
			if !contentsDone {
				dst = appendBytes(dst, 5, appendContents(nil, t.Contents, t.Datatype.content(), elements.data))
			}
			contentsDone = true
		default:
			dst = append(dst, c.span...)
		}
	}
	return dst
}

// miscounted is the error for raw contents that aren't one per tensor.
func miscounted(rawField string, raws, tensors int) *FieldError {
	return faultf(rawField, "send one element per tensor, in their order", "%d elements for %d tensors", raws, tensors)
}
