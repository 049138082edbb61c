package web

import (
	"errors"
	"log/slog"
	"net/http"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// problem is an error as a person is told it.
type problem struct {
	Status int
	Title  string
	// Detail is what the service says; Remedy what to do.
	Detail, Remedy string
	// Reason of the service's ErrorInfo, without its prefix; empty: it gave none.
	Reason string
}

// fault is an error of the pages' own: it is told as it stands.
type fault problem

func (f *fault) Error() string { return f.Title + ": " + f.Detail }

var errNoPage = &fault{Status: http.StatusNotFound, Title: "There is no such page", Remedy: "Check the address, or begin at the queues."}

var problemInside = problem{
	Status: http.StatusInternalServerError, Title: "The page failed",
	Detail: "This is a defect of the gateway; its log says more.", Remedy: "Try again. If it stays, tell whoever runs the gateway.",
}

// badForm is what a form without script, or one that somebody else wrote, may have wrong.
func badForm(title, remedy string) error {
	return &fault{Status: http.StatusBadRequest, Title: title, Remedy: remedy}
}

// advice is the title and the remedy of each reason that the services give and a person at a page can meet.
var advice = map[string]struct{ title, remedy string }{
	"STALE_LEASE": {"Your hold on this item has ended",
		"Somebody else may have it by now. Claim it again to answer it, or go on with the next one."},
	"REVIEW_ITEM_CLAIMED":   {"Somebody else holds this item", "Wait until their lease ends, or go on with the next one."},
	"REVIEW_ITEM_RESOLVED":  {"This item has its answer", "Go on with the next one."},
	"REVIEW_ITEM_NOT_FOUND": {"There is no such item", "It may have been removed, or be of a queue that you may not see. Look in the list of items."},
	"REVIEW_ITEM_NOT_FINAL": {"The answer can still change", "Undo it or change it, instead of replacing it."},
	"QUEUE_EMPTY":           {"Nothing waits for you", "This page says when something comes."},
	"INVALID_VERDICT":       {"This answer can't be taken", "Correct it and submit again."},
	"INVALID_REQUEST":       {"Something in the form can't be taken", "Correct it and submit again."},
	"UNDO_WINDOW_CLOSED":    {"The answer is final", "It can't be changed or taken back any more. A senior can replace it."},
	"ETAG_MISMATCH":         {"The item has changed meanwhile", "Look at it again before you change it."},
	"SELF_REVIEW":           {"You submitted this yourself", "Nobody reviews what they submitted. Go on with another item."},
	"PERMISSION_DENIED":     {"You may not do this", "Ask whoever administers people for the role that it needs."},
	"UNAUTHENTICATED":       {"You are not logged in", "Log in again."},
	"STORE_UNAVAILABLE":     {"The store did not answer", "Nothing was changed. Try again in a moment."},
	"DRAINING":              {"The gateway is shutting down", "Nothing was changed. Try again in a moment."},
	"APPEAL_REFUSED":        {"This can't be appealed", "It has no answer yet, or is under appeal already."},
	"LIMIT_NOT_TRIPPED":     {"This limit is not tripped", "There is nothing to reset; somebody may have done it."},
	"LIMIT_NOT_FOUND":       {"There is no such limit", "The configuration may have changed. Look at the list."},
	"MODEL_NOT_FOUND":       {"There is no such model", "Look at the list of models."},
	"GOLDEN_ITEM_NOT_FOUND": {"There is no such known answer", "Somebody may have removed it. Look at the list."},
	"PREDICTION_NOT_FOUND":  {"There is no such prediction", "Check its id."},
}

// httpStatus of the codes that the services answer.
var httpStatus = map[codes.Code]int{
	codes.NotFound: http.StatusNotFound, codes.PermissionDenied: http.StatusForbidden, codes.Unauthenticated: http.StatusForbidden,
	codes.InvalidArgument: http.StatusUnprocessableEntity, codes.FailedPrecondition: http.StatusConflict, codes.Aborted: http.StatusConflict,
	codes.AlreadyExists: http.StatusConflict, codes.Unavailable: http.StatusServiceUnavailable, codes.ResourceExhausted: http.StatusTooManyRequests,
	codes.DeadlineExceeded: http.StatusGatewayTimeout, codes.Unimplemented: http.StatusNotImplemented,
}

// problemOf turns an error into words. What no service said is for the log alone.
func (s *Server) problemOf(r *http.Request, err error) problem {
	var f *fault
	if errors.As(err, &f) {
		return problem(*f)
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return problem{Status: http.StatusRequestEntityTooLarge, Title: "The form is too large", Remedy: "Shorten the note."}
	}
	st, ok := status.FromError(err)
	code, known := httpStatus[st.Code()]
	if !ok || !known {
		if r.Context().Err() == nil {
			s.deps.Log.ErrorContext(r.Context(), "a page failed", slog.String("path", r.URL.Path), slog.Any("error", err))
		}
		return problemInside
	}
	p := problem{Status: code, Title: "The gateway refused this", Detail: st.Message(), Reason: reasonOf(st)}
	if a, ok := advice[p.Reason]; ok {
		p.Title, p.Remedy = a.title, a.remedy
	}
	return p
}

// reasonOf is the reason of the status's ErrorInfo; empty: it has none.
func reasonOf(st *status.Status) string {
	for _, d := range st.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// hasReason says whether a service refused for this reason.
func hasReason(err error, reason string) bool {
	return err != nil && reasonOf(status.Convert(err)) == reason
}

func (s *Server) renderProblem(w http.ResponseWriter, r *http.Request, v *visit, p problem) {
	if err := s.render(w, r, v, view{Template: "problem", Title: p.Title, Status: p.Status, Data: p}); err != nil {
		s.deps.Log.ErrorContext(r.Context(), "the page of an error failed", slog.Any("error", err))
		http.Error(w, p.Title, p.Status)
	}
}
