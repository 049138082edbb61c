package conformance_test

// manyBytes is the size of the large request: more than gRPC's own limit of 4 MiB, less than KServe's of 8 MiB.
const manyBytes = 5 << 20

// half is an FP16 tensor; its contents repeat.
func half(contents string, times int, shape ...int64) tensor {
	return tensor{Name: "in_fp16", Datatype: "FP16", Shape: shape, Hex: contents, Times: times}
}

// goodRequests are those that a server answers.
func goodRequests(s *server) []testCase {
	classifier, identity, halves := s.name+"-classifier", s.name+"-identity", s.name+"-halves"
	infer := func(name, model, form string, inputs ...tensor) testCase {
		return testCase{Name: name, Call: "infer", Model: model, Form: form, Inputs: inputs, good: true}
	}
	// with changes a case.
	with := func(c testCase, change func(*testCase)) testCase { change(&c); return c }
	sendsTyped := func(c *testCase) { c.needs = typed }

	all := []testCase{
		infer("one row", classifier, "raw", x(oneRow, 1, 4)),
		with(infer("one row, typed", classifier, "typed", x(oneRow, 1, 4)), sendsTyped),
		infer("three rows", classifier, "raw", x(threeRows, 3, 4)),
		with(infer("three rows, typed", classifier, "typed", x(threeRows, 3, 4)), sendsTyped),
		with(infer("one output named", classifier, "raw", x(oneRow, 1, 4)), func(c *testCase) { c.Outputs = []string{s.otherOutput} }),
		with(infer("both outputs, in the other order", classifier, "raw", x(oneRow, 1, 4)), func(c *testCase) {
			c.Outputs = []string{s.otherOutput, s.scoreOutput}
		}),
		with(infer("an id", classifier, "raw", x(oneRow, 1, 4)), func(c *testCase) { c.ID = "conformance-17" }),
		with(infer("the pinned version", classifier, "raw", x(oneRow, 1, 4)), func(c *testCase) { c.Version = "1" }),
		with(infer("metadata tensors", classifier, "raw", x(threeRows, 3, 4)), func(c *testCase) {
			c.Outputs, c.asks = []string{s.scoreOutput}, metadataTensors
		}),
		with(infer("metadata tensors, typed", classifier, "typed", x(threeRows, 3, 4)), func(c *testCase) {
			c.Outputs, c.asks, c.needs = []string{s.scoreOutput}, metadataTensors, typed
		}),
		infer("every datatype", identity, "raw", everyType(binaryText)...),
		with(infer("every datatype, typed", identity, "typed", everyType(text)...), sendsTyped),
		infer("FP16", halves, "raw", half("003c00800100ff7b", 1, 2, 2)),
		infer("FP16, not a number", halves, "raw", half("007e01fc", 1, 1, 2)),
		infer("5 MiB", halves, "raw", half("003c", manyBytes/2, 1, manyBytes/2)),
		with(infer("parameters", identity, "raw", everyType(text)...), func(c *testCase) {
			c.Parameters = map[string]any{"text": "naïve", "whole": 1 << 40, "flag": true}
		}),
		with(infer("a parameter of the kind double", identity, "raw", everyType(text)...), func(c *testCase) {
			c.Parameters, c.needs = map[string]any{"text": "a", "ratio": 0.25}, doubles
		}),
		with(infer("priority, a uint64", classifier, "raw", x(oneRow, 1, 4)), func(c *testCase) { c.Priority, c.needs = 2, priorities }),
	}
	for _, algorithm := range []string{"gzip", "deflate"} {
		all = append(all, with(infer(algorithm, identity, "raw", everyType(binaryText)...), func(c *testCase) {
			c.Compression, c.needs = algorithm, compressed
		}))
	}
	return all
}

// otherCalls are the methods beside inference.
func otherCalls(s *server) []testCase {
	classifier := s.name + "-classifier"
	return []testCase{
		{Name: "ServerLive", Call: "ServerLive"},
		{Name: "ServerReady", Call: "ServerReady"},
		{Name: "ModelReady", Call: "ModelReady", Model: classifier},
		{Name: "ModelReady, unknown model", Call: "ModelReady", Model: "nobody"},
		{Name: "ModelReady, unknown version", Call: "ModelReady", Model: classifier, Version: "7", needs: versions},
		{Name: "ServerMetadata", Call: "ServerMetadata", needs: metadataCalls},
		{Name: "ModelMetadata", Call: "ModelMetadata", Model: classifier, needs: metadataCalls},
		{Name: "ModelMetadata of many tensors", Call: "ModelMetadata", Model: s.name + "-identity", needs: metadataCalls},
		{Name: "ModelMetadata, unknown model", Call: "ModelMetadata", Model: "nobody", needs: metadataCalls},
		{Name: "ModelMetadata, unknown version", Call: "ModelMetadata", Model: classifier, Version: "7", needs: metadataCalls},
		{Name: "ModelConfig", Call: "ModelConfig", Model: classifier, needs: tritonCalls},
		{Name: "ModelConfig, unknown model", Call: "ModelConfig", Model: "nobody", needs: tritonCalls},
		{Name: "ModelStatistics", Call: "ModelStatistics", Model: classifier, needs: tritonCalls},
		{Name: "ModelStatistics, unknown model", Call: "ModelStatistics", Model: "nobody", needs: tritonCalls},
		{Name: "RepositoryIndex", Call: "RepositoryIndex", Model: classifier, needs: tritonCalls},
	}
}
