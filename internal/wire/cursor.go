package wire

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// cursor walks the fields of one encoded message, in the manner of bufio.Scanner. It reads exactly what proto.Unmarshal
// reads: unknown fields and groups are walked over, wire types that can't be are errors.
type cursor struct {
	rest []byte
	err  error

	num  protowire.Number
	typ  protowire.Type
	span []byte // the whole field, tag included
	body []byte // the field without its tag (which needn't be written in as few bytes as possible)
	data []byte // what a length-delimited field holds
	bits uint64 // what a varint, fixed32 or fixed64 field holds
}

// next moves to the next field. It returns false at the end and at an error, which is then in err.
func (c *cursor) next() bool {
	if c.err != nil || len(c.rest) == 0 {
		return false
	}
	num, typ, n := protowire.ConsumeTag(c.rest)
	if n >= 0 && num > protowire.MaxValidNumber {
		n = -1
	}
	if n < 0 {
		return c.fail(n)
	}
	c.num, c.typ, c.data, c.bits = num, typ, nil, 0
	value := c.rest[n:]
	var m int
	switch typ {
	case protowire.VarintType:
		c.bits, m = protowire.ConsumeVarint(value)
	case protowire.Fixed64Type:
		c.bits, m = protowire.ConsumeFixed64(value)
	case protowire.BytesType:
		c.data, m = protowire.ConsumeBytes(value)
	case protowire.Fixed32Type:
		var v uint32
		v, m = protowire.ConsumeFixed32(value)
		c.bits = uint64(v)
	default:
		m = protowire.ConsumeFieldValue(num, typ, value)
	}
	if m < 0 {
		return c.fail(m)
	}
	c.span, c.body, c.rest = c.rest[:n+m:n+m], value[:m:m], value[m:]
	return true
}

func (c *cursor) fail(code int) bool {
	c.err = malformed(protowire.ParseError(code))
	return false
}

// is reports whether the field is num with the wire type typ. A known number with another wire type is an unknown
// field.
func (c *cursor) is(num protowire.Number, typ protowire.Type) bool {
	return c.num == num && c.typ == typ
}

// malformed returns the error for bytes that are no protobuf message. Whoever knows the path adds it (see within).
func malformed(err error) *FieldError {
	return faultf("", "send a well-formed protobuf message", "malformed protobuf: %v", err)
}

// text checks what a string field shall hold: proto3 refuses strings that aren't UTF-8.
func text(s string) error {
	if !utf8.ValidString(s) {
		return notUTF8()
	}
	return nil
}

func notUTF8() *FieldError { return faultf("", "send strings in UTF-8", "not valid UTF-8") }

// packed counts the varints in b, which is what a packed field holds.
func packed(b []byte) (int64, error) {
	var count int64
	for len(b) > 0 {
		if b[0] < 0x80 {
			b = b[1:]
		} else {
			_, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return 0, malformed(protowire.ParseError(n))
			}
			b = b[n:]
		}
		count++
	}
	return count, nil
}
