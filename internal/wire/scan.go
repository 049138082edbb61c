package wire

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// scanner reads the parts that requests and responses have in common, and counts what it makes room for.
type scanner struct {
	items int
	room  *room // nil: a single string or parameter is read
	dims  int   // of room.dims, how many are taken
	sizes int   // how many dimensions there are
}

// text checks what a string field holds, and returns it.
func (s *scanner) text(b []byte) (string, error) {
	if !utf8.Valid(b) {
		return "", notUTF8()
	}
	if s.room == nil {
		return string(b), nil
	}
	return s.room.names.string(b), nil
}

// item makes sure that the message may have one more tensor, output, parameter or raw content.
func (s *scanner) item() error {
	if s.items++; s.items > MaxItems {
		return faultf("", "send fewer", "more than %d tensors, parameters and outputs in one message", MaxItems)
	}
	return nil
}

// tensor reads an InferInputTensor or InferOutputTensor, which have the same fields.
func (s *scanner) tensor(t *Tensor, data []byte) error {
	if err := s.item(); err != nil {
		return err
	}
	var params paramList
	c := cursor{rest: data}
	for c.next() {
		var err error
		var field string
		switch {
		case c.is(1, protowire.BytesType):
			field = "name"
			t.Name, err = s.text(c.data)
		case c.is(2, protowire.BytesType):
			field = "datatype"
			err = s.datatype(t, c.data)
		case c.is(3, protowire.VarintType):
			field = "shape"
			if err = s.dimensions(1); err == nil {
				t.Shape = append(t.Shape, int64(c.bits))
			}
		case c.is(3, protowire.BytesType):
			field = "shape"
			err = s.packedShape(t, c.data)
		case c.is(4, protowire.BytesType):
			field = "parameters"
			err = s.param(&params, c.data)
		case c.is(5, protowire.BytesType):
			field = "contents"
			err = t.addContents(c.data)
		}
		if err != nil {
			return within(field, -1, err)
		}
	}
	t.Params = params.params
	return c.err
}

func (s *scanner) datatype(t *Tensor, b []byte) error {
	// The names that the protocol knows are the common case, and need no copy of their own.
	if d, ok := ParseDatatype(string(b)); ok {
		t.Datatype, t.DatatypeName = d, d.String()
		return nil
	}
	var err error
	t.Datatype = 0
	t.DatatypeName, err = s.text(b)
	return err
}

func (s *scanner) packedShape(t *Tensor, b []byte) error {
	n, err := packed(b)
	if err != nil {
		return err
	}
	if err := s.dimensions(n); err != nil {
		return err
	}
	if t.Shape == nil {
		if end := s.dims + int(n); end <= len(s.room.dims) {
			t.Shape, s.dims = s.room.dims[s.dims:s.dims:end], end
		} else {
			t.Shape = make([]int64, 0, n)
		}
	}
	for len(b) > 0 {
		v, m := protowire.ConsumeVarint(b)
		t.Shape = append(t.Shape, int64(v))
		b = b[m:]
	}
	return nil
}

// dimensions makes sure that the message may have n more of them.
func (s *scanner) dimensions(n int64) error {
	if n > int64(MaxDimensions-s.sizes) {
		return faultf("", "send shapes of fewer dimensions", "more than %d dimensions in one message", MaxDimensions)
	}
	s.sizes += int(n)
	return nil
}

// param reads one entry of a map of parameters.
func (s *scanner) param(list *paramList, entry []byte) error {
	if err := s.item(); err != nil {
		return err
	}
	p, err := s.parseParam(entry)
	if err != nil {
		return err
	}
	list.add(p)
	return nil
}

// requestedOutput reads an InferRequestedOutputTensor.
func (s *scanner) requestedOutput(data []byte) (RequestedOutput, error) {
	var out RequestedOutput
	if err := s.item(); err != nil {
		return out, err
	}
	var params paramList
	c := cursor{rest: data}
	for c.next() {
		var err error
		var field string
		switch {
		case c.is(1, protowire.BytesType):
			field = "name"
			out.Name, err = s.text(c.data)
		case c.is(2, protowire.BytesType):
			field = "parameters"
			err = s.param(&params, c.data)
		}
		if err != nil {
			return out, within(field, -1, err)
		}
	}
	out.Params = params.params
	return out, c.err
}

// attachRaw gives each tensor its raw content. Contents without a tensor are left to Validate.
func attachRaw(tensors []Tensor, raws []rawContents) {
	for i := range min(len(tensors), len(raws)) {
		tensors[i].raw, tensors[i].HasRaw = raws[i], true
	}
}
