package backend

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// pushbackHeader is the trailer by which a gRPC server asks to be called less (gRFC A6).
const pushbackHeader = "grpc-retry-pushback-ms"

// nearlyAll is the share of an attempt's time after which the model server's own DEADLINE_EXCEEDED counts as our timer's:
// servers (another gateway, say) give up a little before the time that we told them, to be the ones who say so.
const nearlyAll = 0.8

// ended is what is known about an attempt that ended with an error.
type ended struct {
	status *status.Status
	// said: the model server sent this status; otherwise our own client made it.
	said    bool
	trailer metadata.MD
	// callerGone: the caller cancelled, or its own deadline passed, before our timer fired. callerLate tells the second.
	callerGone, callerLate bool
	// timeUp: our own timer fired.
	timeUp bool
	// ours: our own timer was to fire before the caller's deadline.
	ours           bool
	elapsed, given time.Duration
	// enough: a working server would have answered in the time given.
	enough bool
}

// classify says what an attempt's error means for the model server. Its Failure lacks only the backend's name and the
// figures of the call.
func classify(d candorv1.Dialect, maxBytes int, e ended) *Failure {
	code, text := e.status.Code(), e.status.Message()
	switch {
	case e.callerGone && e.callerLate && e.enough:
		return inferred(Failed, candorv1.Reason_REASON_DEADLINE, codes.DeadlineExceeded, "no answer within %v", e.given.Round(time.Microsecond))
	case e.callerGone && e.callerLate:
		// Also when a status came: servers turn a passed deadline into any status they like.
		return inferred(Excluded, candorv1.Reason_REASON_DEADLINE, codes.DeadlineExceeded,
			"the caller's own deadline passed after %v", e.elapsed.Round(time.Millisecond))
	case e.callerGone:
		return inferred(Excluded, candorv1.Reason_REASON_DEADLINE, codes.Canceled, "the caller cancelled the call")
	case e.timeUp && (code == codes.DeadlineExceeded || code == codes.Canceled),
		e.ours && code == codes.DeadlineExceeded && float64(e.elapsed) >= nearlyAll*float64(e.given):
		return inferred(Failed, candorv1.Reason_REASON_DEADLINE, codes.DeadlineExceeded, "no answer within %v", e.given)
	case code == codes.ResourceExhausted && !e.said && isReceiveLimit(text, maxBytes):
		return inferred(Excluded, candorv1.Reason_REASON_BACKEND_FAILURE, codes.ResourceExhausted,
			"the answer%s is larger than max_message_bytes, %d bytes", receivedSize(text), maxBytes)
	}

	f := &Failure{
		Class: classOf(d, code, text, len(e.trailer.Get(pushbackHeader)) > 0), Code: code, Message: text,
		Reason: candorv1.Reason_REASON_BACKEND_FAILURE, Source: candorv1.FailureSource_FAILURE_SOURCE_INFERRED,
	}
	if e.said {
		f.Source = candorv1.FailureSource_FAILURE_SOURCE_BACKEND
	}
	switch {
	case f.Class == Overload:
		f.Reason = candorv1.Reason_REASON_OVERLOAD
	case code == codes.DeadlineExceeded:
		f.Reason = candorv1.Reason_REASON_DEADLINE
	}
	if text == "" {
		f.Message = fmt.Sprintf("status %v without a message", code)
	}
	return f
}

// classOf is the class of a status, by dialect.
func classOf(d candorv1.Dialect, code codes.Code, text string, pushback bool) Class {
	if pushback {
		return Overload
	}
	switch code {
	case codes.ResourceExhausted:
		// A server's receive limit is about one request, not about load: it must not slow down everybody else.
		if strings.Contains(strings.ToLower(text), "message larger than max") {
			return Alive
		}
		return Overload
	case codes.Unavailable:
		if d == candorv1.Dialect_DIALECT_TRITON && contains(text, tritonQueue) {
			return Overload
		}
		return Failed
	case codes.InvalidArgument:
		if d == candorv1.Dialect_DIALECT_KSERVE && contains(text, crashes) && !contains(text, badInputs) {
			return Failed
		}
		return Alive
	case codes.DeadlineExceeded:
		// Said by the server, early. Clients can cause it (Triton's request parameter "timeout"), so it can't count.
		return Excluded
	case codes.NotFound, codes.FailedPrecondition, codes.OutOfRange, codes.Unauthenticated, codes.PermissionDenied,
		codes.Unimplemented, codes.AlreadyExists, codes.Aborted:
		return Alive
	}
	// UNKNOWN, INTERNAL, DATA_LOSS; CANCELLED that neither our caller nor we asked for; a code that gRPC doesn't know.
	return Failed
}

// tritonQueue: Triton says UNAVAILABLE when the queue of a model is full, and when a request has waited there for too long.
// The second can be the client's doing: it can set the time by a request parameter. See Terms.Timed.
var tritonQueue = []string{"exceeds maximum queue size", tritonTimeout}

const tritonTimeout = "request timeout expired"

// excuse makes a time-out that the request itself asked for the caller's own doing: as a word about load it would let one client take
// everybody's places. f may be nil.
func (t *Terms) excuse(f *Failure) {
	if f != nil && t.Timed && f.Class == Overload && contains(f.Message, []string{tritonTimeout}) {
		f.Class, f.Reason, f.Code, f.RetryAfter = Excluded, candorv1.Reason_REASON_DEADLINE, codes.DeadlineExceeded, 0
	}
}

// crashes and badInputs tell a crash in the model from bad input where KServe's Python SDK says INVALID_ARGUMENT to both
// (its interceptor maps InferenceError, which wraps any exception of the model, like InvalidInput). Unsure is bad input: a
// crash that isn't recognised still fails its own call, but bad input that counted would let clients open the breaker.
var (
	crashes = []string{
		"cuda error", "cudnn", "cublas", "out of memory", "cannot allocate memory", "device-side assert", "segmentation fault",
		"traceback (most recent call last)", "runtimeerror", "internal error", "broken pipe", "connection refused",
		"worker died", "no space left on device", "nonetype' object", "session is not initialized", "model is not loaded",
	}
	badInputs = []string{"invalid input", "could not convert", "expected shape", "unexpected datatype"}
)

func contains(text string, parts []string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}

// receivedSize is the size that gRPC's text about a message beyond the limit names, if it does: not for one that was compressed.
func receivedSize(text string) string {
	var have, limit int64
	if _, err := fmt.Sscanf(text, "grpc: received message larger than max (%d vs. %d)", &have, &limit); err != nil {
		return ""
	}
	return fmt.Sprintf(" of %d bytes", have)
}

// isReceiveLimit recognises the texts by which our own gRPC client refuses a message that is larger than our limit; they
// end in that limit. gRPC has no other mark for it.
func isReceiveLimit(text string, maxBytes int) bool {
	if !strings.HasPrefix(text, "grpc: received message") && !strings.HasPrefix(text, "grpc: message after decompression") {
		return false
	}
	limit := fmt.Sprint(maxBytes)
	return strings.Contains(text, "larger than max") &&
		(strings.HasSuffix(text, "vs. "+limit+")") || strings.HasSuffix(text, "max "+limit) || strings.Contains(text, "on current machine"))
}
