package backend

import (
	"google.golang.org/grpc/codes"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// said is the Failure of an error in band. Triton sends such errors without a status, so what they are is told by their words, and
// they get the status that the same words have in a unary answer (core: infer_request.cc, sequence_batch_scheduler.cc; the Python
// backend: python_be.cc; server: stream_infer_handler.cc).
//
// Words that nobody knows count neither way: bad input that counted would let clients open the breaker. Their request takes its
// route all the same, as after any failure.
func said(message string) *Failure {
	f := &Failure{
		Class: Alive, Code: codes.Internal, Message: message,
		Reason: candorv1.Reason_REASON_BACKEND_FAILURE, Source: candorv1.FailureSource_FAILURE_SOURCE_BACKEND,
	}
	switch {
	case contains(message, tritonQueue):
		f.Class, f.Reason, f.Code = Overload, candorv1.Reason_REASON_OVERLOAD, codes.Unavailable
	case contains(message, tritonStops):
		f.Class, f.Code = Failed, codes.Unavailable
	case contains(message, tritonRefusals):
		f.Code = codes.InvalidArgument
	case contains(message, tritonUnknown):
		f.Code = codes.NotFound
	case (contains(message, tritonCrashes) || contains(message, crashes)) && !contains(message, badInputs):
		f.Class = Failed
	}
	return f
}

var (
	tritonStops    = []string{"has stopped accepting new", "server is shutting down"}
	tritonUnknown  = []string{"request for unknown model", "is not found"}
	tritonRefusals = []string{
		"unexpected shape for input", "unexpected inference input", "unexpected inference output", "input byte size mismatch",
		"unexpected total byte size", "inputs but got", "expected number of inputs between", "batch-size must be <=",
		"must specify batch-size 1", "batch size does not match other inputs", "has no shape but model requires batch dimension",
		"all input dimensions should be specified", "data-type is '", "string length indicator", "already exists in request",
		"must specify the start flag", "are reserved for triton",
	}
	tritonCrashes = []string{"failed to process the request", "stub process is not healthy", "onnx runtime error", "pytorch execute failure"}
)
