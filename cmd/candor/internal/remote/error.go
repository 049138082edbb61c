package remote

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/candor-gateway/candor/cmd/candor/internal/cli"
	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// explain puts the error of a call into the words of the command line: the gateway's message, its reason, and the remedy, the
// gateway's own where it names one.
func (f *Flags) explain(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	st, ok := status.FromError(err)
	if !ok {
		return err
	}
	info := infoOf(st)
	if info == nil {
		return f.unexplained(st)
	}
	what := fmt.Sprintf("%s (%s)", cli.Plain(st.Message()), info.GetReason())
	remedy := cli.Plain(info.GetMetadata()["remedy"])
	if remedy == "" && !strings.Contains(st.Message(), "; ") {
		remedy = remedies[ParseReason(info.GetReason())]
	}
	return &cli.Error{What: what, Remedy: remedy, Err: st.Err()}
}

// unexplained is for statuses without a reason of ours: those that grpc-go made on this side, and servers that are no gateway.
func (f *Flags) unexplained(st *status.Status) error {
	e := &cli.Error{Err: st.Err()}
	message := cli.Plain(st.Message())
	switch st.Code() {
	case codes.Unavailable:
		e.What = fmt.Sprintf("no gateway answers at %s: %s", f.Server(), dialError(message))
		e.Remedy = "start one with candor serve, or name its address with --server; one that talks TLS needs --tls"
		if f.usesTLS() {
			e.Remedy = "start one with candor serve, or name its address with --server; --ca-file and --server-name say what certificate to expect"
		}
	case codes.DeadlineExceeded:
		e.What = fmt.Sprintf("%s did not answer within %v", f.Server(), f.timeout)
		e.Remedy = "try again, or give it longer with --timeout"
	case codes.Unimplemented:
		e.What = fmt.Sprintf("%s does not know the call: %s", f.Server(), message)
		e.Remedy = "name a Candor gateway's gRPC address, of this version or a newer one, with --server"
	default:
		e.What = fmt.Sprintf("%s: %s", st.Code(), message)
	}
	return e
}

// dialError is what is of use in the words of grpc-go for a connection that can't be made.
func dialError(message string) string {
	const before = "transport: Error while dialing: "
	if _, cause, ok := strings.Cut(message, before); ok {
		return strings.TrimSuffix(cause, `"`)
	}
	return message
}

// Reason answers which of the gateway's reasons an error has; unspecified: none.
func Reason(err error) candorv1.ErrorReason {
	if st := statusOf(err); st != nil {
		return ParseReason(infoOf(st).GetReason())
	}
	return candorv1.ErrorReason_ERROR_REASON_UNSPECIFIED
}

// Code answers the gRPC code of an error; Unknown: it is no answer to a call.
func Code(err error) codes.Code {
	if st := statusOf(err); st != nil {
		return st.Code()
	}
	return codes.Unknown
}

// Field answers which field of the request an error is about; empty: none.
func Field(err error) string {
	for _, d := range statusOf(err).Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok && len(bad.GetFieldViolations()) > 0 {
			return bad.GetFieldViolations()[0].GetField()
		}
	}
	return ""
}

func statusOf(err error) *status.Status {
	var e *cli.Error
	if errors.As(err, &e) && e.Err != nil {
		err = e.Err
	}
	st, ok := status.FromError(err)
	if !ok {
		return nil
	}
	return st
}

// ParseReason reads a reason in the form in which ErrorInfo has it.
func ParseReason(name string) candorv1.ErrorReason {
	return candorv1.ErrorReason(candorv1.ErrorReason_value["ERROR_REASON_"+name])
}

func infoOf(st *status.Status) *errdetails.ErrorInfo {
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.GetDomain() == "candor" {
			return info
		}
	}
	return nil
}

// remedies say what to do at a terminal about errors whose message doesn't.
var remedies = map[candorv1.ErrorReason]string{
	candorv1.ErrorReason_ERROR_REASON_UNAUTHENTICATED:       "name your token with --token-file or in $" + tokenVariable,
	candorv1.ErrorReason_ERROR_REASON_PREDICTION_NOT_FOUND:  "copy the id from the reply's candor_prediction_id, and ask as its consumer or as an operator",
	candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_NOT_FOUND: "candor review list shows the items that there are",
	candorv1.ErrorReason_ERROR_REASON_REVIEW_ITEM_RESOLVED:  "candor review show has the verdict",
	candorv1.ErrorReason_ERROR_REASON_QUEUE_EMPTY:           "candor review list --state any shows what was there",
	candorv1.ErrorReason_ERROR_REASON_ARTEFACT_NOT_FOUND:    "candor artefacts list shows what there is",
	candorv1.ErrorReason_ERROR_REASON_LIMIT_NOT_FOUND:       "candor limits list shows their names",
	candorv1.ErrorReason_ERROR_REASON_STORE_UNAVAILABLE:     "try again; the gateway's log says what is wrong with its store",
	candorv1.ErrorReason_ERROR_REASON_INTERNAL:              "report it with what the gateway's log says",
}
