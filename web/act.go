package web

import (
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"

	candorv1 "github.com/candor-gateway/candor/gen/candor/v1"
)

// Every act is a form that is posted, and a redirect to the page of what came of it, so that a reload repeats nothing. Its
// request_id makes a double click one act. A refusal is the page itself again, with what was entered.

// itemPath is the address of an item's page. in is the queue that is worked through, what a key of done.
func itemPath(name, in, what string) string {
	q := url.Values{}
	if in != "" {
		q.Set("in", in)
	}
	if what != "" {
		q.Set("done", what)
	}
	path := "/items/" + idOf(name)
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return path
}

// claimNext takes the next item, of one queue or of any.
func (s *Server) claimNext(w http.ResponseWriter, r *http.Request, v *visit) error {
	return s.next(w, r, v, r.PostFormValue("queue"), requestID(r), "")
}

// next takes the next item and goes there, or to one's own work where there is none.
func (s *Server) next(w http.ResponseWriter, r *http.Request, v *visit, queue, request, what string) error {
	ctx, cancel := s.call(r, v)
	defer cancel()
	resp, err := s.review.ClaimReviewItem(ctx, &candorv1.ClaimReviewItemRequest{Queue: queue, RequestId: request})
	if hasReason(err, "QUEUE_EMPTY") {
		http.Redirect(w, r, "/work", http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, itemPath(resp.GetItem().GetName(), queue, what), http.StatusSeeOther)
	return nil
}

// claimThis takes one item. What was entered for it before comes along.
func (s *Server) claimThis(w http.ResponseWriter, r *http.Request, v *visit) error {
	name, err := itemName(r)
	if err != nil {
		return err
	}
	ctx, cancel := s.call(r, v)
	defer cancel()
	_, err = s.review.ClaimReviewItem(ctx, &candorv1.ClaimReviewItemRequest{Name: name, RequestId: requestID(r)})
	if e := enteredOf(r); err != nil || !e.empty() {
		return s.showItem(w, r, v, e, err)
	}
	http.Redirect(w, r, itemPath(name, r.PostFormValue("in"), "claimed"), http.StatusSeeOther)
	return nil
}

func (s *Server) resolve(w http.ResponseWriter, r *http.Request, v *visit) error {
	name, err := itemName(r)
	if err != nil {
		return err
	}
	e := enteredOf(r)
	verdict, err := e.verdict()
	if err != nil {
		return s.showItem(w, r, v, e, err)
	}
	ctx, cancel := s.call(r, v)
	defer cancel()
	_, err = s.review.ResolveReviewItem(ctx, &candorv1.ResolveReviewItemRequest{
		Name: name, Epoch: epochOf(r), Verdict: verdict, RequestId: requestID(r),
	})
	if err != nil {
		return s.showItem(w, r, v, e, err)
	}
	http.Redirect(w, r, itemPath(name, r.PostFormValue("in"), ""), http.StatusSeeOther)
	return nil
}

func (s *Server) revise(w http.ResponseWriter, r *http.Request, v *visit) error {
	name, err := itemName(r)
	if err != nil {
		return err
	}
	e := enteredOf(r)
	verdict, err := e.verdict()
	if err != nil {
		return s.showItem(w, r, v, e, err)
	}
	ctx, cancel := s.call(r, v)
	defer cancel()
	_, err = s.review.ReviseReviewItem(ctx, &candorv1.ReviseReviewItemRequest{
		Name: name, Verdict: verdict, RequestId: requestID(r), Etag: r.PostFormValue("etag"),
	})
	if err != nil {
		return s.showItem(w, r, v, e, err)
	}
	http.Redirect(w, r, itemPath(name, r.PostFormValue("in"), "revised"), http.StatusSeeOther)
	return nil
}

func (s *Server) undo(w http.ResponseWriter, r *http.Request, v *visit) error {
	name, err := itemName(r)
	if err != nil {
		return err
	}
	ctx, cancel := s.call(r, v)
	defer cancel()
	if _, err := s.review.UndoReviewItem(ctx, &candorv1.UndoReviewItemRequest{Name: name, RequestId: requestID(r)}); err != nil {
		return s.showItem(w, r, v, entered{}, err)
	}
	http.Redirect(w, r, itemPath(name, r.PostFormValue("in"), "undone"), http.StatusSeeOther)
	return nil
}

func (s *Server) skip(w http.ResponseWriter, r *http.Request, v *visit) error {
	name, err := itemName(r)
	if err != nil {
		return err
	}
	routing := candorv1.SkipRouting_SKIP_ROUTING_OTHERS
	if r.PostFormValue("routing") == "all" {
		routing = candorv1.SkipRouting_SKIP_ROUTING_ALL
	}
	ctx, cancel := s.call(r, v)
	defer cancel()
	_, err = s.review.SkipReviewItem(ctx, &candorv1.SkipReviewItemRequest{
		Name: name, Epoch: epochOf(r), Reason: r.PostFormValue("why"), Routing: routing, RequestId: requestID(r),
	})
	if err != nil {
		return s.showItem(w, r, v, enteredOf(r), err)
	}
	return s.next(w, r, v, r.PostFormValue("in"), requestID(r)+"-next", "skipped")
}

func (s *Server) escalate(w http.ResponseWriter, r *http.Request, v *visit) error {
	name, err := itemName(r)
	if err != nil {
		return err
	}
	ctx, cancel := s.call(r, v)
	defer cancel()
	_, err = s.review.EscalateReviewItem(ctx, &candorv1.EscalateReviewItemRequest{
		Name: name, Epoch: epochOf(r), Queue: r.PostFormValue("queue"), Note: r.PostFormValue("why"), RequestId: requestID(r),
	})
	if err != nil {
		return s.showItem(w, r, v, enteredOf(r), err)
	}
	return s.next(w, r, v, r.PostFormValue("in"), requestID(r)+"-next", "escalated")
}

func (s *Server) release(w http.ResponseWriter, r *http.Request, v *visit) error {
	name, err := itemName(r)
	if err != nil {
		return err
	}
	ctx, cancel := s.call(r, v)
	defer cancel()
	if _, err := s.review.ReleaseReviewItem(ctx, &candorv1.ReleaseReviewItemRequest{Name: name, Epoch: epochOf(r), RequestId: requestID(r)}); err != nil {
		return s.showItem(w, r, v, enteredOf(r), err)
	}
	http.Redirect(w, r, "/work", http.StatusSeeOther)
	return nil
}

// leaseHeader is how many seconds a renewed lease holds.
const leaseHeader = "Candor-Lease-Left"

// renew is the heartbeat of a page's script: it answers no page, and in plain words when it is refused.
func (s *Server) renew(w http.ResponseWriter, r *http.Request, v *visit) error {
	name, err := itemName(r)
	if err != nil {
		return err
	}
	ctx, cancel := s.call(r, v)
	defer cancel()
	resp, err := s.review.RenewReviewItemLease(ctx, &candorv1.RenewReviewItemLeaseRequest{Name: name, Epoch: epochOf(r)})
	if err != nil {
		p := s.problemOf(r, err)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(p.Status)
		text := p.Remedy
		if text == "" {
			text = p.Title + "."
		}
		_, _ = io.WriteString(w, text) // the reader has gone
		return nil
	}
	left := leftUntil(resp.GetItem().GetLeaseExpireTime(), v.Now)
	w.Header().Set(leaseHeader, strconv.FormatInt(int64(math.Floor(left.Seconds())), 10))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// epochOf a form; 0, which no lease has, where it is none.
func epochOf(r *http.Request) uint64 {
	epoch, err := strconv.ParseUint(r.PostFormValue("epoch"), 10, 64)
	if err != nil {
		return 0
	}
	return epoch
}
