package conformance_test

// badRequests are those that a server should refuse.
func badRequests(s *server) []testCase {
	classifier, identity := s.name+"-classifier", s.name+"-identity"
	infer := func(name, model string, needs ability, inputs ...tensor) testCase {
		return testCase{Name: name, Call: "infer", Model: model, Form: "raw", Inputs: inputs, needs: needs}
	}
	renamed := x(oneRow, 1, 4)
	renamed.Name = "y"
	// In these two the shape tells of another number of rows than was sent.
	fewer, more := x(oneRow, 2, 4), x(threeRows, 1, 4)
	fewer.DataShape, more.DataShape = []int64{1, 4}, []int64{3, 4}
	version := infer("unknown version", classifier, anyClient, x(oneRow, 1, 4))
	version.Version = "7"
	output := infer("unknown output", classifier, anyClient, x(oneRow, 1, 4))
	output.Outputs = []string{"nothing"}
	surplus := infer("more raw contents than inputs", classifier, messages, x(oneRow, 1, 4))
	surplus.ExtraRaw = []string{"00000000"}
	form := func(t tensor, f string) tensor { t.Form = f; return t }

	return []testCase{
		infer("unknown model", "nobody", anyClient, x(oneRow, 1, 4)),
		version,
		infer("unknown input", classifier, anyClient, renamed),
		infer("one input too many", classifier, anyClient, x(oneRow, 1, 4), renamed),
		infer("missing input", identity, anyClient, without("in_fp64", everyType(text))...),
		infer("no input", classifier, anyClient),
		output,
		infer("wrong datatype", classifier, anyClient, tensor{Name: "x", Datatype: "INT32", Shape: []int64{1, 4}, Hex: "01000000020000000300000004000000"}),
		infer("wrong width", classifier, anyClient, x(rows(1, 2, 3), 1, 3)),
		infer("wrong rank", classifier, anyClient, x(oneRow, 4)),
		infer("no rows", classifier, anyClient, x("", 0, 4)),
		infer("fewer bytes than the shape says", classifier, wrongShapes, fewer),
		infer("more bytes than the shape says", classifier, wrongShapes, more),
		infer("contents cut inside an element", classifier, messages, x(oneRow[:len(oneRow)-2], 1, 4)),
		infer("negative dimension", classifier, messages, x(oneRow, -1, 4)),
		infer("shape of 2^33 elements", classifier, messages, x(oneRow, 1<<31, 4)),
		infer("unknown datatype", classifier, messages, tensor{Name: "x", Datatype: "FP128", Shape: []int64{1, 4}, Hex: oneRow}),
		infer("BF16, which none of the servers knows", s.name+"-halves", messages, tensor{Name: "in_fp16", Datatype: "BF16", Shape: []int64{1, 2}, Hex: "803f0040"}),
		infer("BYTES cut inside an element", identity, messages, everyType(text[:len(text)-2])...),
		infer("BYTES of fewer elements", identity, messages, everyType(bytesElements("a", "b", "c"))...),
		infer("contents in both forms", classifier, messages, form(x(oneRow, 1, 4), "both")),
		infer("contents in no form", classifier, messages, form(x(oneRow, 1, 4), "none")),
		surplus,
		// Field 5, inputs, claims 127 bytes and has 2.
		{Name: "message cut short", Call: "bytes", Payload: "2a7f0a01", needs: rawBytes},
		// A tag of wire type 7, which there is not.
		{Name: "no protobuf message", Call: "bytes", Payload: "ffffffffffffffffff01", needs: rawBytes},
		{Name: "empty message", Call: "bytes", Payload: "", needs: rawBytes},
	}
}

// streamed are calls of ModelStreamInfer; see servers/tensors.py for what the model does.
func streamed(s *server) []testCase {
	stream := func(name string, requests int, inputs ...tensor) testCase {
		return testCase{Name: name, Call: "stream", Model: s.name + "-stream", Form: "raw", Inputs: inputs, Requests: requests, ID: "stream-1", needs: streams}
	}
	unknown := stream("stream, unknown model", 1, x(oneRow, 1, 4))
	unknown.Model = "nobody"
	unary := stream("stream, a model that answers once", 1, x(oneRow, 1, 4))
	unary.Model = s.name + "-classifier"
	metadata := stream("stream, metadata tensors", 1, x(oneRow, 1, 4))
	metadata.Outputs, metadata.asks = []string{"probabilities"}, metadataTensors
	return []testCase{
		stream("stream, one request", 1, x(oneRow, 1, 4)),
		stream("stream, three requests", 3, x(oneRow, 1, 4)),
		metadata,
		unary,
		stream("stream, fails after the first answer", 1, x(rows(-1, 0, 0, 0), 1, 4)),
		stream("stream, no answer", 1, x(rows(-2, 0, 0, 0), 1, 4)),
		stream("stream, wrong width", 1, x(rows(1, 2, 3), 1, 3)),
		unknown,
	}
}
