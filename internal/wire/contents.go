package wire

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// contentField is the number of a field of InferTensorContents; each holds the elements of some datatypes.
type contentField protowire.Number

const (
	boolContents   contentField = 1
	intContents    contentField = 2
	int64Contents  contentField = 3
	uintContents   contentField = 4
	uint64Contents contentField = 5
	fp32Contents   contentField = 6
	fp64Contents   contentField = 7
	bytesContents  contentField = 8
)

// String returns the field's name.
func (f contentField) String() string {
	switch f {
	case boolContents:
		return "bool_contents"
	case intContents:
		return "int_contents"
	case int64Contents:
		return "int64_contents"
	case uintContents:
		return "uint_contents"
	case uint64Contents:
		return "uint64_contents"
	case fp32Contents:
		return "fp32_contents"
	case fp64Contents:
		return "fp64_contents"
	case bytesContents:
		return "bytes_contents"
	}
	return "no field"
}

// wireType returns how a single element of the field is encoded.
func (f contentField) wireType() protowire.Type {
	switch f {
	case fp32Contents:
		return protowire.Fixed32Type
	case fp64Contents:
		return protowire.Fixed64Type
	case bytesContents:
		return protowire.BytesType
	}
	return protowire.VarintType
}

// holds reports whether the cursor stands at elements of f, in either encoding, packed or one by one.
func (c *cursor) holds(f contentField) bool {
	return c.num == protowire.Number(f) && (c.typ == f.wireType() || c.typ == protowire.BytesType)
}

// countElements returns how many elements the field that the cursor stands at has, 0 if it isn't one of contents.
func (c *cursor) countElements() (int64, error) {
	f := contentField(c.num)
	if f < boolContents || f > bytesContents || !c.holds(f) {
		return 0, nil
	}
	if c.typ == f.wireType() {
		return 1, nil
	}
	width := 0
	switch f {
	case fp32Contents:
		width = 4
	case fp64Contents:
		width = 8
	default:
		n, err := packed(c.data)
		return n, within(f.String(), -1, err)
	}
	if len(c.data)%width != 0 {
		return 0, faultf(f.String(), "send a well-formed protobuf message",
			"malformed protobuf: %d packed bytes are no whole number of elements of %d", len(c.data), width)
	}
	return int64(len(c.data) / width), nil
}

// addContents checks and counts one occurrence of the tensor's contents, and adds it to those before: the occurrences
// of a message field are one message, merged.
func (t *Tensor) addContents(data []byte) error {
	c := cursor{rest: data}
	for c.next() {
		n, err := c.countElements()
		if err != nil {
			return err
		}
		switch f := contentField(c.num); {
		case n == 0:
		case t.content == 0 || t.content == f:
			t.content = f
			t.count += n
		case t.mixed == 0:
			t.mixed = f
		}
	}
	if c.err != nil {
		return c.err
	}
	if !t.HasContents {
		t.Contents, t.HasContents = slices.Clip(data), true
	} else {
		// Clipped above, so that this copies instead of writing into the message.
		t.Contents = append(t.Contents, data...)
	}
	return nil
}

// typedRun returns the elements that contents has in the field f as one run: for bytes_contents the fields themselves,
// tags included, otherwise what a packed field would hold. Contents of one packed field, the usual case, are aliased.
func typedRun(contents []byte, f contentField) ([]byte, error) {
	var run []byte
	c := cursor{rest: contents}
	for c.next() {
		if !c.holds(f) {
			continue
		}
		var part []byte
		switch {
		case f == bytesContents:
			part = c.span
		case c.typ == protowire.BytesType:
			part = c.data
		default:
			part = c.body
		}
		if run == nil {
			run = slices.Clip(part)
		} else {
			run = append(run, part...)
		}
	}
	return run, c.err
}

// appendContents appends the encoded InferTensorContents old to dst with the elements of f replaced by run, in the
// form that typedRun gives them. Everything else, unknown fields included, keeps its bytes.
func appendContents(dst, old []byte, f contentField, run []byte) []byte {
	c := cursor{rest: old}
	for c.next() {
		if !c.holds(f) {
			dst = append(dst, c.span...)
		}
	}
	return appendRun(dst, f, run)
}

// appendRun appends a run of elements as the field f of an InferTensorContents.
func appendRun(dst []byte, f contentField, run []byte) []byte {
	if f == bytesContents {
		return append(dst, run...)
	}
	if len(run) == 0 {
		return dst
	}
	dst = protowire.AppendTag(dst, protowire.Number(f), protowire.BytesType)
	return protowire.AppendBytes(dst, run)
}
