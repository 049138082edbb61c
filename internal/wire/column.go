package wire

import (
	"math"
	"strconv"
)

// Element is one element of a tensor, exactly as it was sent.
type Element struct {
	Datatype Datatype
	// Text of BYTES; it aliases the message.
	Text []byte

	bits uint64
}

// Float is a number's value; integers beyond 2^53 are rounded. NaN for BYTES.
func (e Element) Float() float64 {
	switch e.Datatype {
	case BYTES:
		return math.NaN()
	case FP32:
		return float64(math.Float32frombits(uint32(e.bits)))
	case FP64:
		return math.Float64frombits(e.bits)
	}
	return float(e.Datatype, e.bits)
}

// Decimal writes a number: integers with all their digits, of floats the shortest decimal that their datatype reads back as the same. Empty
// for BYTES.
func (e Element) Decimal() string {
	switch e.Datatype {
	case BYTES:
		return ""
	case INT8, INT16, INT32, INT64:
		return strconv.FormatInt(int64(e.bits), 10)
	case FP32:
		return strconv.FormatFloat(e.Float(), 'g', -1, 32)
	case FP16, BF16, FP64:
		return strconv.FormatFloat(e.Float(), 'g', -1, 64)
	}
	return strconv.FormatUint(e.bits, 10)
}

// Column returns the element at the index column of each row, in one pass over the tensor, where rows is the first dimension; with
// 0 rows all of the tensor is one row. It fails as Floats does, and where rows have no such element.
func (t *Tensor) Column(rows, column int) ([]Element, error) {
	r, n, err := t.elements()
	if err != nil {
		return nil, err
	}
	perRow := n
	if rows == 0 {
		rows = 1
	} else if perRow, err = t.perRow(n, rows); err != nil {
		return nil, err
	}
	if column < 0 || int64(column) >= perRow {
		return nil, faultf(t.at("shape"), "send rows as the model's card declares them", "a row has %d elements, and none at %d", perRow, column)
	}
	out := make([]Element, rows)
	at := 0
	for i := range out {
		start := r.seek(at, column)
		end := r.seek(start, 1)
		one := r
		one.data = r.data[start:end:end]
		if out[i], err = one.element(); err != nil {
			return nil, within(t.dataPath(), -1, err)
		}
		at = r.seek(end, int(perRow)-column-1)
	}
	return out, nil
}

// element is that of a run of one.
func (r run) element() (Element, error) {
	e := Element{Datatype: r.datatype}
	if r.datatype == BYTES {
		if texts := r.texts(nil); len(texts) == 1 {
			e.Text = texts[0]
		}
		return e, nil
	}
	err := r.numbers(func(bits uint64) error {
		e.bits = bits
		return nil
	})
	return e, err
}
