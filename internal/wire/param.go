package wire

import (
	"math"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// ParamKind says which type an InferParameter holds. It is the number of the field that holds it.
type ParamKind uint8

// The kinds of parameters. Only bool, int64 and string survive every dialect of the protocol: MLServer drops a double
// silently, the KServe SDK raises.
const (
	// ParamNone is a parameter without a value.
	ParamNone   ParamKind = 0
	ParamBool   ParamKind = 1
	ParamInt64  ParamKind = 2
	ParamString ParamKind = 3
	ParamDouble ParamKind = 4
	ParamUint64 ParamKind = 5
)

// Param is one entry of a `map<string, InferParameter>`. Kind says which of the value fields counts; the others are
// zero.
type Param struct {
	Key  string
	Kind ParamKind

	Bool  bool
	Int64 int64
	Str   string
	F64   float64
	U64   uint64
}

// BoolParam returns a parameter that holds a bool.
func BoolParam(key string, v bool) Param { return Param{Key: key, Kind: ParamBool, Bool: v} }

// Int64Param returns a parameter that holds an int64.
func Int64Param(key string, v int64) Param { return Param{Key: key, Kind: ParamInt64, Int64: v} }

// StringParam returns a parameter that holds a string, which must be valid UTF-8.
func StringParam(key, v string) Param { return Param{Key: key, Kind: ParamString, Str: v} }

// parseParam reads a map entry. An entry without a key has the empty one; an entry without a value has one that is
// not set.
func (s *scanner) parseParam(entry []byte) (Param, error) {
	var p Param
	c := cursor{rest: entry}
	for c.next() {
		var err error
		switch {
		case c.is(1, protowire.BytesType):
			p.Key, err = s.text(c.data)
			err = within("key", -1, err)
		case c.is(2, protowire.BytesType):
			err = within("value", -1, s.merge(&p, c.data))
		}
		if err != nil {
			return p, err
		}
	}
	return p, c.err
}

// merge reads an InferParameter into p: its fields are a oneof, so the last one that is set counts.
func (s *scanner) merge(p *Param, data []byte) error {
	c := cursor{rest: data}
	for c.next() {
		switch {
		case c.is(1, protowire.VarintType):
			*p = BoolParam(p.Key, c.bits != 0)
		case c.is(2, protowire.VarintType):
			*p = Int64Param(p.Key, int64(c.bits))
		case c.is(3, protowire.BytesType):
			str, err := s.text(c.data)
			if err != nil {
				return within("string_param", -1, err)
			}
			*p = StringParam(p.Key, str)
		case c.is(4, protowire.Fixed64Type):
			*p = Param{Key: p.Key, Kind: ParamDouble, F64: math.Float64frombits(c.bits)}
		case c.is(5, protowire.VarintType):
			*p = Param{Key: p.Key, Kind: ParamUint64, U64: c.bits}
		}
	}
	return c.err
}

// AppendParam appends p as an entry of the map of parameters of a request or of a response, which number it alike. What isn't
// UTF-8 in its strings is replaced by U+FFFD, since no client would accept the message.
func AppendParam(dst []byte, p Param) []byte {
	if !utf8.ValidString(p.Key) || !utf8.ValidString(p.Str) {
		p.Key, p.Str = strings.ToValidUTF8(p.Key, "\ufffd"), strings.ToValidUTF8(p.Str, "\ufffd")
	}
	return appendParam(dst, responseParameters, p)
}

// appendParam appends p as an entry of the map field num.
func appendParam(dst []byte, num protowire.Number, p Param) []byte {
	value := p.valueSize()
	entry := sizeOfBytes(len(p.Key)) + sizeOfBytes(value)
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(entry))
	dst = appendBytes(dst, 1, p.Key)
	dst = protowire.AppendTag(dst, 2, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(value))
	switch n := protowire.Number(p.Kind); p.Kind {
	case ParamBool:
		dst = protowire.AppendTag(dst, n, protowire.VarintType)
		dst = protowire.AppendVarint(dst, protowire.EncodeBool(p.Bool))
	case ParamInt64:
		dst = protowire.AppendTag(dst, n, protowire.VarintType)
		dst = protowire.AppendVarint(dst, uint64(p.Int64))
	case ParamString:
		dst = appendBytes(dst, n, p.Str)
	case ParamDouble:
		dst = protowire.AppendTag(dst, n, protowire.Fixed64Type)
		dst = protowire.AppendFixed64(dst, math.Float64bits(p.F64))
	case ParamUint64:
		dst = protowire.AppendTag(dst, n, protowire.VarintType)
		dst = protowire.AppendVarint(dst, p.U64)
	}
	return dst
}

// valueSize returns the length of the encoded InferParameter.
func (p *Param) valueSize() int {
	const tag = 1 // of fields below 16
	switch p.Kind {
	case ParamBool:
		return tag + 1
	case ParamInt64:
		return tag + protowire.SizeVarint(uint64(p.Int64))
	case ParamString:
		return sizeOfBytes(len(p.Str))
	case ParamDouble:
		return tag + protowire.SizeFixed64()
	case ParamUint64:
		return tag + protowire.SizeVarint(p.U64)
	}
	return 0
}

// sizeOfBytes returns the length of a length-delimited field below 16 that holds n bytes.
func sizeOfBytes(n int) int { return 1 + protowire.SizeBytes(n) }

// checkParams makes sure that every string of ps can be encoded.
func checkParams(ps []Param) error {
	for _, p := range ps {
		if !utf8.ValidString(p.Key) {
			return within("parameters.key", -1, notUTF8())
		}
		if !utf8.ValidString(p.Str) {
			return within("parameters["+p.Key+"]", -1, notUTF8())
		}
	}
	return nil
}

// appendBytes appends a length-delimited field.
func appendBytes[T string | []byte](dst []byte, num protowire.Number, v T) []byte {
	dst = protowire.AppendTag(dst, num, protowire.BytesType)
	dst = protowire.AppendVarint(dst, uint64(len(v)))
	return append(dst, v...)
}

// paramList collects the entries of a map: of two with one key the later counts.
type paramList struct {
	params []Param
	byKey  map[string]int // made when there are too many to look through one by one
}

// fewParams is how many parameters are looked through one by one; ordinary messages never need the map.
const fewParams = 8

func (l *paramList) add(p Param) {
	if i := l.find(p.Key); i >= 0 {
		l.params[i] = p
		return
	}
	l.params = append(l.params, p)
	switch {
	case l.byKey != nil:
		l.byKey[p.Key] = len(l.params) - 1
	case len(l.params) > fewParams:
		l.byKey = make(map[string]int)
		for i, q := range l.params {
			l.byKey[q.Key] = i
		}
	}
}

func (l *paramList) find(key string) int {
	if l.byKey != nil {
		if i, ok := l.byKey[key]; ok {
			return i
		}
		return -1
	}
	for i := range l.params {
		if l.params[i].Key == key {
			return i
		}
	}
	return -1
}
