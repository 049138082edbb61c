package wire

import (
	"bytes"
	"math"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// holds reports whether a peer of this form reads the kind.
func (f ParamForm) holds(k ParamKind) bool {
	return f == ParamsAll || k != ParamDouble && k != ParamUint64
}

// Convert returns p as a peer of this form can read it. A uint64 that an int64 holds becomes one; a larger one, and a double,
// becomes a string: the shortest decimal text that reads back as the same number (NaN, +Inf and -Inf by these names).
func (f ParamForm) Convert(p Param) Param {
	switch {
	case f.holds(p.Kind):
		return p
	case p.Kind == ParamDouble:
		return StringParam(p.Key, decimal(p.F64))
	case p.U64 <= math.MaxInt64:
		return Int64Param(p.Key, int64(p.U64))
	}
	return StringParam(p.Key, strconv.FormatUint(p.U64, 10))
}

// decimal is the shortest text that reads back as v.
func decimal(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// lacks reports whether one of the parameters is of a kind that a peer of this form doesn't read.
func (f ParamForm) lacks(ps []Param) bool {
	return f != ParamsAll && slices.ContainsFunc(ps, func(p Param) bool { return !f.holds(p.Kind) })
}

// For returns the request as software of the dialect reads it: r itself where it fits, and otherwise one with parameters
// converted, or with elements moved from raw_input_contents into each input's contents. Whatever needs no change keeps its
// bytes. The error is a *FieldError: FP16 and BF16 exist only raw.
func (r *Request) For(d *Dialect) (*Request, error) {
	f, typed := d.Params, d.TypedRequests && r.RawForm
	params := f != ParamsAll && (f.lacks(r.Params) ||
		slices.ContainsFunc(r.Inputs, func(t Tensor) bool { return f.lacks(t.Params) }) ||
		slices.ContainsFunc(r.Outputs, func(o RequestedOutput) bool { return f.lacks(o.Params) }))
	if !params && !typed {
		return r, nil
	}
	from := r.frame
	if params {
		from = f.convert(from, requestRaw, requestParameters, map[protowire.Number]protowire.Number{requestInputs: 4, requestOutputs: 2})
	}
	if typed {
		if len(r.raws) != len(r.Inputs) {
			return nil, miscounted(rawInputs, len(r.raws), len(r.Inputs))
		}
		for i := range r.Inputs {
			if t := &r.Inputs[i]; t.Datatype.OnlyRaw() {
				return nil, faultf(t.at("datatype"), "send another datatype", "%v exists only raw, and the model server reads only typed contents", t.Datatype)
			}
		}
		var err error
		if from, err = transcode(from, r.Inputs, requestInputs, requestRaw, false); err != nil {
			return nil, err
		}
	}
	return ScanRequest(from)
}

// For returns the response with parameters, its own and its tensors', that a client of the form reads: r itself where all are.
func (r *Response) For(f ParamForm) (*Response, error) {
	if f == ParamsAll || !f.lacks(r.Params) && !slices.ContainsFunc(r.Outputs, func(t Tensor) bool { return f.lacks(t.Params) }) {
		return r, nil
	}
	return ScanResponse(f.convert(r.frame, responseRaw, responseParameters, map[protowire.Number]protowire.Number{responseOutputs: 4}))
}

// convert returns a message that was scanned before with its parameters converted: its map of them is the field own, and nested
// gives the field of the map within each embedded message. far is the field of raw contents. What needs no change is not
// copied.
func (f ParamForm) convert(from *Frame, far, own protowire.Number, nested map[protowire.Number]protowire.Number) *Frame {
	a := assemble(from)
	c := walk(from, far)
	for c.next() {
		inner, embeds := nested[c.num]
		switch {
		case c.is(own, protowire.BytesType):
			if entry := f.entry(nil, &c.cursor); !bytes.Equal(entry, c.span) {
				a.replace(c.start, c.end, entry)
			}
		case embeds && c.typ == protowire.BytesType:
			if part := f.within(c.data, inner); !bytes.Equal(part, c.data) {
				a.replace(c.start, c.end, appendBytes(nil, c.num, part))
			}
		}
	}
	return a.finish(nil)
}

// within is convert for an embedded message.
func (f ParamForm) within(data []byte, own protowire.Number) []byte {
	dst := make([]byte, 0, len(data))
	c := cursor{rest: data}
	for c.next() {
		if c.is(own, protowire.BytesType) {
			dst = f.entry(dst, &c)
		} else {
			dst = append(dst, c.span...)
		}
	}
	return dst
}

// entry appends the map entry that c stands at, converted if it must be. It is written anew as a whole: readers that replace a
// repeated message instead of merging it, as protobuf.js does, would lose what is only appended.
func (f ParamForm) entry(dst []byte, c *cursor) []byte {
	p, err := new(scanner).parseParam(c.data)
	if err != nil || f.holds(p.Kind) {
		return append(dst, c.span...)
	}
	return appendParam(dst, c.num, f.Convert(p))
}
