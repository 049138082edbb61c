package oiptest

import (
	"context"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/gen/inference"
)

// Responder answers one call. It must heed ctx if it blocks, must not change the request (it is on record), and is
// called from many goroutines at once. An error should be a gRPC status. Model name, version and id may be left empty
// in an answer that has outputs: the server fills them in.
type Responder func(ctx context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error)

// ProbabilitiesOutput is the name of the output of [Const] and [Probabilities].
const ProbabilitiesOutput = "probabilities"

// maxRows keeps a request that claims 2^40 rows from filling memory with answers to them.
const maxRows = 1 << 20

// Const answers the same scores for every row: output "probabilities", FP32 [rows, len(scores)].
func Const(scores ...float32) Responder {
	return Probabilities([][]float32{scores})
}

// Probabilities answers row i of a request with rows[i mod len(rows)]: output "probabilities", FP32 [rows, K] where K
// is the length of the first of rows, which must not be empty. The form mirrors the request's.
func Probabilities(rows [][]float32) Responder {
	return func(_ context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		n := Call{Request: req}.Rows()
		if n > maxRows {
			return nil, status.Errorf(codes.InvalidArgument, "oiptest: more than %d rows", maxRows)
		}
		var values []float32
		for i := range n {
			values = append(values, rows[i%len(rows)]...)
		}
		return Reply(req, FP32(ProbabilitiesOutput, []int64{int64(n), int64(len(rows[0]))}, values...)), nil
	}
}

// PerRow answers f of each row of the request's first input, which must be FP32 in either form: output FP32
// [rows, len(f's result)], so that a test can tell which row an answer belongs to.
func PerRow(output string, f func(row []float32) []float32) Responder {
	return func(_ context.Context, req *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		values, err := inputFloats(req)
		if err != nil {
			return nil, status.Errorf(codes.InvalidArgument, "oiptest: %v", err)
		}
		n := Call{Request: req}.Rows()
		if n == 0 || len(values)%n != 0 {
			return nil, status.Errorf(codes.InvalidArgument, "oiptest: %d values in %d rows", len(values), n)
		}
		var out []float32
		for row := range slices.Chunk(values, max(1, len(values)/n)) {
			out = append(out, f(row)...)
		}
		return Reply(req, FP32(output, []int64{int64(n), int64(len(out) / n)}, out...)), nil
	}
}

// Reply builds the answer that a well-behaved server would give to req: in its form, and of these outputs only those
// that it asks for, in the order given here; all, if it names none.
func Reply(req *inference.ModelInferRequest, outputs ...Tensor) *inference.ModelInferResponse {
	return ReplyIn(Mirror(req), req, outputs...)
}

// ReplyIn is Reply in a form of the server's own: Triton answers raw, TorchServe typed, whatever they were sent.
func ReplyIn(form Form, req *inference.ModelInferRequest, outputs ...Tensor) *inference.ModelInferResponse {
	if len(req.GetOutputs()) > 0 {
		outputs = slices.DeleteFunc(slices.Clone(outputs), func(t Tensor) bool {
			return !slices.ContainsFunc(req.GetOutputs(), func(out *inference.ModelInferRequest_InferRequestedOutputTensor) bool {
				return out.GetName() == t.Name
			})
		})
	}
	return Response(form, outputs...)
}

// Always answers every call with the same message, whatever was asked.
func Always(resp *inference.ModelInferResponse) Responder {
	return func(context.Context, *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		return resp, nil
	}
}

// Fail answers with a status.
func Fail(code codes.Code, message string) Responder {
	return func(context.Context, *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		return nil, status.Error(code, message)
	}
}

// Bytes answers with exactly these bytes as the message: fields that the protocol doesn't know, fields in an unusual
// order, or no message at all.
//
// The bytes travel as the unknown fields of an otherwise empty message, which protobuf-go writes out verbatim.
func Bytes(wire []byte) Responder {
	return func(context.Context, *inference.ModelInferRequest) (*inference.ModelInferResponse, error) {
		resp := new(inference.ModelInferResponse)
		resp.ProtoReflect().SetUnknown(wire)
		return resp, nil
	}
}
