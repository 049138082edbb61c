package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
	"github.com/candor-gateway/candor/internal/wire"
)

// errorDomain is ErrorInfo.domain of everything that Candor says.
const errorDomain = "candor"

// Error is what a caller is told: a standard code, one documented reason, and the details that fit it.
type Error struct {
	Code    codes.Code
	Reason  candorv1.ErrorReason
	Message string
	// Metadata of the ErrorInfo; prediction_id and trace_id are added where known.
	Metadata map[string]string
	// Field path and what is wrong with it; empty: none.
	Field, FieldProblem string
	// RetryAfter; 0 or less: no advice.
	RetryAfter time.Duration
	// Resource that the error is about: type and name; empty: none.
	ResourceType, Resource string
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", shortReason(e.Reason), e.Message) }

// with adds a key of metadata and answers e.
func (e *Error) with(key, value string) *Error {
	if e.Metadata == nil {
		e.Metadata = map[string]string{}
	}
	e.Metadata[key] = value
	return e
}

// errf makes an Error.
func errf(code codes.Code, reason candorv1.ErrorReason, format string, args ...any) *Error {
	return &Error{Code: code, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// invalid makes the Error of a fault in a request's field.
func invalid(field, problem string) *Error {
	e := errf(codes.InvalidArgument, candorv1.ErrorReason_ERROR_REASON_INVALID_REQUEST, "%s: %s", field, problem)
	e.Field, e.FieldProblem = field, problem
	return e.with("field", field)
}

// fromWire makes the Error of a request that could not be read.
func fromWire(err error) *Error {
	var fe *wire.FieldError
	if errors.As(err, &fe) {
		if fe.Field == "" {
			return invalid("request", fe.Error())
		}
		return invalid(fe.Field, strings.TrimPrefix(fe.Error(), fe.Field+": "))
	}
	return invalid("request", err.Error())
}

// What of a caller's own text an error repeats, in bytes. All of a status must fit into trailers that every client takes (see
// maxTrailers), and a model's name may be as long as a message.
const (
	maxErrorMessage  = 400
	maxErrorProblem  = 300
	maxErrorField    = 128
	maxErrorMetadata = 160
)

// GRPCStatus makes errors of this package statuses wherever grpc-go meets them.
func (e *Error) GRPCStatus() *status.Status {
	st := status.New(e.Code, brief(e.Message, maxErrorMessage))
	info := &errdetails.ErrorInfo{Reason: shortReason(e.Reason), Domain: errorDomain, Metadata: make(map[string]string, len(e.Metadata))}
	for k, v := range e.Metadata {
		info.Metadata[k] = brief(v, maxErrorMetadata)
	}
	details := []protoadapt.MessageV1{info}
	if e.Field != "" {
		details = append(details, &errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: brief(e.Field, maxErrorField), Description: brief(e.FieldProblem, maxErrorProblem), Reason: shortReason(e.Reason)},
		}})
	}
	if e.Resource != "" {
		details = append(details, &errdetails.ResourceInfo{
			ResourceType: e.ResourceType, ResourceName: brief(e.Resource, maxErrorMetadata), Description: brief(e.Message, maxErrorProblem),
		})
	}
	if e.RetryAfter > 0 {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(e.RetryAfter)})
	}
	out, err := st.WithDetails(details...)
	if err != nil {
		// Nothing here can fail to be encoded; if it did, the code and the message would still stand.
		return st
	}
	return out
}

// brief is text of at most n bytes, valid UTF-8, with a mark where it was cut.
func brief(s string, n int) string {
	const mark = "…"
	if len(s) <= n {
		return strings.ToValidUTF8(s, "?")
	}
	return cut(s, n-len(mark)) + mark
}

func shortReason(r candorv1.ErrorReason) string {
	return strings.TrimPrefix(r.String(), "ERROR_REASON_")
}

// toStatus is the one way out for errors of handlers.
func (g *Gateway) toStatus(ctx context.Context, method string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e.GRPCStatus().Err()
	}
	if errors.Is(err, context.Canceled) {
		return errf(codes.Canceled, candorv1.ErrorReason_ERROR_REASON_CANCELLED, "the caller went away").GRPCStatus().Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errf(codes.DeadlineExceeded, candorv1.ErrorReason_ERROR_REASON_DEADLINE_EXCEEDED, "the deadline passed").GRPCStatus().Err()
	}
	// Whatever else gets here is the store's trouble; its words are for our log, not for callers.
	g.log.ErrorContext(ctx, "request failed", slog.String("method", method), slog.Any("error", err))
	return storeUnavailable().GRPCStatus().Err()
}

func storeUnavailable() *Error {
	e := errf(codes.Unavailable, candorv1.ErrorReason_ERROR_REASON_STORE_UNAVAILABLE,
		"the store did not answer, and nothing leaves without its record; try again")
	e.RetryAfter = time.Second
	return e
}
