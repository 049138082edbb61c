package wire

import "google.golang.org/protobuf/encoding/protowire"

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
	runs := make([]run, len(r.Outputs))
	for i := range r.Outputs {
		var err error
		if runs[i], err = r.Outputs[i].transcode(raw); err != nil {
			return nil, err
		}
	}
	a := assemble(r.frame)
	output := 0
	c := walk(r.frame, responseRaw)
	for c.next() {
		switch {
		case c.is(responseOutputs, protowire.BytesType):
			a.replace(c.start, c.end, appendBytes(nil, responseOutputs, r.Outputs[output].reformed(c.data, runs[output], raw)))
			output++
		case c.is(responseRaw, protowire.BytesType):
			a.replace(c.start, c.end, nil)
		}
	}
	var tail []byte
	if raw {
		for _, elements := range runs {
			tail = appendBytes(tail, responseRaw, elements.data)
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
	out, ok := newRun(t.Datatype, raw)
	if !ok {
		return out, t.noRun()
	}
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
