package wire

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Transcode returns the response with its tensors in the other form: raw if raw, else typed. Clients differ in what
// they read (most only raw_output_contents), and servers in what they send. Elements keep their bits, everything
// but the tensors keeps its bytes. A response that has the form already, or has no tensors, is returned as it is.
// FP16 and BF16 exist only raw: asking for them typed is a *FieldError, as is any other problem with the message.
func (r *Response) Transcode(raw bool) (*Frame, error) {
	if r.RawForm == raw || len(r.Outputs) == 0 {
		return r.frame, nil
	}
	if r.RawForm && len(r.raws) != len(r.Outputs) {
		return nil, miscounted(rawOutputs, len(r.raws), len(r.Outputs))
	}
	return transcode(r.frame, r.Outputs, responseOutputs, responseRaw, raw)
}

// In returns the response in the form that the client reads: r itself if it has the form already, or can't have it because a
// tensor of FP16 or BF16 exists only raw.
func (r *Response) In(raw bool) (*Response, error) {
	if r.RawForm == raw || len(r.Outputs) == 0 || !raw && slices.ContainsFunc(r.Outputs, func(t Tensor) bool { return t.Datatype.OnlyRaw() }) {
		return r, nil
	}
	data, err := r.Transcode(raw)
	if err != nil {
		return nil, err
	}
	return ScanResponse(data)
}

// transcode returns a message whose tensors are the field tensorNum, and whose raw contents are the field rawNum, in the other
// form.
func transcode(from *Frame, tensors []Tensor, tensorNum, rawNum protowire.Number, raw bool) (*Frame, error) {
	runs := make([]run, len(tensors))
	for i := range tensors {
		var err error
		if runs[i], err = tensors[i].transcode(raw); err != nil {
			return nil, err
		}
	}
	a := assemble(from)
	at := 0
	c := walk(from, rawNum)
	for c.next() {
		switch {
		case c.is(tensorNum, protowire.BytesType):
			a.replace(c.start, c.end, appendBytes(nil, tensorNum, tensors[at].reformed(c.data, runs[at], raw)))
			at++
		case c.is(rawNum, protowire.BytesType):
			a.replace(c.start, c.end, nil)
		}
	}
	var tail []byte
	if raw {
		for _, elements := range runs {
			tail = appendBytes(tail, rawNum, elements.data)
		}
	}
	return a.finish(tail), nil
}

// transcode returns the tensor's elements as raw or typed contents hold them.
func (t *Tensor) transcode(raw bool) (run, error) {
	old, _, err := t.elements()
	if err != nil {
		return old, err
	}
	return t.reform(old, raw)
}

// reform returns elements of the tensor as raw or typed contents hold them.
func (t *Tensor) reform(old run, raw bool) (run, error) {
	out, ok := newRun(t.Datatype, raw)
	if !ok {
		return out, t.noRun()
	}
	var err error
	if t.Datatype == BYTES {
		err = out.addTexts(old.texts(nil))
	} else {
		err = old.numbers(func(bits uint64) error {
			out.addBits(bits)
			return nil
		})
	}
	if err != nil {
		return out, within(t.dataPath(), -1, err)
	}
	return out, nil
}

// reformed returns the tensor, whose encoding is message, without contents if raw, else with elements as its contents.
func (t *Tensor) reformed(message []byte, elements run, raw bool) []byte {
	var dst []byte
	c := cursor{rest: message}
	for c.next() {
		if !c.is(5, protowire.BytesType) {
			dst = append(dst, c.span...)
		}
	}
	if !raw {
		dst = appendBytes(dst, 5, appendRun(nil, t.Datatype.content(), elements.data))
	}
	return dst
}
