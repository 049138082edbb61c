package wire

import (
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// metadataField6 is the field of ModelMetadataResponse on which dialects disagree. Our proto leaves it out, so that a message
// of either form is read, and it travels as an unknown field.
const metadataField6 protowire.Number = 6

// MetadataFormOf returns what field 6 of an encoded ModelMetadataResponse, or of its unknown fields, holds; none if the field
// isn't there or nothing tells the two forms apart.
//
// An InferParameter begins with a control character (its tag), which no text of a property does: a value that is wholly one is
// taken for it.
func MetadataFormOf(data []byte) MetadataForm {
	form := MetadataNone
	c := cursor{rest: data}
	for c.next() {
		if !c.is(metadataField6, protowire.BytesType) {
			continue
		}
		if value, ok := mapValue(c.data); ok && len(value) > 0 {
			if isParameter(value) {
				return MetadataParameters
			}
			form = MetadataProperties
		}
	}
	return form
}

// TensorParameters reports whether the unknown fields of a TensorMetadata have the parameters that MLServer adds there: a map of
// InferParameter in field 4. They travel on as they are: other dialects have no such field, and nothing else in its place.
func TensorParameters(data []byte) bool {
	c := cursor{rest: data}
	for c.next() {
		if c.is(4, protowire.BytesType) {
			if value, ok := mapValue(c.data); ok && isParameter(value) {
				return true
			}
		}
	}
	return false
}

// Metadata returns data, the fields of an encoded ModelMetadataResponse, with field 6 in the form that clients of dialect to
// read: MLServer's and Seldon's parameters, or else the published properties. from is the form that the server's dialect has;
// where the server's value is plainly of the other, that counts. A property becomes a string parameter; a parameter becomes the
// text of its value. Entries that nobody could read are left out. Everything else keeps its bytes and its place; what has the
// form already is returned as it is.
func Metadata(data []byte, from, to MetadataForm) []byte {
	if to == MetadataNone {
		to = MetadataProperties
	}
	dst := make([]byte, 0, len(data))
	c := cursor{rest: data}
	for c.next() {
		if c.is(metadataField6, protowire.BytesType) {
			dst = appendEntry(dst, c.data, c.span, from, to)
			continue
		}
		dst = append(dst, c.span...)
	}
	if c.err != nil {
		return data // not a message: whoever reads it says so
	}
	return dst
}

// appendEntry appends one entry of field 6, whose encoding with its tag is span.
func appendEntry(dst, entry, span []byte, from, to MetadataForm) []byte {
	value, ok := mapValue(entry)
	if !ok {
		return dst
	}
	have := from
	if isParameter(value) {
		have = MetadataParameters
	} else if len(value) > 0 {
		have = MetadataProperties
	}
	if have == to {
		return append(dst, span...)
	}
	p, err := new(scanner).parseParam(entry)
	if have != MetadataParameters {
		p, err = StringParam(lastString(entry, 1), lastString(entry, 2)), nil
	}
	if err != nil {
		return dst
	}
	p.Key, p.Str = strings.ToValidUTF8(p.Key, "�"), strings.ToValidUTF8(p.Str, "�")
	if to == MetadataParameters {
		return appendParam(dst, metadataField6, p)
	}
	out := appendBytes(nil, 1, p.Key)
	return appendBytes(dst, metadataField6, appendBytes(out, 2, p.text()))
}

// mapValue returns the value of a map entry, its occurrences joined as those of a message are, and whether the entry is
// well-formed.
func mapValue(entry []byte) ([]byte, bool) {
	var value []byte
	c := cursor{rest: entry}
	for c.next() {
		if c.is(2, protowire.BytesType) {
			value = append(slices.Clip(value), c.data...)
		}
	}
	return value, c.err == nil
}

// isParameter reports whether value is wholly an InferParameter as the dialects write it that have them in metadata: a bool, an
// int64 or a string, and nothing else.
func isParameter(value []byte) bool {
	c := cursor{rest: value}
	known := 0
	for c.next() {
		if !c.is(1, protowire.VarintType) && !c.is(2, protowire.VarintType) && !c.is(3, protowire.BytesType) {
			return false
		}
		known++
	}
	return known > 0 && c.err == nil
}

// text is the parameter's value for people.
func (p *Param) text() string {
	switch p.Kind {
	case ParamBool:
		return strconv.FormatBool(p.Bool)
	case ParamInt64:
		return strconv.FormatInt(p.Int64, 10)
	case ParamDouble:
		return decimal(p.F64)
	case ParamUint64:
		return strconv.FormatUint(p.U64, 10)
	}
	return p.Str
}
