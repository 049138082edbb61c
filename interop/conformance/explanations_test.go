package conformance_test

import "slices"

// becomes is a status at the server itself, and another one through Candor.
func becomes(direct, candor string) difference { return difference{"code", direct, candor} }

// answers are those at the server itself and through Candor; see kinds.
func answers(direct, candor string) difference { return difference{"answers", direct, candor} }

const (
	byTheCard   = "Candor holds a request against the model's card, and says which field is wrong and what to send."
	userMistake = "The request is what is wrong, and Candor says so; it never says UNKNOWN or INTERNAL to a caller's mistake."
	ownVersion  = "The server knows no versions. Candor's configuration names one, and every answer tells which."
	whoIsAsked  = "Who is asked, answers."
	modelFirst  = "Candor looks for the model first; a model that is there gets UNIMPLEMENTED on both ways."
	// unreadable is what tritonclient does with MLServer's streams.
	unreadable = "MLServer's frames are not Triton's, and tritonclient can't read them: the blocking one hangs, the one on asyncio raises an AttributeError. " +
		"Candor gives every client the frames that it reads."
	// rawForTriton is the form of answers.
	rawForTriton = "Those who were made for Triton read raw contents, whatever they send, and this consumer is configured as one. Candor answers raw, with the same bits."
	notReady     = "To Triton's clients a model that is not there is one that is not ready, as Triton says."
	// brokenOff is a stream that ends in the middle of a request.
	brokenOff = "The error comes in band, as Triton's clients read it, and the stream goes on."
	inBand    = "Triton's clients read errors of a request in band, and the stream goes on; Candor gives them that in front of every server."
)

var (
	tritonclients = []string{"tritonclient", "tritonclient.aio"}
	asTriton      = []string{"@grpc/grpc-js as Triton's"}
	// inFrames are all clients that read Triton's frames.
	inFrames = append(slices.Clone(tritonclients), asTriton...)
	// othersThanTriton are the clients whose dialect Candor is told to be another, or nothing of.
	othersThanTriton = []string{"tritonclient", "tritonclient.aio", "open-inference-grpc", "kserve", "@grpc/grpc-js"}
	// undeclared have told Candor nothing of their dialect.
	undeclared   = othersThanTriton[:4]
	unknownReady = []string{"ModelReady, unknown model", "ModelReady, unknown version"}
	typedChecks  = []string{"one row, typed", "three rows, typed", "metadata tensors, typed", "every datatype, typed"}
	// threeAnswers are what a model that streams answers to one request.
	threeAnswers = "response, response, response"
)

// explanations of what differs at a server.
var explanations = []explained{
	// MLServer.
	{
		server: "mlserver", checks: []string{"unknown input", "missing input", "wrong datatype"}, difference: becomes("OK", "INVALID_ARGUMENT"),
		why: byTheCard + " MLServer does not look at names and datatypes.",
	},
	{
		server: "mlserver", checks: []string{"BYTES of fewer elements", "contents in both forms", "more raw contents than inputs"},
		difference: becomes("OK", "INVALID_ARGUMENT"), why: "The contents contradict the shape or one another; MLServer takes what it can of them.",
	},
	{
		server: "mlserver",
		checks: []string{
			"wrong width", "wrong rank", "no rows", "fewer bytes than the shape says", "more bytes than the shape says", "contents cut inside an element",
			"negative dimension", "shape of 2^33 elements", "unknown datatype", "BF16, which none of the servers knows", "BYTES cut inside an element",
			"contents in no form",
		},
		difference: becomes("INTERNAL", "INVALID_ARGUMENT"), why: userMistake,
	},
	{
		server: "mlserver", checks: []string{"message cut short", "no protobuf message"}, difference: becomes("UNKNOWN", "INVALID_ARGUMENT"),
		why: userMistake + " (gRPC in Python: \"Exception deserializing request\".)",
	},
	{server: "mlserver", checks: unknownReady, clients: othersThanTriton, difference: becomes("UNKNOWN", "NOT_FOUND"), why: userMistake},
	{server: "mlserver", checks: unknownReady, clients: asTriton, difference: becomes("UNKNOWN", "OK"), why: notReady},
	{server: "mlserver", checks: []string{"ServerMetadata"}, difference: difference{"name", `"mlserver"`, `"candor"`}, why: whoIsAsked},
	{
		server: "mlserver", checks: []string{"ModelConfig, unknown model", "ModelStatistics, unknown model"}, difference: becomes("UNIMPLEMENTED", "NOT_FOUND"),
		why: modelFirst,
	},
	{
		server: "mlserver", checks: []string{"a parameter of the kind double"},
		difference: difference{"parameters", `{"text":"string_param a"}`, `{"ratio":"string_param 0.25","text":"string_param a"}`},
		why:        "MLServer's messages have no such kind, and it drops the parameter. Candor hands it on as text; the model of this suite repeats it.",
	},
	{server: "mlserver", checks: typedChecks, clients: asTriton, difference: difference{"form", "typed", "raw"}, why: rawForTriton},
	{
		server: "mlserver", clients: tritonclients, difference: becomes("CLIENT", "OK"), why: unreadable,
		checks: []string{"stream, one request", "stream, three requests", "stream, metadata tensors", "stream, a model that answers once"},
	},
	{
		server: "mlserver", clients: asTriton, difference: becomes("INTERNAL", "OK"), why: "As for tritonclient; @grpc/grpc-js says that it can't parse the response.",
		checks: []string{"stream, one request", "stream, three requests", "stream, metadata tensors", "stream, a model that answers once"},
	},
	{
		server: "mlserver", checks: []string{"stream, one request", "stream, metadata tensors"}, clients: inFrames, difference: answers("", threeAnswers),
		why: unreadable,
	},
	{
		server: "mlserver", checks: []string{"stream, three requests"}, clients: inFrames,
		difference: answers("", threeAnswers+", "+threeAnswers+", "+threeAnswers), why: unreadable,
	},
	{server: "mlserver", checks: []string{"stream, a model that answers once"}, clients: inFrames, difference: answers("", "response"), why: unreadable},
	{
		server: "mlserver", checks: []string{"stream, fails after the first answer"}, clients: tritonclients, difference: becomes("CLIENT", "OK"),
		why: unreadable + " MLServer breaks the stream off with a status; " + brokenOff,
	},
	{
		server: "mlserver", checks: []string{"stream, fails after the first answer"}, clients: asTriton, difference: becomes("INTERNAL", "OK"),
		why: "As for tritonclient.",
	},
	{
		server: "mlserver", checks: []string{"stream, fails after the first answer"}, clients: inFrames, difference: answers("", "response, error"), why: brokenOff,
	},
	{
		server: "mlserver", checks: []string{"stream, no answer"}, clients: inFrames, difference: becomes("INTERNAL", "OK"),
		why: "MLServer fails by itself where a model answers nothing; the request's error comes in band. " + inBand,
	},
	{server: "mlserver", checks: []string{"stream, wrong width"}, clients: inFrames, difference: becomes("INVALID_ARGUMENT", "OK"), why: inBand},
	{server: "mlserver", checks: []string{"stream, unknown model"}, clients: inFrames, difference: becomes("NOT_FOUND", "OK"), why: inBand},
	{
		server: "mlserver", checks: []string{"stream, no answer", "stream, wrong width", "stream, unknown model"}, clients: inFrames,
		difference: answers("", "error"), why: inBand,
	},

	// The KServe Python SDK.
	{server: "kserve", answered: true, difference: difference{"version", "", "1"}, why: ownVersion},
	{server: "kserve", checks: []string{"ModelMetadata", "ModelMetadata of many tensors"}, difference: difference{"versions", "", `["1"]`}, why: ownVersion},
	{
		server: "kserve", checks: []string{"unknown version", "ModelMetadata, unknown version"},
		difference: becomes("OK", "NOT_FOUND"), why: ownVersion,
	},
	{
		server: "kserve", checks: []string{"ModelReady, unknown version"}, clients: othersThanTriton, difference: becomes("OK", "NOT_FOUND"), why: ownVersion,
	},
	{
		server: "kserve", checks: []string{"ModelReady, unknown version"}, clients: asTriton, difference: difference{"answer", "true", "false"},
		why: ownVersion + " " + notReady,
	},
	{server: "kserve", checks: []string{"ModelReady, unknown model"}, clients: asTriton, difference: becomes("NOT_FOUND", "OK"), why: notReady},
	{
		server: "kserve", checks: []string{"one input too many", "no rows", "negative dimension"}, difference: becomes("OK", "INVALID_ARGUMENT"), why: byTheCard,
	},
	{
		server: "kserve",
		checks: []string{
			"fewer bytes than the shape says", "more bytes than the shape says", "contents cut inside an element", "shape of 2^33 elements",
			"BYTES cut inside an element", "BYTES of fewer elements", "contents in no form",
		},
		difference: becomes("INTERNAL", "INVALID_ARGUMENT"), why: userMistake,
	},
	{
		server: "kserve", checks: []string{"message cut short", "no protobuf message"}, difference: becomes("UNKNOWN", "INVALID_ARGUMENT"), why: userMistake,
	},
	{
		server: "kserve", checks: []string{"a parameter of the kind double"},
		difference: difference{"parameters", `{"ratio":"double_param 0.25","text":"string_param a"}`, `{"ratio":"string_param 0.25","text":"string_param a"}`},
		why:        "The SDK's messages have no such kind. This model repeats what it can't read; Candor hands it on as text, which a model can.",
	},
	{server: "kserve", checks: typedChecks, clients: asTriton, difference: difference{"form", "typed", "raw"}, why: rawForTriton},
	{server: "kserve", checks: []string{"ServerMetadata"}, difference: difference{"name", `"kserve"`, `"candor"`}, why: whoIsAsked},
	{
		server: "kserve", checks: []string{"ModelConfig, unknown model", "ModelStatistics, unknown model"}, difference: becomes("UNIMPLEMENTED", "NOT_FOUND"),
		why: modelFirst,
	},
	{
		server: "kserve", checks: []string{"RepositoryIndex"}, difference: becomes("UNIMPLEMENTED", "OK"),
		why: "Candor lists the models that the caller may use, whatever serves them.",
	},
	{
		server: "kserve", difference: becomes("UNIMPLEMENTED", "OK"), why: "The SDK has no streams. " + inBand,
		checks: []string{
			"stream, one request", "stream, three requests", "stream, metadata tensors", "stream, a model that answers once",
			"stream, fails after the first answer", "stream, no answer", "stream, wrong width", "stream, unknown model",
		},
	},
	{
		server: "kserve", difference: answers("", "error"), why: inBand,
		checks: []string{
			"stream, one request", "stream, metadata tensors", "stream, fails after the first answer", "stream, no answer", "stream, wrong width",
			"stream, unknown model",
		},
	},
	{
		server: "kserve", checks: []string{"stream, a model that answers once"}, difference: answers("", "response"),
		why: "A request on a stream is one that can be asked without.",
	},
	{server: "kserve", checks: []string{"stream, three requests"}, difference: answers("", "error, error, error"), why: inBand},

	// Triton.
	{
		server: "triton", checks: []string{"more raw contents than inputs"}, difference: becomes("OK", "INVALID_ARGUMENT"),
		why: "Nothing says which input the surplus belongs to. Triton drops it.",
	},
	{server: "triton", checks: []string{"message cut short", "no protobuf message"}, difference: becomes("INTERNAL", "INVALID_ARGUMENT"), why: userMistake},
	{
		server: "triton", checks: unknownReady, clients: undeclared, difference: becomes("OK", "NOT_FOUND"),
		why: "Triton says that a model which is not there is not ready. To those who have not said that they are Triton's clients Candor says that it is not there.",
	},
	{server: "triton", checks: []string{"ServerMetadata"}, difference: difference{"name", `"triton"`, `"candor"`}, why: whoIsAsked},
	{
		server: "triton", checks: []string{"ModelStatistics, unknown model"}, difference: becomes("INVALID_ARGUMENT", "NOT_FOUND"),
		why: "A model that is not there is NOT_FOUND in every method of Candor's; Triton says so in its other methods.",
	},
	{
		server: "triton", checks: []string{"RepositoryIndex"}, difference: difference{"answer", "false", "true"},
		why: "PyTriton loads its models by itself, so Triton's repository is empty. Candor lists the models that the caller may use.",
	},
}
