package wire

import "strings"

// Validate reports the first thing that makes the request meaningless although it is well-formed protobuf, as a
// *FieldError: an unknown datatype, a negative dimension, a shape that overflows or claims other than was sent, raw
// and typed contents mixed, elements in the wrong field, FP16 or BF16 outside raw contents, a truncated BYTES element,
// two inputs with one name, a tensor in shared memory.
//
// It doesn't look at the values of elements.
func (r *Request) Validate() error {
	for i := range r.Outputs {
		if err := refuseSharedMemory(r.Outputs[i].Params); err != nil {
			return within("outputs", i, err)
		}
	}
	return validateTensors(r.Inputs, rawInputs, r.raws)
}

// Validate is the same for the tensors of a response.
func (r *Response) Validate() error {
	return validateTensors(r.Outputs, rawOutputs, r.raws)
}

func validateTensors(ts []Tensor, rawField string, raws []rawContents) error {
	names := nameSet{tensors: ts}
	for i := range ts {
		t := &ts[i]
		if !names.add(i) {
			return faultf(t.at("name"), "give each tensor a name of its own", "a second tensor is named %q", t.Name)
		}
		if err := refuseSharedMemory(t.Params); err != nil {
			return within(t.owner, t.index, err)
		}
		if t.Datatype == 0 {
			return faultf(t.at("datatype"), "send one of "+datatypeNames(), "%q is not a datatype", t.DatatypeName)
		}
		if _, err := t.Elements(); err != nil {
			return err
		}
	}
	// Not before the tensors: what is wrong with one of them explains more than the numbers do.
	if len(raws) > 0 && len(raws) != len(ts) {
		return miscounted(rawField, len(raws), len(ts))
	}
	for i := range ts {
		if _, err := ts[i].check(); err != nil {
			return err
		}
	}
	return nil
}

// nameSet finds tensors with one name.
type nameSet struct {
	tensors []Tensor
	seen    map[string]struct{} // made when there are too many to look through one by one
}

// fewTensors is how many tensors are looked through one by one; ordinary messages never need the map.
const fewTensors = 8

// add reports whether no tensor before the i-th has its name.
func (s *nameSet) add(i int) bool {
	name := s.tensors[i].Name
	if len(s.tensors) <= fewTensors {
		return findTensor(s.tensors[:i], name) == nil
	}
	if s.seen == nil {
		s.seen = make(map[string]struct{}, len(s.tensors))
	}
	before := len(s.seen)
	s.seen[name] = struct{}{}
	return len(s.seen) > before
}

// refuseSharedMemory refuses Triton's reference to memory of the client's machine, which a gateway can't see.
func refuseSharedMemory(params []Param) error {
	if _, ok := findParam(params, "shared_memory_region"); ok {
		return faultf("parameters[shared_memory_region]", "send the contents in the message",
			"tensors in shared memory can't pass a gateway")
	}
	return nil
}

func datatypeNames() string {
	var names []string
	for d := BOOL; d <= BYTES; d++ {
		names = append(names, d.String())
	}
	return strings.Join(names, ", ")
}
