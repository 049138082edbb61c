package wire

import "fmt"

// elements returns the tensor's elements as one run, having checked that they are whole and as many as the shape
// claims. A count from the shape is never trusted with memory: what it returns was seen.
func (t *Tensor) elements() (run, int64, error) {
	n, err := t.check()
	if err != nil {
		return run{}, 0, err
	}
	r, _ := newRun(t.Datatype, t.HasRaw)
	if t.HasRaw {
		r.data = t.raw.bytes()
	} else if r.data, err = typedRun(t.Contents, t.Datatype.content()); err != nil {
		return run{}, 0, within(t.at("contents"), -1, err)
	}
	return r, n, nil
}

// check makes sure that the elements are whole and as many as the shape claims, and returns how many. It copies nothing,
// wherever they lie.
func (t *Tensor) check() (int64, error) {
	want, err := t.Elements()
	if err != nil {
		return 0, err
	}
	if t.HasRaw && t.count > 0 {
		return 0, faultf(t.at("contents"), "send every tensor typed or every tensor raw", "typed contents beside %s", t.rawField())
	}
	r, ok := newRun(t.Datatype, t.HasRaw)
	if !ok {
		return 0, t.noRun()
	}
	have, rest := t.count, 0
	if t.HasRaw {
		have, rest = t.raw.count(t.Datatype)
	} else if wrong := t.wrongField(); wrong != 0 {
		return 0, faultf(t.at("contents."+wrong.String()), "send them in "+t.Datatype.content().String(), "elements of %v", t.Datatype)
	}
	switch {
	case rest > 0 && r.layout == lengthPrefixed:
		return 0, faultf(t.dataPath(), "precede each element by its length in 4 bytes, little-endian",
			"BYTES element %d is truncated", have)
	case rest > 0:
		return 0, faultf(t.dataPath(), "send whole elements", "%d bytes are no whole number of %v elements", t.raw.size, t.Datatype)
	case have != want:
		return 0, faultf(t.dataPath(), "send as many elements as the shape has",
			"%d elements of %v, but the shape %v has %d", have, t.Datatype, t.Shape, want)
	}
	return have, nil
}

// noRun explains why the tensor's form can't hold its datatype.
func (t *Tensor) noRun() error {
	if t.Datatype == 0 {
		return faultf(t.at("datatype"), "send one of "+datatypeNames(), "%q is not a datatype", t.DatatypeName)
	}
	return faultf(t.at("contents"), "send it in "+t.rawField(), "%v exists only raw", t.Datatype)
}

// wrongField returns a field of typed contents that has elements but isn't the one for the tensor's datatype, 0 if
// there is none.
func (t *Tensor) wrongField() contentField {
	switch want := t.Datatype.content(); {
	case t.content != 0 && t.content != want:
		return t.content
	default:
		return t.mixed
	}
}

// perRow returns how many of the tensor's n elements one row has, having checked that there are so many rows.
func (t *Tensor) perRow(n int64, rows int) (int64, error) {
	if err := t.checkRows(rows); err != nil {
		return 0, err
	}
	if rows == 0 {
		return 0, nil
	}
	return n / int64(rows), nil
}

// checkRows makes sure that the first dimension is rows.
func (t *Tensor) checkRows(rows int) error {
	switch {
	case len(t.Shape) == 0:
		return faultf(t.at("shape"), "send the rows in the first dimension", "a scalar has no rows, but there are %d", rows)
	case t.Shape[0] != int64(rows):
		return faultf(t.at("shape"), "send the rows in the first dimension",
			"the first dimension is %d, but there are %d rows", t.Shape[0], rows)
	}
	return nil
}

// at returns the path of one of the tensor's fields.
func (t *Tensor) at(field string) string {
	if t.owner == "" {
		return fmt.Sprintf("tensor %q.%s", t.Name, field)
	}
	return fmt.Sprintf("%s[%d].%s", t.owner, t.index, field)
}

// dataPath returns the path of the field that holds the elements.
func (t *Tensor) dataPath() string {
	switch {
	case !t.HasRaw:
		return t.at("contents")
	case t.owner == "":
		return t.at("raw")
	}
	return fmt.Sprintf("%s[%d]", t.rawField(), t.index)
}

// rawField returns the name of the field that holds raw contents of tensors like this one.
func (t *Tensor) rawField() string {
	if t.owner == "outputs" {
		return rawOutputs
	}
	return rawInputs
}
